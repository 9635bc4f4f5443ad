/*
 * worker: one instance of a [worker:] section and its life.
 *
 * What must survive the supervisor is in rec, written to `state` at every step
 * before the step is acted on; the rest is made anew by a successor. Only
 * worker_handle() changes rec.state.
 */
#ifndef SVD_SUPERVISOR_WORKER_H
#define SVD_SUPERVISOR_WORKER_H

#include <sys/queue.h>
#include <sys/types.h>

#include "base/err.h"
#include "core/fleet.h"
#include "core/record.h"
#include "core/worker_fsm.h"
#include "supervisor/history.h"
#include "supervisor/input.h"
#include "supervisor/loop.h"
#include "supervisor/notify.h"
#include "supervisor/output.h"
#include "supervisor/roster.h"
#include "supervisor/watchdog.h"

TAILQ_HEAD(worker_queue, worker);

#define WORKER_HISTORY_MIN 10 /* deaths that `why` shows */
#define WORKER_INTERRUPTED_MAX                        \
	2 /* set-ups that took a supervisor with them \
	   */

struct adopted;
struct channel;
struct floor;
struct last_look;
struct line;
struct readiness;
struct spawn_request;
struct store;
struct supervisor;
struct state;

struct worker {
	struct supervisor *sup;
	struct worker_conf *conf; /* its own, never changed but as a whole */
	size_t place;             /* in the fleet file */
	uint64_t snapshot;        /* 0: it is in the fleet file; else it is on
	                             its way out, see snapshot.h */
	int refs;                 /* who else points to it */
	int gone;                 /* from the fleet; only refs keep it */
	struct worker_record rec;
	struct history history;
	char error[RECORD_FAULT_MAX]; /* why it is not as wanted, "" if it is */
	const char *stage;            /* of a set-up under way, for people */
	int unsettled; /* born under an earlier supervisor, perhaps: not all
	                  birth sockets of that time are at their end */
	struct loop_timer deadline; /* of rec.state */
	struct loop_timer recycle;  /* max_age, max_memory */
	struct watchdog watchdog;
	struct adopted *adopted; /* its process, if an earlier svd made it and
	                            it is watched; or NULL */
	int lost;                /* that process is no more, which is yet to be
	                            taken note of */
	struct worker_output output;
	struct worker_input input;
	struct worker_notify notify;
	struct store *store;
	struct floor *floor;         /* that it is a process of, or waits for */
	struct line *line;           /* from a floor: its socket, see line.h */
	struct channel *channel;     /* of its process, or NULL */
	struct last_look *last_look; /* a dump before its end, or NULL */
	struct readiness *readiness; /* how it comes to be ready, or NULL */
	int trace;          /* what it last ended of, see trace.h; or -1 */
	int warned_private; /* the process whose memory was warned of */
	struct worker_queue *queue; /* that spawn_link is in, or NULL */
	struct roster_node nodes[ROSTER_KEYS];
	TAILQ_ENTRY(worker) spawn_link;
};

/* Takes conf. NULL: no memory. */
struct worker *worker_new(struct supervisor *s, struct worker_conf *conf);
void worker_free(struct worker *w);
/* The same for one that is embedded; conf is borrowed. */
void
worker_init(struct worker *w, struct supervisor *s, struct worker_conf *conf);
void worker_release(struct worker *w);
/* Another stanza takes the place of its own; taken. */
void worker_take_conf(struct worker *w, struct worker_conf *conf);
/* It is in no list any more, and freed once nobody points to it. */
void worker_gone(struct worker *w);
void worker_ref(struct worker *w);
void worker_unref(struct worker *w);

/* Arms the timer of rec.deadline, or stops it. */
void worker_arm(struct worker *w);
/* What takes longer from birth to start has hung, in ms; 0: it may take as
 * long as it likes. */
int64_t worker_start_patience(const struct worker *w);

/* It does not run any more: its age, memory and heartbeats are nobody's
 * business. */
void worker_unwatch(struct worker *w);

/* Any event of its life; the only road to another state. */
void worker_handle(struct worker *w, enum worker_event ev);

/* It hangs, as fault says: it is told to end, and that is a failure. Does
 * nothing where it is not starting or running. */
void worker_overdue(struct worker *w, enum overdue why, const char *fault);

/* Commands: EV_START, EV_STOP, EV_RESTART by somebody's wish. They set want
 * and never fail; the outcome is seen in the state. */
void worker_command(struct worker *w, enum worker_event ev);
/* Sends sig to the main process. -1: there is none. */
int worker_signal(struct worker *w, int sig, struct err *e);
/* KILL to the whole tree. -1: there is no process. */
int worker_kill(struct worker *w, struct err *e);

/* One process of w (main or aside) was born, failed to be set up, or
 * ended; told again, they do nothing. id NULL: to be found out. */
void worker_born(
    struct worker *w, uint64_t token, int pid, const struct identity *id);
void worker_set_up_failed(struct worker *w, uint64_t token, const char *fault);
void worker_ended(struct worker *w, int pid, const struct death *d);
/* The queued birth: called by the spawn queue. */
void worker_spawn(struct worker *w);
/* A process forked from a floor is w's from here on, and is recorded. */
void worker_take_line(struct worker *w, struct line *l);
/* Tells it what it is to do; also where a predecessor may have told it. */
void worker_start_line(struct worker *w);
/* Reads what has been said by a floor's process, or by one from a floor. */
void worker_listen(struct worker *w);
/* KILL unless it ends soon: nothing but its end is to come. */
void worker_expect_end(struct worker *w);
/* There will be no process this time, and why. */
void worker_unborn(struct worker *w, const char *fault);
/* Makes a process of its: the main one, or one aside. -1: there is none. */
int worker_make_process(struct worker *w, struct spawn_request *r, pid_t *pid,
    struct identity *id, struct err *e);
/* What this process of its leaves behind as it ends. */
void worker_end_left_over(struct worker *w, int pid);
void worker_send_stop_signal(struct worker *w);
/* A birth that was intended and did not take place. */
void worker_forget_intent(struct worker *w);
/* The set-up of this token has hung, and is ended; or the main process's has
 * ended a supervisor. */
void worker_set_up_hung(struct worker *w, uint64_t token);
void worker_count_interruption(struct worker *w);
/* One record of a replay, an older one of w's history or its last line. */
void worker_replay(struct worker *w, const struct worker_record *rec);
void worker_remember(struct worker *w, const struct death *d);
/* After a replay and all births: arms the timers that rec says, resumes what
 * it was doing. */
void worker_resume(struct worker *w);
/* Puts into words again why it is not as it should be. */
void worker_explain(struct worker *w);
/* Writes rec to `state`; with its history, when state is written anew. */
void worker_record(struct worker *w);
void worker_dump(const struct worker *w, struct state *st);

/* Deaths within restart_interval, of those since the last start by hand. */
int64_t worker_recent_deaths(const struct worker *w);
/* RUNNING and up is wanted, or EXITED with success, or down as wanted. */
int worker_as_wanted(const struct worker *w);
int worker_ready(const struct worker *w);
/* Has it, or may it have, a process, or will it have one by itself? */
int worker_alive(const struct worker *w);
/* Is it yet to be born, or not through with its set-up? */
int worker_in_set_up(const struct worker *w);
/* Is it up, or trying to be, with another stanza than the one in force? */
int worker_outdated(const struct worker *w);
/* Has anything of it been recorded yet? */
int worker_known(const struct worker *w);

#endif
