/* worker: see worker.h. Its states, what each action does, and commands. */
#include "supervisor/worker.h"

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
#include "supervisor/adopted.h"
#include "supervisor/aside.h"
#include "supervisor/channel.h"
#include "supervisor/dump_log.h"
#include "supervisor/readiness.h"
#include "supervisor/recycle.h"
#include "supervisor/worker_stop.h"
#include "supervisor/stored.h"
#include "supervisor/supervisor.h"
#include "supervisor/trace.h"

#define END_MS 1000 /* from a failed set-up to its process's end */

static void
deadline_cb(struct loop_timer *t)
{
	struct worker *w = t->arg;
	enum worker_state before = w->rec.state;

	/* It may be we who were held up: what it has said may be there. */
	if (before == WS_STARTING)
		worker_listen(w);
	else
		notify_read(w);
	if (w->rec.state != before || t->active)
		return;
	if (before == WS_STARTING && w->rec.started)
		readiness_overdue(w);
	else
		worker_handle(w, EV_TIMER);
}

struct worker *
worker_new(struct supervisor *s, struct worker_conf *conf)
{
	struct worker *w = malloc(sizeof(*w));

	if (w == NULL)
		return NULL;
	worker_init(w, s, conf);
	if (conf->as_floor == NULL || floor_attach(w) == 0)
		return w;
	worker_release(w);
	free(w);
	return NULL;
}

static void
free_conf(struct worker_conf *conf)
{
	worker_conf_release(conf);
	free(conf);
}

void
worker_free(struct worker *w)
{
	worker_release(w);
	free_conf(w->conf);
	free(w);
}

void
worker_take_conf(struct worker *w, struct worker_conf *conf)
{
	int64_t was = w->conf->start_timeout;

	/* Of a process of before there were fingerprints. */
	if (w->rec.conf == 0 && w->rec.pid != 0)
		w->rec.conf = w->conf->print;
	free_conf(w->conf);
	w->conf = conf;
	readiness_take_timeout(w, was);
}

void
worker_ref(struct worker *w)
{
	w->refs++;
}

void
worker_unref(struct worker *w)
{
	if (--w->refs == 0 && w->gone)
		worker_free(w);
}

void
worker_gone(struct worker *w)
{
	worker_ref(w);
	w->gone = 1;
	supervisor_worker_changed(w->sup, w);
	worker_unref(w);
}

void
worker_init(struct worker *w, struct supervisor *s, struct worker_conf *conf)
{
	memset(w, 0, sizeof(*w));
	w->sup = s;
	w->conf = conf;
	w->stage = "birth";
	worker_conf_id(conf, w->rec.name);
	loop_timer_init(s->loop, &w->deadline, deadline_cb, w);
	recycle_init(w);
	watchdog_init(w);
	output_worker_init(w);
	w->input.fd = -1;
	notify_worker_init(w);
	w->trace = -1;
}

void
worker_release(struct worker *w)
{
	loop_timer_stop(&w->deadline);
	loop_timer_stop(&w->recycle);
	dump_forget(w);
	watchdog_release(w);
	readiness_end(w);
	adopted_release(w);
	output_worker_release(w);
	fd_close(&w->input.fd);
	notify_worker_release(w);
	stored_release(w);
	history_release(&w->history);
	trace_close(w);
	channel_close(w);
	if (w->line != NULL)
		line_end(w->line);
	floor_detach(w);
}

void
worker_record(struct worker *w)
{
	struct record r = {.kind = RECORD_WORKER, .u.worker = w->rec};

	roster_note(&w->sup->roster, w);
	state_put(&w->sup->state, &r);
}

void
worker_dump(const struct worker *w, struct state *st)
{
	struct record r = {.kind = RECORD_DEATH};
	size_t i;

	/* The newest one comes with the worker's own line. */
	for (i = w->history.n; i > 1; i--) {
		memcpy(r.u.history.name, w->rec.name, sizeof(w->rec.name));
		history_get(&w->history, i - 1, &r.u.history.death);
		state_put(st, &r);
	}
	r.kind = RECORD_WORKER;
	r.u.worker = w->rec;
	state_put(st, &r);
}

/*
 * Actions: what changes in rec before the step is recorded, and what is done
 * once it is.
 */
void
worker_arm(struct worker *w)
{
	int64_t wait = w->rec.deadline - loop_now(w->sup->loop);

	if (w->rec.deadline == 0)
		loop_timer_stop(&w->deadline);
	else
		loop_timer_start(&w->deadline, wait > 0 ? wait : 0);
}

static void
plan_nothing(struct worker *w)
{
	(void)w;
}

static void
plan_rest(struct worker *w)
{
	w->rec.deadline = 0;
}

static void
plan_running(struct worker *w)
{
	plan_rest(w);
	if (w->rec.state == WS_RUNNING) {
		/* Its birth is over: nothing more is to be heard of it. */
		w->rec.token = 0;
		w->rec.interrupted = 0;
	}
}

/* What takes longer has hung; 0: anything may take as long as it likes. */
int64_t
worker_start_patience(const struct worker *w)
{
	const struct floor *f = floor_of(w);
	const struct worker *slot = f == NULL ? NULL : floor_newest(f);

	if (w->conf->as_floor != NULL)
		return w->conf->as_floor->preload_timeout;
	return slot == NULL ? 0 : slot->conf->as_floor->fork_timeout;
}

static void
plan_await(struct worker *w)
{
	int64_t patience = worker_start_patience(w);
	int64_t from = loop_now(w->sup->loop);

	if (w->rec.started) {
		patience = w->conf->start_timeout;
		from = w->rec.born;
	}
	w->rec.deadline = patience == 0 ? 0 : from + patience;
}

static void
plan_backoff(struct worker *w)
{
	w->rec.run++;
	w->rec.deadline =
	    loop_now(w->sup->loop) +
	    backoff_wait(w->conf, w->rec.run, (uint32_t)sys_random());
}

/* Its set-up has failed, and it ends by itself; if not, soon. */
void
worker_expect_end(struct worker *w)
{
	loop_timer_start(&w->deadline, END_MS);
}

static void
do_nothing(struct worker *w)
{
	(void)w;
}

static void
do_spawn(struct worker *w)
{
	loop_timer_stop(&w->deadline);
	supervisor_queue_spawn(w->sup, w);
}

/* What is watched of a process that runs. */
static void
watch(struct worker *w)
{
	recycle_arm(w);
	watchdog_begin(w);
}

void
worker_unwatch(struct worker *w)
{
	loop_timer_stop(&w->recycle);
	watchdog_end(w);
}

static void
do_rest(struct worker *w)
{
	if (w->rec.state == WS_RUNNING)
		watch(w);
	else {
		worker_unwatch(w);
		stored_end(w);
	}
	loop_timer_stop(&w->deadline);
}

static void
do_backoff(struct worker *w)
{
	worker_unwatch(w);
	worker_arm(w);
}

static const struct {
	void (*plan)(struct worker *w);
	void (*perform)(struct worker *w);
} actions[] = {
    [ACT_NONE] = {plan_nothing, do_nothing},
    [ACT_SPAWN] = {plan_rest, do_spawn},
    [ACT_AWAIT] = {plan_await, worker_arm},
    [ACT_TERM] = {worker_stop_plan, worker_stop_begin},
    [ACT_ABORT] = {worker_stop_plan_abort, worker_stop_abort},
    [ACT_KILL] = {worker_stop_plan_kill, worker_stop_kill},
    [ACT_BACKOFF] = {plan_backoff, do_backoff},
    [ACT_SETTLE] = {plan_running, do_rest},
};

_Static_assert(
    sizeof(actions) / sizeof(*actions) == ACT_COUNT, "each action is defined");

/* Why it is not as it should be, for status and why. */
void
worker_explain(struct worker *w)
{
	char text[RECORD_FAULT_MAX];
	const struct worker_conf *c = w->conf;

	w->error[0] = '\0';
	if (adopted_is(w) && w->adopted == NULL)
		snprintf(w->error, sizeof(w->error),
		    "pid %d could not be adopted: see svctl reattach",
		    w->rec.pid);
	else if (w->rec.fault[0] != '\0')
		memcpy(w->error, w->rec.fault, sizeof(w->error));
	else if (w->rec.state != WS_BACKOFF && w->rec.state != WS_FAILED)
		return;
	else if (w->rec.last.at != 0)
		snprintf(w->error, sizeof(w->error), "%s",
		    death_describe(&w->rec.last, text, sizeof(text)));
	if (w->rec.state == WS_FAILED && c->restart_limit > 0 &&
	    worker_recent_deaths(w) > c->restart_limit) {
		size_t len = strlen(w->error);

		snprintf(w->error + len, sizeof(w->error) - len,
		    "; more than restart_limit %d deaths", c->restart_limit);
	}
}

static void
enter(struct worker *w, enum worker_state next)
{
	if (w->rec.state == next)
		return;
	w->rec.state = next;
	w->rec.since = loop_now(w->sup->loop);
	w->rec.since_rt = loop_realtime(w->sup->loop);
}

static void
say_step(const struct worker *w, enum worker_state from)
{
	char wait[32];

	if (w->rec.state == WS_BACKOFF)
		log_info("%s: %s -> BACKOFF (%s), next start in %s",
		    w->conf->name, worker_state_name(from), w->error,
		    units_format_duration(
			w->rec.deadline - w->rec.since, wait, sizeof(wait)));
	else if (w->rec.state == WS_RUNNING)
		log_info("%s: %s -> RUNNING (pid %d)", w->conf->name,
		    worker_state_name(from), w->rec.pid);
	else
		log_info("%s: %s -> %s%s%s%s", w->conf->name,
		    worker_state_name(from), worker_state_name(w->rec.state),
		    w->error[0] == '\0' ? "" : " (", w->error,
		    w->error[0] == '\0' ? "" : ")");
}

void
worker_handle(struct worker *w, enum worker_event ev)
{
	enum worker_state from = w->rec.state;
	const struct fsm_step *step = fsm_step(from, ev);

	if (step->kind == FSM_IGNORE)
		return;
	if (step->kind != FSM_GO) {
		log_error("%s: %s in %s", w->conf->name, worker_event_name(ev),
		    worker_state_name(from));
		BUG("an event that cannot be");
	}
	if (ev == EV_RECYCLE || (from == WS_BACKOFF && ev == EV_TIMER))
		w->rec.automatic = 1;
	enter(w, step->next);
	actions[step->action].plan(w);
	worker_explain(w);
	worker_record(w);
	if (from == WS_STARTING && step->next != WS_STARTING)
		readiness_end(w);
	if (from != step->next) {
		say_step(w, from);
		/* Floors have a list of their own, no events. */
		if (w->conf->as_floor == NULL)
			events_note(w->sup, w, from);
	}
	actions[step->action].perform(w);
	supervisor_worker_changed(w->sup, w);
}

void
worker_command(struct worker *w, enum worker_event ev)
{
	int want_up = ev != EV_STOP;
	int changed = w->rec.want_up != want_up;

	w->rec.want_up = want_up;
	/* From here on its end is wanted. */
	if (w->rec.overdue != OVERDUE_NO && (changed || ev == EV_RESTART)) {
		w->rec.overdue = OVERDUE_NO;
		changed = 1;
	}
	if (want_up) {
		/* A wish is no death: the count of those starts anew. */
		w->rec.run = 0;
		w->rec.fresh = 0;
		w->rec.interrupted = 0;
		w->rec.automatic = 0;
	}
	if (fsm_step(w->rec.state, ev)->kind == FSM_GO)
		worker_handle(w, ev);
	else if (changed) {
		worker_record(w);
		supervisor_worker_changed(w->sup, w);
	}
}

/* One that was executed runs. One from a floor may have been told to start or
 * not, and have said so; if not, it has its time from now on. */
static void
resume_start(struct worker *w)
{
	if (w->rec.started || (w->conf->as_floor == NULL && w->rec.line == 0)) {
		readiness_begin(w);
		return;
	}
	worker_listen(w);
	if (w->rec.state != WS_STARTING || w->rec.started)
		return;
	if (w->line != NULL && w->rec.fault[0] == '\0') {
		plan_await(w);
		worker_start_line(w);
	}
	if (w->rec.fault[0] == '\0')
		worker_arm(w);
	else
		worker_expect_end(w);
}

/*
 * What a predecessor may have recorded and not yet done is done again, where
 * that does no harm.
 */
static void
resume_state(struct worker *w)
{
	switch (w->rec.state) {
	case WS_STARTING:
		if (w->rec.pid == 0)
			supervisor_queue_spawn(w->sup, w);
		else if (w->rec.fault[0] == '\0' || w->rec.started)
			resume_start(w);
		else
			worker_expect_end(w);
		break;
	case WS_RUNNING:
		watch(w);
		break;
	case WS_BACKOFF:
		worker_arm(w);
		break;
	case WS_STOPPING:
		worker_stop_resume(w);
		break;
	default:
		break;
	}
}

void
worker_resume(struct worker *w)
{
	w->unsettled = 0;
	worker_explain(w);
	if (w->rec.stop_pid == 0)
		w->rec.stop_token = 0;
	if (w->rec.ready_pid == 0)
		w->rec.ready_token = 0;
	if (w->rec.state != WS_STARTING)
		aside_kill(w, ASIDE_READY);
	if (w->rec.state == WS_STARTING && w->rec.pid == 0 &&
	    w->rec.token != 0 && w->sup->link.predecessor != OBITUARY_NONE)
		worker_count_interruption(w);
	resume_state(w);
	supervisor_worker_changed(w->sup, w);
}
