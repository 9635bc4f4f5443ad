/* worker_stop: see worker_stop.h. */
#include "supervisor/worker_stop.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "base/log.h"
#include "base/proctree.h"
#include "supervisor/adopted.h"
#include "supervisor/aside.h"
#include "supervisor/dump.h"
#include "supervisor/dump_log.h"
#include "supervisor/supervisor.h"

/* What was sent in STOPPING: worker_record.told. */
enum {
	TOLD_NOTHING,
	TOLD_STOP,
	TOLD_KILL
};

void
worker_stop_plan(struct worker *w)
{
	w->rec.told = TOLD_NOTHING;
	w->rec.deadline = loop_now(w->sup->loop) + w->conf->stop_timeout;
}

/* With time to look at it first. */
void
worker_stop_plan_abort(struct worker *w)
{
	worker_stop_plan(w);
	w->rec.deadline += DUMP_MS;
}

void
worker_stop_plan_kill(struct worker *w)
{
	w->rec.told = TOLD_KILL;
	w->rec.deadline = 0;
}

/* To the main process, or its group. */
static int
send_to(const struct worker *w, int sig, int group)
{
	int rc = adopted_is(w) ? adopted_signal(w, sig, group)
	                       : kill(group ? -w->rec.pid : w->rec.pid, sig);

	if (sig == SIGKILL)
		dump_give_way(w);
	return rc;
}

/* stop_signal goes to the main process, or its group; CONT, lest a stopped
 * one sleep through it. */
void
worker_send_stop_signal(struct worker *w)
{
	struct floor_socket *fs =
	    w->conf->as_floor == NULL ? NULL : floor_socket_of(w);
	int group = w->conf->kill_mode == KILL_MODE_GROUP;

	/* While it loads it does not listen. */
	if (fs != NULL && fs->load != -1) {
		floor_socket_retire(fs);
		return;
	}
	send_to(w, w->conf->stop_signal, group);
	send_to(w, SIGCONT, group);
}

/* To whom it concerns alone: what else is there has its grace, and KILL. */
static void
send_watchdog_signal(struct worker *w)
{
	send_to(w, w->conf->watchdog_signal, 0);
	send_to(w, SIGCONT, 0);
}

static int
spawn_stop(struct worker *w)
{
	struct err e;

	if (aside_spawn(w, ASIDE_STOP, &e) == 0)
		return 0;
	log_error("%s: stop_command: %s", w->conf->name, e.text);
	return -1;
}

static void
begin_stop(struct worker *w)
{
	if (w->rec.told != TOLD_NOTHING)
		return;
	if (w->rec.overdue == OVERDUE_HEARTBEAT)
		send_watchdog_signal(w);
	else if (w->rec.stop_pid == 0 &&
		 (w->conf->stop_command == NULL || spawn_stop(w) == -1))
		worker_send_stop_signal(w);
	w->rec.told = TOLD_STOP;
	worker_record(w);
}

void
worker_stop_begin(struct worker *w)
{
	worker_unwatch(w);
	worker_arm(w);
	if (w->rec.pid != 0) {
		begin_stop(w);
		return;
	}
	if (w->unsettled)
		return; /* worker_resume() knows more later */
	supervisor_unqueue_spawn(w);
	worker_forget_intent(w);
	worker_handle(w, w->rec.want_up ? EV_DIED_RESTART : EV_DIED_DONE);
}

/* Its grace begins with the signal. */
static void
abort_now(struct worker *w)
{
	if (w->rec.state != WS_STOPPING || w->rec.told != TOLD_NOTHING)
		return;
	worker_stop_plan(w);
	worker_stop_begin(w);
}

/* What it is about can be seen only as long as it lives. */
void
worker_stop_abort(struct worker *w)
{
	log_warn("%s: %s, ending it", w->conf->name, w->rec.fault);
	worker_unwatch(w);
	worker_arm(w);
	dump_then(w, abort_now);
}

static void
start_has_hung(struct worker *w)
{
	char wait[32];

	units_format_duration(worker_start_patience(w), wait, sizeof(wait));
	if (w->rec.fault[0] == '\0')
		snprintf(w->rec.fault, sizeof(w->rec.fault),
		    w->conf->as_floor != NULL
			? "preload: not loaded within %s"
			: "not started within %s of its fork: is a lock held "
			  "across it?",
		    wait);
	worker_record(w);
	log_error("%s: %s, KILL", w->conf->name, w->rec.fault);
}

static void
kill_now(struct worker *w)
{
	struct err e;

	if (w->conf->kill_mode == KILL_MODE_TREE)
		worker_kill(w, &e);
	else if (w->rec.pid != 0)
		send_to(w, SIGKILL, w->conf->kill_mode == KILL_MODE_GROUP);
	if (w->rec.stop_pid != 0)
		proctree_kill(w->rec.stop_pid);
}

/* Why it has to be killed is to be seen in it only now; not where it was to be
 * killed at once, or was looked at before. */
void
worker_stop_kill(struct worker *w)
{
	if (w->rec.state == WS_STARTING)
		start_has_hung(w);
	else
		log_warn(
		    "%s: did not stop within its grace, KILL", w->conf->name);
	if (w->rec.pid == 0 || w->conf->stop_timeout == 0 ||
	    w->rec.overdue != OVERDUE_NO)
		kill_now(w);
	else
		dump_then(w, kill_now);
}

/* Without a process it was waited for in vain. */
void
worker_stop_resume(struct worker *w)
{
	if (w->rec.pid != 0 && w->rec.told == TOLD_KILL)
		kill_now(w);
	else if (w->rec.pid != 0 && w->rec.told == TOLD_NOTHING &&
		 w->rec.overdue != OVERDUE_NO)
		abort_now(w);
	else
		worker_stop_begin(w);
}

void
worker_overdue(struct worker *w, enum overdue why, const char *fault)
{
	if (fsm_step(w->rec.state, EV_OVERDUE)->kind != FSM_GO)
		return;
	w->rec.overdue = why;
	/* Not of its set-up: what its end, whatever that is, was about. */
	w->rec.raised = 1;
	snprintf(w->rec.fault, sizeof(w->rec.fault), "%s", fault);
	worker_handle(w, EV_OVERDUE);
}

int
worker_signal(struct worker *w, int sig, struct err *e)
{
	if (w->rec.pid == 0)
		return err_set(e, "'%s' has no process", w->conf->name);
	if (send_to(w, sig, 0) == -1)
		return err_sys(e, errno, "cannot signal '%s'", w->conf->name);
	return 0;
}

/* Our own child until its exit is acknowledged: the pid is its own. */
int
worker_kill(struct worker *w, struct err *e)
{
	if (w->rec.pid == 0)
		return err_set(e, "'%s' has no process", w->conf->name);
	if (adopted_is(w))
		adopted_kill(w);
	else
		proctree_kill(w->rec.pid);
	dump_give_way(w);
	return 0;
}
