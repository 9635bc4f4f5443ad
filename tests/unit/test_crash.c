/*
 * A supervisor that dies at any moment: each story is told once from end to
 * end, and then again for each of its moments, with the supervisor killed there
 * and a successor that takes over. The worker's life must come out the same:
 * no birth, death or restart lost or counted twice, and no two processes at
 * once (the fake spawn aborts).
 */
#include "fake_world.c"

#include <check.h>
#include <sys/wait.h>

#include "conf/conf.h"
#include "conf/plan.h"
#include "conf/source.h"
#include "supervisor/reload.h"

#define COMMANDS_MAX 4
#define SHUTDOWN EV_COUNT     /* not a worker's event: TERM to svd */
#define RELOAD (EV_COUNT + 1) /* the next file is on disk: read it */
#define START 1000000         /* world->now at first */

struct story {
	const char *name;
	void (*configure)(struct worker_conf *c);
	struct fate (*fate)(const struct spawn_request *r);
	struct {
		int64_t after; /* ms from the start */
		int event;
	} commands[COMMANDS_MAX];
	int ncommands;
	int64_t until; /* ms from the start */
	/* How the files differ that reloads find: in the command, unless it is
	 * the same_command; and in what file() does. */
	unsigned int absent; /* bit n: w is not in file n */
	int same_command;
	void (*file)(struct worker_conf *c, int file);
};

static const struct story *story;

/* --- what is told to the supervisor in place of a fleet file --- */

static char *no_environment[] = {NULL};
static char *stop_command[] = {(char *)"stop", NULL};

struct sources {
	int file, frozen;
};

static struct sources *
new_sources(int file, int frozen)
{
	struct sources *s = malloc(sizeof(*s));

	*s = (struct sources){file, frozen};
	return s;
}

struct sources *
sources_load(int fd, struct err *e)
{
	(void)e;
	return new_sources(file_of(fd), 1);
}

void
sources_free(struct sources *s)
{
	free(s);
}

struct sources *
sources_new(void)
{
	return new_sources(world->disk, 0);
}

int
sources_frozen(const struct sources *s)
{
	return s->frozen;
}

const char *
sources_get(struct sources *s, const char *path, size_t *len, struct err *e)
{
	(void)s;
	(void)path;
	(void)len;
	(void)e;
	return NULL;
}

char *const *
sources_glob(struct sources *s, const char *pattern, struct err *e)
{
	(void)s;
	(void)pattern;
	(void)e;
	return NULL;
}

int
sources_scale(struct sources *s, const char *group, int numprocs)
{
	(void)s;
	(void)group;
	(void)numprocs;
	return -1;
}

int
sources_scaled(const struct sources *s, const char *group)
{
	(void)s;
	(void)group;
	return 0;
}

int
sources_save(const struct sources *s, int fd, struct err *e)
{
	(void)e;
	return pwrite(fd, &s->file, sizeof(s->file), 0) == sizeof(s->file) ? 0
	                                                                   : -1;
}

static char **
copy_words(char *const *words)
{
	char **copy = calloc(8, sizeof(char *));
	int i;

	for (i = 0; words != NULL && words[i] != NULL; i++)
		copy[i] = strdup(words[i]);
	return copy;
}

/* All that it points to is its own. */
static void
make_worker(struct worker_conf *c, int file)
{
	char number[16];
	char *command[] = {(char *)"worker", number, NULL};

	snprintf(number, sizeof(number), "%d", file);
	*c = (struct worker_conf){.name = "w",
	    .group_name = "w",
	    .numprocs = 1,
	    .autostart = 1,
	    .restart = RESTART_ALWAYS,
	    .backoff_delay = 1000,
	    .backoff_factor = 2,
	    .backoff_limit = 30000,
	    .backoff_reset = 10000,
	    .restart_interval = 60000,
	    .success = {.code = {1}},
	    .stop_signal = SIGTERM,
	    .stop_timeout = 15000};
	if (story->configure != NULL)
		story->configure(c);
	if (story->file != NULL)
		story->file(c, file);
	if (!story->same_command)
		c->argv = copy_words(command);
	else
		c->argv = copy_words(stop_command);
	c->directory = strdup("/srv");
	c->environment = copy_words(no_environment);
	if (c->stop_command != NULL)
		c->stop_command = copy_words(c->stop_command);
	ck_assert_int_eq(plan_fingerprint(c, &c->print), 0);
}

int
conf_load(
    struct fleet *f, const char *path, struct sources *src, struct diags *d)
{
	(void)path;
	(void)d;
	*f = (struct fleet){.name = "f"};
	f->workers = calloc(1, sizeof(*f->workers));
	ck_assert_ptr_nonnull(f->workers);
	if (story->absent & 1 << src->file)
		return 0;
	make_worker(&f->workers[0], src->file);
	f->nworkers = 1;
	return 0;
}

void
conf_check_machine(const struct fleet *f, struct diags *d)
{
	(void)f;
	(void)d;
}

/* --- the loop, to the end of the story or of this life --- */

static int
reloads_before(int command)
{
	int i, n = 0;

	for (i = 0; i < command; i++)
		n += story->commands[i].event == RELOAD;
	return n;
}

static void
give_command(int event)
{
	if (event == SHUTDOWN) {
		world->pending |= UINT64_C(1) << (SIGTERM - 1);
		world->ncommands_done++;
		return;
	}
	world->in_command = 1;
	if (event == RELOAD) {
		/* Told a second time, it is the same file. */
		world->disk = reloads_before(world->ncommands_done) + 1;
		reload_by_signal(world_supervisor);
		return;
	}
	worker_command(world_supervisor->roster.list[0], event);
	if (world->in_command)
		world->ncommands_done++; /* it had nothing to do */
	world->in_command = 0;
}

void
loop_run(struct loop *l)
{
	int64_t next, at;

	while (!l->stopped) {
		if (loop_turn(l))
			continue;
		at = NEVER;
		if (world->ncommands_done < story->ncommands)
			at = START +
			     story->commands[world->ncommands_done].after;
		if (at <= world->now) {
			give_command(
			    story->commands[world->ncommands_done].event);
			continue;
		}
		next = loop_next(l);
		if (at < next)
			next = at;
		if (next > START + story->until)
			return;
		world->now = next;
	}
}

/* What the keeper does when a supervisor has ended, and starts another. */
static void
begin_life(int birth[2])
{
	ck_assert_int_lt(world->life, WORLD_LIVES);
	ck_assert_int_eq(chan_pair(birth), 0);
	world->births[++world->life] = birth[0];
	world->pending |= world->signals_sent;
	if (world->stopping && !world->quit)
		world->pending |= UINT64_C(1) << (SIGTERM - 1);
	world->signals_sent = 0;
	world->in_command = 0;
}

/* One life; its wait status. */
static int
live(void)
{
	struct supervisor_options o = {.fleet_path = "f", .keeper_fd = -1};
	int birth[2], status;
	pid_t pid;

	begin_life(birth);
	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid == 0) {
		o.birth_read_fd = birth[0];
		o.birth_write_fd = birth[1];
		_exit(supervisor_main(&o));
	}
	close(birth[1]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

/* All that must be the same however often the supervisor died: what the last
 * record says, and what there is. */
static void
summarise(char *out, size_t size)
{
	const struct record *last = &world->journal[world->njournal - 1];
	const struct worker_record *r = &last->u.worker;
	int i, births = 0, alive = 0, unread = 0;

	for (i = 0; i < world->nprocesses; i++) {
		births += !world->processes[i].is_aside;
		alive += world->processes[i].alive;
		unread +=
		    !world->processes[i].alive && !world->processes[i].acked;
	}
	if (last->kind == RECORD_GONE) {
		snprintf(out, size,
		    "gone; %d born, %d alive, %d unread, %d old", births, alive,
		    unread, world->nold);
		return;
	}
	snprintf(out, size,
	    "%s since %lld want %d generation %llu restarts %llu deaths %llu "
	    "run %u fresh %u interrupted %u deadline %lld; last at %lld "
	    "uptime %lld generation %llu code %d signal %d '%s'; %d born, %d "
	    "alive, %d unread, %d old, quit %d",
	    worker_state_name(r->state), (long long)r->since - START,
	    r->want_up, (unsigned long long)r->generation,
	    (unsigned long long)r->restarts, (unsigned long long)r->deaths,
	    r->run, r->fresh, r->interrupted,
	    (long long)(r->deadline == 0 ? 0 : r->deadline - START),
	    (long long)(r->last.at == 0 ? 0 : r->last.at - START),
	    (long long)r->last.uptime, (unsigned long long)r->last.generation,
	    r->last.code, r->last.signal, r->last.fault, births, alive, unread,
	    world->nold, world->quit);
}

static void
dump_trace(void)
{
	int i;

	for (i = 0; i < world->ntrace; i++)
		fprintf(stderr, "%s%s", i > 0 ? ", " : "", world->trace[i]);
	fprintf(stderr, "\n");
}

/* Tells the story with a death at moment first, and another as many moments
 * into the next life; -1: none. Returns the moments there were. */
static int
tell(int first, int second, char *summary, size_t size)
{
	int status, moments, i;

	world_new();
	world->crash_at = first;
	status = live();
	while (WIFEXITED(status) && WEXITSTATUS(status) == WORLD_CRASHED) {
		world->crash_at = second == -1 ? -1 : world->moments + second;
		second = -1;
		note("--- dies");
		status = live();
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		dump_trace();
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "%s, death at moment %d: wait status %#x", story->name, first,
	    (unsigned int)status);
	summarise(summary, size);
	moments = world->moments;
	for (i = 1; i <= world->life; i++)
		close(world->births[i]);
	if (getenv("SVD_TEST_TRACE") != NULL)
		dump_trace();
	world_free();
	return moments;
}

/* --- stories --- */

static struct fate
lives_for_ever(const struct spawn_request *r)
{
	(void)r;
	return (struct fate){0};
}

static struct fate
ignores_term(const struct spawn_request *r)
{
	(void)r;
	return (struct fate){.ignores = SIGTERM};
}

static struct fate
dies_three_times(const struct spawn_request *r)
{
	if (r->generation > 3)
		return (struct fate){0};
	return (struct fate){.lives = 50, .code = (int)r->generation};
}

static struct fate
dies_always(const struct spawn_request *r)
{
	(void)r;
	return (struct fate){.lives = 1, .code = 1};
}

static struct fate
succeeds(const struct spawn_request *r)
{
	(void)r;
	return (struct fate){.lives = 500};
}

static struct fate
is_not_found_at_first(const struct spawn_request *r)
{
	if (r->generation > 2)
		return (struct fate){0};
	return (struct fate){.stage = BIRTH_EXEC, .fault = ENOENT};
}

static struct fate
is_slow_and_has_no_directory_at_first(const struct spawn_request *r)
{
	if (r->generation > 1)
		return (struct fate){.slow = 1};
	return (struct fate){
	    .slow = 1, .stage = BIRTH_DIRECTORY, .fault = ENOENT};
}

static struct fate
cannot_be_forked_for_two_seconds(const struct spawn_request *r)
{
	(void)r;
	return (struct fate){.unborn = world->now < START + 2000 ? EAGAIN : 0};
}

static struct fate
has_a_stop_command(const struct spawn_request *r)
{
	int is_stop = r->argv == r->conf->stop_command;

	return (struct fate){.lives = is_stop ? 700 : 0, .ends_main = is_stop};
}

static struct fate
has_a_useless_stop_command(const struct spawn_request *r)
{
	int is_stop = r->argv == r->conf->stop_command;

	return (struct fate){.lives = is_stop ? 700 : 0, .code = 1};
}

static struct fate
has_no_stop_command_after_all(const struct spawn_request *r)
{
	if (r->argv != r->conf->stop_command)
		return (struct fate){0};
	return (struct fate){.stage = BIRTH_EXEC, .fault = ENOENT};
}

static void
with_stop_command(struct worker_conf *c)
{
	c->stop_command = stop_command;
}

static void
with_restart_limit(struct worker_conf *c)
{
	c->restart_limit = 2;
}

static void
as_oneshot(struct worker_conf *c)
{
	c->type = WORKER_ONESHOT;
	c->restart = RESTART_NO;
}

static void
essential_oneshot(struct worker_conf *c)
{
	as_oneshot(c);
	c->essential = 1;
}

static void
with_max_age(struct worker_conf *c)
{
	c->max_age = 20000;
}

/* Until the file says it better. */
static struct fate
dies_by_the_first_file(const struct spawn_request *r)
{
	if (strcmp(r->argv[1], "0") != 0)
		return (struct fate){0};
	return dies_always(r);
}

static void
with_a_shorter_grace(struct worker_conf *c, int file)
{
	c->stop_timeout = file == 0 ? 15000 : 2000;
}

static void
not_by_itself(struct worker_conf *c, int file)
{
	c->autostart = file == 0;
}

/* --- of readiness: the fake address of w begins with its name --- */

static void
by_address(struct worker_conf *c)
{
	c->ready.kind = READY_TCP;
	c->ready.target = strdup("w");
	c->start_timeout = 6000;
}

static char *ready_command[] = {(char *)"ready", NULL};

static void
by_command(struct worker_conf *c)
{
	by_address(c);
	free(c->ready.target);
	c->ready = (struct ready_conf){
	    .kind = READY_COMMAND, .argv = copy_words(ready_command)};
}

static struct fate
is_ready_after_five_seconds(const struct spawn_request *r)
{
	(void)r;
	return (struct fate){.ready = 5000};
}

static struct fate
is_ready_at_the_second_time(const struct spawn_request *r)
{
	return (struct fate){.ready = r->generation > 1 ? 1000 : 0};
}

static struct fate
is_never_ready_and_ignores_term(const struct spawn_request *r)
{
	(void)r;
	return (struct fate){.ignores = SIGTERM};
}

static struct fate
dies_before_it_is_ready(const struct spawn_request *r)
{
	(void)r;
	return (struct fate){.lives = 2000, .ready = 3000, .code = 1};
}

/* The command ends when the worker is ready, five seconds after the start. */
static struct fate
has_a_command_that_waits(const struct spawn_request *r)
{
	if (r->main_pid == 0)
		return (struct fate){0};
	return (struct fate){.lives = START + 5000 - world->now};
}

static struct fate
has_a_command_that_hangs(const struct spawn_request *r)
{
	(void)r;
	return (struct fate){0};
}

static void
with_more_time(struct worker_conf *c, int file)
{
	c->start_timeout = file == 0 ? 4000 : 6000;
}

static const struct story stories[] = {
    {"starts", NULL, lives_for_ever, {{0}}, 0, .until = 1000},
    {"dies, is started again", NULL, dies_three_times, {{0}}, 0,
	.until = 20000},
    {"stops", NULL, lives_for_ever, {{100, EV_STOP}}, 1, .until = 30000},
    {"ignores TERM", NULL, ignores_term, {{100, EV_STOP}}, 1, .until = 30000},
    {"is restarted", NULL, lives_for_ever, {{100, EV_RESTART}}, 1,
	.until = 30000},
    {"is restarted while it stops", NULL, ignores_term,
	{{100, EV_STOP}, {200, EV_RESTART}}, 2, .until = 30000},
    {"is stopped while it restarts", NULL, ignores_term,
	{{100, EV_RESTART}, {200, EV_STOP}}, 2, .until = 30000},
    {"stops in backoff", NULL, dies_always, {{500, EV_STOP}}, 1,
	.until = 30000},
    {"is started in backoff", NULL, dies_three_times, {{500, EV_START}}, 1,
	.until = 20000},
    {"stops by its command", with_stop_command, has_a_stop_command,
	{{100, EV_STOP}}, 1, .until = 30000},
    {"stops after its command", with_stop_command, has_a_useless_stop_command,
	{{100, EV_STOP}}, 1, .until = 30000},
    {"stops without its command", with_stop_command,
	has_no_stop_command_after_all, {{100, EV_STOP}}, 1, .until = 30000},
    {"passes its limit", with_restart_limit, dies_always, {{0}}, 0,
	.until = 30000},
    {"passes its limit, is started by hand", with_restart_limit, dies_always,
	{{20000, EV_START}}, 1, .until = 40000},
    {"succeeds", as_oneshot, succeeds, {{0}}, 0, .until = 30000},
    {"ends the fleet", essential_oneshot, succeeds, {{0}}, 0, .until = 30000},
    {"grows too old", with_max_age, lives_for_ever, {{0}}, 0, .until = 50000},
    {"is not found", NULL, is_not_found_at_first, {{0}}, 0, .until = 20000},
    {"is set up slowly", NULL, is_slow_and_has_no_directory_at_first, {{0}}, 0,
	.until = 20000},
    {"cannot be forked", NULL, cannot_be_forked_for_two_seconds, {{0}}, 0,
	.until = 20000},
    {"shuts down", NULL, lives_for_ever, {{100, SHUTDOWN}}, 1, .until = 30000},
    {"shuts down in backoff", NULL, dies_always, {{500, SHUTDOWN}}, 1,
	.until = 30000},
    {"shuts down by KILL", NULL, ignores_term, {{100, SHUTDOWN}}, 1,
	.until = 30000},
    {"has another command", NULL, lives_for_ever, {{100, RELOAD}}, 1,
	.until = 30000},
    {"has another command twice", NULL, ignores_term,
	{{100, RELOAD}, {200, RELOAD}}, 2, .until = 40000},
    {"has another grace", NULL, ignores_term, {{100, RELOAD}, {200, EV_STOP}},
	2, .until = 30000, .same_command = 1, .file = with_a_shorter_grace},
    {"is down, has another command", NULL, lives_for_ever,
	{{100, EV_STOP}, {200, RELOAD}}, 2, .until = 30000},
    {"is mended", NULL, dies_by_the_first_file, {{500, RELOAD}}, 1,
	.until = 30000},
    {"is mended, having failed", with_restart_limit, dies_by_the_first_file,
	{{20000, RELOAD}}, 1, .until = 40000},
    {"leaves", NULL, lives_for_ever, {{100, RELOAD}}, 1, .until = 30000,
	.absent = 2},
    {"leaves by KILL", NULL, ignores_term, {{100, RELOAD}}, 1, .until = 30000,
	.absent = 2},
    {"leaves in backoff", NULL, dies_always, {{500, RELOAD}}, 1, .until = 30000,
	.absent = 2},
    {"leaves by its command", with_stop_command, has_a_stop_command,
	{{100, RELOAD}}, 1, .until = 30000, .absent = 2, .same_command = 1},
    {"leaves, and is back too soon", NULL, ignores_term,
	{{100, RELOAD}, {200, RELOAD}}, 2, .until = 40000, .absent = 2},
    {"leaves, and is back", NULL, lives_for_ever,
	{{100, RELOAD}, {5000, RELOAD}}, 2, .until = 40000, .absent = 2},
    {"leaves twice", NULL, ignores_term,
	{{100, RELOAD}, {200, RELOAD}, {300, RELOAD}}, 3, .until = 40000,
	.absent = 2 | 8},
    {"is back, not by itself", NULL, lives_for_ever,
	{{100, RELOAD}, {5000, RELOAD}}, 2, .until = 40000, .absent = 2,
	.file = not_by_itself},
    {"shuts down while it leaves", NULL, ignores_term,
	{{100, RELOAD}, {200, SHUTDOWN}}, 2, .until = 40000, .absent = 2},
    {"is ready late", by_address, is_ready_after_five_seconds, {{0}}, 0,
	.until = 20000},
    {"is not ready, is started again", by_address, is_ready_at_the_second_time,
	{{0}}, 0, .until = 20000},
    {"is never ready, ends by KILL", by_address,
	is_never_ready_and_ignores_term, {{0}}, 0, .until = 40000},
    {"dies before it is ready", by_address, dies_before_it_is_ready, {{0}}, 0,
	.until = 8000},
    {"stops before it is ready", by_address, is_ready_after_five_seconds,
	{{100, EV_STOP}}, 1, .until = 20000},
    {"is ready by its command", by_command, has_a_command_that_waits, {{0}}, 0,
	.until = 20000},
    {"its command hangs", by_command, has_a_command_that_hangs,
	{{5000, EV_STOP}}, 1, .until = 20000},
    {"has more time to be ready", by_address, is_ready_after_five_seconds,
	{{100, RELOAD}}, 1, .until = 20000, .same_command = 1,
	.file = with_more_time},
};

#define NSTORIES ((int)(sizeof(stories) / sizeof(*stories)))
#define SUMMARY 512

/* How many moments apart the deaths are: each one, but for valgrind. */
static int
stride(void)
{
	return getenv("SVD_VALGRIND") == NULL ? 1 : 11;
}

static void
expect_same(int first, int second, const char *whole)
{
	char summary[SUMMARY];

	tell(first, second, summary, sizeof(summary));
	ck_assert_msg(strcmp(summary, whole) == 0,
	    "'%s', death at moment %d, then %d:\n  %s\nbut undisturbed:\n  %s",
	    story->name, first, second, summary, whole);
}

START_TEST(a_death_at_any_moment_changes_nothing)
{
	char whole[SUMMARY];
	int moments, i;

	story = &stories[_i];
	world_fate = story->fate;
	moments = tell(-1, -1, whole, sizeof(whole));
	ck_assert_int_gt(moments, 6);
	for (i = 0; i < moments; i += stride())
		expect_same(i, -1, whole);
}
END_TEST

START_TEST(nor_does_another_death_of_the_successor)
{
	char whole[SUMMARY];
	int moments, i;

	story = &stories[_i];
	world_fate = story->fate;
	moments = tell(-1, -1, whole, sizeof(whole));
	for (i = 0; i < moments; i += stride())
		expect_same(i, i % 7, whole);
}
END_TEST

/* The yardstick itself: undisturbed, each story ends as its name says. */
static const struct {
	const char *name, *ending;
} endings[] = {
    {"starts", "RUNNING since 0 want 1 generation 1 restarts 0 deaths 0"},
    {"dies, is started again",
	"RUNNING since 7150 want 1 generation 4 restarts 3 deaths 3"},
    {"stops", "STOPPED since 100 want 0 generation 1 restarts 0 deaths 1"},
    {"ignores TERM",
	"STOPPED since 15100 want 0 generation 1 restarts 0 deaths 1"},
    {"is restarted",
	"RUNNING since 100 want 1 generation 2 restarts 0 deaths 1"},
    {"is restarted while it stops",
	"RUNNING since 15100 want 1 generation 2 restarts 0 deaths 1"},
    {"is stopped while it restarts",
	"STOPPED since 15100 want 0 generation 1 restarts 0 deaths 1"},
    {"stops in backoff",
	"STOPPED since 500 want 0 generation 1 restarts 0 deaths 1"},
    {"is started in backoff",
	"RUNNING since 3600 want 1 generation 4 restarts 2 deaths 3"},
    {"stops by its command",
	"STOPPED since 800 want 0 generation 1 restarts 0 deaths 1"},
    {"stops after its command",
	"STOPPED since 800 want 0 generation 1 restarts 0 deaths 1"},
    {"stops without its command",
	"STOPPED since 100 want 0 generation 1 restarts 0 deaths 1"},
    {"passes its limit",
	"FAILED since 3003 want 1 generation 3 restarts 2 deaths 3"},
    {"passes its limit, is started by hand",
	"FAILED since 23003 want 1 generation 6 restarts 4 deaths 6"},
    {"succeeds", "EXITED since 500 want 1 generation 1 restarts 0 deaths 1"},
    {"ends the fleet",
	"STOPPED since 500 want 0 generation 1 restarts 0 deaths 1"},
    {"grows too old",
	"RUNNING since 40000 want 1 generation 3 restarts 2 deaths 2"},
    {"is not found",
	"RUNNING since 3000 want 1 generation 3 restarts 2 deaths 2"},
    {"is set up slowly",
	"RUNNING since 1000 want 1 generation 2 restarts 1 deaths 1"},
    {"cannot be forked",
	"RUNNING since 3000 want 1 generation 1 restarts 1 deaths 2"},
    {"shuts down", "STOPPED since 100 want 0 generation 1 restarts 0 deaths 1"},
    {"shuts down in backoff",
	"STOPPED since 500 want 0 generation 1 restarts 0 deaths 1"},
    {"shuts down by KILL",
	"STOPPED since 15100 want 0 generation 1 restarts 0 deaths 1"},
    {"has another command",
	"RUNNING since 100 want 1 generation 2 restarts 0 deaths 1"},
    {"has another command twice",
	"RUNNING since 15100 want 1 generation 2 restarts 0 deaths 1"},
    {"has another grace",
	"STOPPED since 2200 want 0 generation 1 restarts 0 deaths 1"},
    {"is down, has another command",
	"STOPPED since 100 want 0 generation 1 restarts 0 deaths 1"},
    {"is mended", "RUNNING since 500 want 1 generation 2 restarts 0 deaths 1"},
    {"is mended, having failed",
	"RUNNING since 20000 want 1 generation 4 restarts 2 deaths 3"},
    {"leaves", "gone; 1 born, 0 alive, 0 unread, 0 old"},
    {"leaves by KILL", "gone; 1 born, 0 alive, 0 unread, 0 old"},
    {"leaves in backoff", "gone; 1 born, 0 alive, 0 unread, 0 old"},
    {"leaves by its command", "gone; 1 born, 0 alive, 0 unread, 0 old"},
    {"leaves, and is back too soon",
	"RUNNING since 15100 want 1 generation 2 restarts 0 deaths 1"},
    {"leaves, and is back",
	"RUNNING since 5000 want 1 generation 1 restarts 0 deaths 0"},
    {"leaves twice", "gone; 1 born, 0 alive, 0 unread, 0 old"},
    {"is back, not by itself",
	"STOPPED since 5000 want 0 generation 0 restarts 0 deaths 0"},
    {"shuts down while it leaves", "gone; 1 born, 0 alive, 0 unread, 0 old"},
    {"is ready late", "RUNNING since 5000 want 1 generation 1 restarts 0"},
    {"is not ready, is started again",
	"RUNNING since 8000 want 1 generation 2 restarts 1 deaths 1 run 1"},
    {"is never ready, ends by KILL",
	"STOPPING since 28000 want 1 generation 2 restarts 1 deaths 1 run 1"},
    {"dies before it is ready",
	"STARTING since 7000 want 1 generation 3 restarts 2 deaths 2"},
    {"stops before it is ready",
	"STOPPED since 100 want 0 generation 1 restarts 0 deaths 1"},
    {"is ready by its command", "RUNNING since 5000 want 1 generation 1"},
    {"its command hangs",
	"STOPPED since 5000 want 0 generation 1 restarts 0 deaths 1"},
    {"has more time to be ready", "RUNNING since 5000 want 1 generation 1"},
};

_Static_assert(
    sizeof(endings) / sizeof(*endings) == sizeof(stories) / sizeof(*stories),
    "an ending for each story");

START_TEST(a_story_ends_as_it_should)
{
	char whole[SUMMARY];

	story = &stories[_i];
	world_fate = story->fate;
	tell(-1, -1, whole, sizeof(whole));
	ck_assert_str_eq(story->name, endings[_i].name);
	ck_assert_msg(
	    strncmp(whole, endings[_i].ending, strlen(endings[_i].ending)) == 0,
	    "'%s' ends: %s", story->name, whole);
	ck_assert_ptr_nonnull(strstr(whole, " 0 unread"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("crash");
	TCase *t = tcase_create("stories");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_set_timeout(t, 50);
	tcase_add_loop_test(t, a_story_ends_as_it_should, 0, NSTORIES);
	tcase_add_loop_test(
	    t, a_death_at_any_moment_changes_nothing, 0, NSTORIES);
	tcase_add_loop_test(
	    t, nor_does_another_death_of_the_successor, 0, NSTORIES);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
