/*
 * worker_process: a worker's processes: births, failed set-ups, deaths, and
 * what is remembered of them. The other half of worker.h.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/proctree.h"
#include "base/sys.h"
#include "core/backoff.h"
#include "ipc/proto_birth.h"
#include "supervisor/adopted.h"
#include "supervisor/aside.h"
#include "supervisor/channel.h"
#include "supervisor/dump_log.h"
#include "supervisor/child.h"
#include "supervisor/floor_argv.h"
#include "supervisor/readiness.h"
#include "supervisor/supervisor.h"
#include "supervisor/trace.h"
#include "supervisor/worker.h"

static size_t
history_size(const struct worker_conf *c)
{
	size_t n = (size_t)c->restart_limit + 1;

	return n > WORKER_HISTORY_MIN ? n : WORKER_HISTORY_MIN;
}

void
worker_remember(struct worker *w, const struct death *d)
{
	history_add(&w->history, d, history_size(w->conf));
}

void
worker_replay(struct worker *w, const struct worker_record *rec)
{
	uint64_t deaths = w->rec.deaths;

	w->rec = *rec;
	worker_conf_id(w->conf, w->rec.name);
	roster_note(&w->sup->roster, w);
	if (rec->deaths > deaths)
		worker_remember(w, &rec->last);
	w->unsettled = rec->token != 0;
}

static void
find_identity(int pid, struct identity *id)
{
	int pidfd = sys_pidfd_open(pid);

	identity_take(pid, pidfd, id);
	fd_close(&pidfd);
}

/* In memory; the caller records it. */
static void
note_birth(struct worker *w, int pid, const struct identity *id)
{
	w->rec.pid = pid;
	w->rec.adopted = 0;
	w->rec.started = 0;
	w->rec.born = loop_now(w->sup->loop);
	w->rec.restarts += w->rec.automatic ? 1 : 0;
	w->rec.automatic = 0;
	if (id != NULL)
		w->rec.id = *id;
	else
		find_identity(pid, &w->rec.id);
}

void
worker_born(
    struct worker *w, uint64_t token, int pid, const struct identity *id)
{
	enum aside a = aside_by_token(w, token);

	if (a != ASIDE_NONE) {
		if (!aside_born(w, a, pid))
			return;
	} else {
		if (token != w->rec.token || w->rec.pid != 0)
			return;
		note_birth(w, pid, id);
		worker_handle(w, EV_BORN);
	}
	link_born(&w->sup->link, pid);
	supervisor_wake(w->sup);
}

void
worker_set_up_failed(struct worker *w, uint64_t token, const char *fault)
{
	enum aside a = aside_by_token(w, token);

	if (a != ASIDE_NONE) {
		aside_set_up_failed(w, a, fault);
		return;
	}
	if (token != w->rec.token)
		return;
	/* Its death is on its way; this is what it died of. */
	snprintf(w->rec.fault, sizeof(w->rec.fault), "%.*s",
	    RECORD_FAULT_MAX - 1, fault);
	worker_record(w);
}

int64_t
worker_recent_deaths(const struct worker *w)
{
	int64_t since = w->rec.last.at - w->conf->restart_interval, n = 0;
	size_t i;

	for (i = 0; i < w->history.n && i < w->rec.fresh; i++) {
		if (history_at(&w->history, i) < since)
			break;
		n++;
	}
	return n;
}

/* Who takes long only to fail has not done well. */
static int
was_ready(const struct worker *w)
{
	return w->rec.state != WS_STARTING && w->rec.overdue != OVERDUE_START;
}

/* The main process is no more; rec.last says how it went. */
static void
judge(struct worker *w)
{
	struct verdict_input in = {.conf = w->conf,
	    .death = &w->rec.last,
	    .want_up = w->rec.want_up,
	    .stopping =
		w->rec.state == WS_STOPPING && w->rec.overdue == OVERDUE_NO,
	    .overdue = w->rec.overdue != OVERDUE_NO,
	    .hopeless = w->rec.interrupted >= WORKER_INTERRUPTED_MAX,
	    .found_gone = w->lost};
	enum worker_event ev;

	w->rec.deaths++;
	/* What was asked for is no fault; those before it are forgiven too. */
	w->rec.fresh = in.stopping ? 0 : w->rec.fresh + 1;
	worker_remember(w, &w->rec.last);
	if (w->rec.last.uptime >= w->conf->backoff_reset &&
	    !death_is_unborn(&w->rec.last) && was_ready(w))
		w->rec.run = 0;
	in.recent = worker_recent_deaths(w);
	w->rec.pid = 0;
	w->rec.token = 0;
	w->rec.line = 0;
	w->rec.id = (struct identity){0};
	w->rec.fault[0] = '\0';
	w->rec.raised = 0;
	w->rec.started = 0;
	w->rec.overdue = OVERDUE_NO;
	w->rec.watchdog = 0;
	ev = backoff_verdict(&in);
	/* Its next life begins at once. */
	if (ev == EV_DIED_RETRY && w->rec.run == 0 &&
	    w->conf->backoff_delay == 0)
		floor_expect(floor_of(w));
	worker_handle(w, ev);
	input_end(w);
}

void
worker_forget_intent(struct worker *w)
{
	if (w->rec.token != 0 && w->rec.pid == 0 && w->conf->as_floor == NULL)
		w->rec.generation--;
	w->rec.token = 0;
}

/* Nothing was born at all: a death without a life. */
void
worker_unborn(struct worker *w, const char *fault)
{
	w->rec.last = (struct death){.at = loop_now(w->sup->loop),
	    .at_rt = loop_realtime(w->sup->loop),
	    .generation = w->rec.generation + (w->conf->floor != NULL),
	    .code = -1};
	snprintf(w->rec.last.fault, sizeof(w->rec.last.fault), "%s", fault);
	worker_forget_intent(w);
	w->rec.channel = CHANNEL_CLOSED;
	judge(w);
	channel_close(w);
}

void
worker_set_up_hung(struct worker *w, uint64_t token)
{
	enum aside a = aside_by_token(w, token);
	int pid = a != ASIDE_NONE ? aside_pid(w, a) : w->rec.pid;

	if (pid == 0)
		return;
	log_error("%s: pid %d hangs in its set-up (%s), ending it",
	    w->conf->name, pid, w->stage);
	if (a != ASIDE_NONE) {
		kill(pid, SIGKILL);
		return;
	}
	w->rec.interrupted++;
	snprintf(w->rec.fault, sizeof(w->rec.fault), "%s: hung", w->stage);
	worker_record(w);
	kill(w->rec.pid, SIGKILL);
}

/* A crash, not a KILL from outside, which says nothing against the set-up. */
void
worker_count_interruption(struct worker *w)
{
	struct link *l = &w->sup->link;

	if (l->predecessor != OBITUARY_SIGNALLED ||
	    l->predecessor_status == SIGKILL)
		return;
	w->rec.interrupted++;
	if (w->rec.interrupted >= WORKER_INTERRUPTED_MAX)
		worker_unborn(w, "its set-up has ended the supervisor twice");
}

/* What the dead leader leaves: its group at once, while its pid is still its
 * own; the rest before the next birth. A stop_command's main process may live
 * on: of its orphans only the session's are meant. */
void
worker_end_left_over(struct worker *w, int pid)
{
	int adopted = pid == w->rec.pid && w->rec.adopted;

	if (w->conf->kill_mode == KILL_MODE_PROCESS)
		return;
	/* Its number may be another's by now, and surely is not known to be its
	 * own where nobody has seen it end. */
	if (adopted) {
		adopted_end_group(w);
		if (w->conf->kill_mode == KILL_MODE_TREE)
			sweep_add_adopted(
			    w->sup, w->adopted == NULL ? 0 : pid, w);
		return;
	}
	/* In a floor's group may be what it has just forked, which is a spare,
	 * or a worker already, and has yet to begin a session of its own. */
	if (w->conf->as_floor == NULL)
		kill(-pid, SIGKILL);
	if (w->conf->kill_mode == KILL_MODE_TREE)
		sweep_add(w->sup, pid, pid == w->rec.stop_pid ? NULL : w);
}

void
worker_listen(struct worker *w)
{
	struct floor_socket *fs =
	    w->conf->as_floor == NULL ? NULL : floor_socket_of(w);

	if (fs != NULL)
		floor_socket_read(fs);
	if (w->line != NULL)
		line_finish(w->line);
	readiness_listen(w);
	notify_read(w);
}

/* What it ended of may still be in its socket. */
static void
hear_last_words(struct worker *w)
{
	struct floor_socket *fs =
	    w->conf->as_floor == NULL ? NULL : floor_socket_of(w);

	if (fs != NULL)
		floor_socket_finish(fs);
	if (w->line != NULL)
		line_finish(w->line);
	if (w->rec.fault[0] == '\0')
		trace_put(w, NULL);
}

/* Beside what it ended of, how far it had come, if that is not its loop: "its
 * code is broken" is told from "what was asked has killed it". */
static void
add_stage(struct worker *w)
{
	const char *stage = channel_stage_text(w);
	struct death *d = &w->rec.last;
	size_t len = strlen(d->fault);

	if (stage == NULL || death_is_unborn(d) || w->rec.state == WS_STOPPING)
		return;
	d->raised = 1;
	snprintf(d->fault + len, sizeof(d->fault) - len, "%s%s",
	    len == 0 ? "" : "; ", stage);
}

void
worker_ended(struct worker *w, int pid, const struct death *d)
{
	struct line *line;

	if (aside_by_pid(w, pid) != ASIDE_NONE) {
		aside_ended(w, aside_by_pid(w, pid), d);
		return;
	}
	if (pid != w->rec.pid)
		return;
	/* It may have said that another is the main process by now. */
	notify_read(w);
	if (pid != w->rec.pid)
		return;
	dump_forget(w);
	line = w->line;
	w->rec.last = *d;
	w->rec.last.generation =
	    w->conf->as_floor == NULL ? w->rec.generation : w->rec.stands_on;
	w->rec.last.uptime = d->at - w->rec.born;
	hear_last_words(w);
	w->rec.last.raised = w->rec.raised;
	memcpy(w->rec.last.fault, w->rec.fault, sizeof(w->rec.last.fault));
	channel_finish(w);
	add_stage(w);
	worker_end_left_over(w, pid);
	if (w->rec.stop_pid != 0)
		proctree_kill(w->rec.stop_pid);
	w->rec.channel = CHANNEL_CLOSED;
	judge(w);
	/* Only now that it is on record. */
	adopted_over(w);
	channel_close(w);
	if (line != NULL)
		line_end(line);
}

/*
 * A successful birth without a set-up that takes time says one packet, and is
 * recorded in one step; anything else is read packet by packet.
 */
static void
attend_birth(struct worker *w, int pid, const struct identity *id, int hung)
{
	struct supervisor *s = w->sup;
	char fault[RECORD_FAULT_MAX];

	if (!hung && births_unread_bytes(&s->births) == BIRTH_PACKET_BYTES) {
		note_birth(w, pid, id);
		/* A floor is ready once it is loaded. */
		if (w->conf->as_floor != NULL)
			worker_handle(w, EV_BORN);
		else
			readiness_begin(w);
		births_take(&s->births);
		link_born(&s->link, pid);
		supervisor_wake(s);
		return;
	}
	worker_born(w, w->rec.token, pid, id);
	births_read(&s->births);
	if (hung && w->rec.fault[0] == '\0') {
		snprintf(fault, sizeof(fault), "%s: hung for %d s", w->stage,
		    SET_UP_MS / 1000);
		worker_set_up_failed(w, w->rec.token, fault);
	}
	if (w->rec.fault[0] == '\0' && w->rec.pid == pid &&
	    w->conf->as_floor == NULL)
		readiness_begin(w);
}

void
worker_start_line(struct worker *w)
{
	struct err e;

	if (line_start(w->line, &e) == 0) {
		line_watch(w->line);
		return;
	}
	worker_set_up_failed(w, w->rec.token, e.text);
	kill(w->rec.pid, SIGKILL);
}

/* What of its stanza is noted with every intent. */
static void
note_intent(struct worker *w)
{
	w->rec.conf = w->conf->print;
	w->rec.fault[0] = '\0';
	notify_begin(w);
	w->rec.channel =
	    w->conf->channel == CHANNEL_NONE ? CHANNEL_CLOSED : CHANNEL_OPEN;
}

void
worker_take_line(struct worker *w, struct line *l)
{
	w->rec.generation++;
	w->rec.token = w->rec.line = l->token;
	w->rec.stands_on = l->generation;
	note_intent(w);
	w->stage = "set-up";
	l->worker = w;
	w->line = l;
	note_birth(w, l->pid, &l->id);
	worker_handle(w, EV_BORN);
	worker_start_line(w);
}

/* What a process has beside its streams: a floor its socket, a worker its
 * channel and what it says that it is ready by. */
static int
prepare_pass(struct worker *w, struct spawn_request *r, struct floor_argv *a,
    struct err *e)
{
	r->store = w->store;
	if (w->conf->as_floor == NULL)
		return channel_lend(w, &r->pass, e) == -1
		           ? -1
		           : readiness_prepare(w, &r->ready, e);
	if (floor_argv_make(a, w->conf, e) == -1 ||
	    floor_socket_make(w, &r->pass, e) == -1)
		return -1;
	r->argv = a->argv;
	r->program = a->program;
	return 0;
}

int
worker_make_process(struct worker *w, struct spawn_request *r, pid_t *pid,
    struct identity *id, struct err *e)
{
	int fds[OUTPUT_STREAMS], rc = -1, lent, is_main = r->main_pid == 0;
	struct floor_argv argv = {0};

	if (is_main && input_open(w, &r->input, e) == -1)
		return -1;
	if (output_open(w, fds, e) == -1) {
		input_close(&r->input);
		return -1;
	}
	r->fifos = fds;
	lent = notify_lend(w, &r->notify, e);
	if (!is_main || (lent == 0 && prepare_pass(w, r, &argv, e) == 0))
		rc = spawn_process(&w->sup->spawner, r, pid, id, e);
	output_close(fds);
	input_close(&r->input);
	input_close(&r->ready);
	floor_argv_release(&argv);
	if (w->conf->as_floor == NULL)
		channel_lent(w);
	else if (r->pass > 2)
		fd_close(&r->pass);
	return rc;
}

/* The same again where the last intent came to nothing. Of a floor's two slots
 * the newer has the higher number, which is given when it is asked for. */
static void
number_generation(struct worker *w)
{
	struct worker_record *r = &w->rec;

	if (w->conf->as_floor == NULL)
		r->generation += r->token == 0;
	else if (r->generation == r->last.generation)
		r->generation = floor_next_generation(w->floor);
}

void
worker_spawn(struct worker *w)
{
	struct spawn_request r = {.conf = w->conf, .argv = w->conf->argv};
	int64_t begun = loop_now(w->sup->loop);
	struct identity id;
	struct err e;
	pid_t pid;

	if (w->conf->floor != NULL) {
		floor_spawn(w);
		return;
	}
	number_generation(w);
	w->rec.token = supervisor_new_token(w->sup);
	w->rec.line = w->conf->as_floor == NULL ? 0 : w->rec.token;
	w->rec.stands_on = w->conf->as_floor == NULL ? 0 : w->rec.generation;
	note_intent(w);
	w->stage = "birth";
	worker_record(w);
	r.token = w->rec.token;
	r.generation = w->rec.generation;
	if (worker_make_process(w, &r, &pid, &id, &e) == -1) {
		worker_unborn(w, e.text);
		return;
	}
	attend_birth(w, pid, &id, loop_now(w->sup->loop) - begun >= SET_UP_MS);
}
