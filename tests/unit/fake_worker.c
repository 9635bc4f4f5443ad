/* fake_worker: one worker, with a supervisor around it, in a world of fake
 * processes and virtual time. To be included by a suite. */
#include "fake_world.c"

#include <check.h>
#include <sys/wait.h>

#define GRACE 15000

static struct supervisor sup;
static struct worker_conf conf;
static struct worker w;

static char *command[] = {(char *)"worker", NULL};
static char *no_environment[] = {NULL};

/* --- a supervisor with one worker --- */

static void
spawn_cb(struct loop_timer *t)
{
	supervisor_spawn_turn(t->arg);
}

static void
keeper_cb(struct loop_io *io, int events)
{
	unsigned char packet[KEEPER_PACKET_MAX];
	struct keeper_msg m;
	struct death d;

	(void)io;
	(void)events;
	if (link_receive(&sup.link, packet, &m) != 1)
		return;
	d = (struct death){.at = loop_now(sup.loop),
	    .pid = m.pid,
	    .code = m.code == CLD_EXITED ? m.status : -1,
	    .signal = m.code == CLD_EXITED ? 0 : m.status};
	worker_ended(&w, m.pid, &d);
	link_ack(&sup.link, m.pid);
	link_flush(&sup.link);
}

static void
set_up(void)
{
	int birth[2];
	struct err e;

	world_new();
	world->life = 1;
	world_fate = NULL;
	conf = (struct worker_conf){.name = "w",
	    .group_name = "w",
	    .numprocs = 1,
	    .argv = command,
	    .directory = (char *)"/srv",
	    .environment = no_environment,
	    .restart = RESTART_ALWAYS,
	    .backoff_delay = 1000,
	    .backoff_factor = 2,
	    .backoff_limit = 30000,
	    .backoff_reset = 10000,
	    .restart_interval = 60000,
	    .success = {.code = {1}},
	    .stop_signal = SIGTERM,
	    .stop_timeout = GRACE,
	    .watchdog_signal = SIGABRT};
	sup = (struct supervisor){
	    .loop = loop_new(), .fleet = {.name = "f"}, .resumed = 1};
	TAILQ_INIT(&sup.spawns);
	loop_timer_init(sup.loop, &sup.spawn_turn, spawn_cb, &sup);
	ck_assert_int_eq(link_open(&sup.link, -1, &e), 0);
	ck_assert_int_eq(chan_pair(birth), 0);
	ck_assert_int_eq(births_init(&sup.births, &sup, birth[0], &e), 0);
	spawner_init(&sup.spawner, 1, birth[0], birth[1], &e);
	loop_io_init(sup.loop, &sup.keeper_io, WORLD_LINK_FD, keeper_cb, &sup);
	loop_io_set(&sup.keeper_io, LOOP_READ);
	worker_init(&w, &sup, &conf);
	ck_assert_int_eq(roster_add(&sup.roster, &w), 0);
}

static void
tear_down(void)
{
	size_t i;

	worker_release(&w);
	roster_release(&sup.roster);
	close(sup.spawner.birth_write);
	births_release(&sup.births);
	for (i = 0; i < sup.link.nheld; i++)
		close(sup.link.held[i].fd);
	link_close(&sup.link);
	world_free();
}

/* All that there is to do now. */
static void
turn(void)
{
	while (loop_turn(sup.loop))
		;
}

static void
pass(int64_t ms)
{
	int64_t end = world->now + ms, next;

	for (turn(); (next = loop_next(sup.loop)) <= end; turn())
		world->now = next;
	world->now = end;
}

/* A command, and all that follows at once. */
static void
say(enum worker_event ev)
{
	worker_command(&w, ev);
	turn();
}

static int
count(const char *start)
{
	int i, n = 0;

	for (i = 0; i < world->ntrace; i++)
		n += strncmp(world->trace[i], start, strlen(start)) == 0;
	return n;
}

static void
expect_state(enum worker_state s)
{
	ck_assert_str_eq(worker_state_name(w.rec.state), worker_state_name(s));
}
