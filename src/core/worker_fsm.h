/*
 * worker_fsm: the life of a worker as a table, state by event.
 *
 * Pure. What an action does is worker.c's business; only worker_handle() there
 * changes a worker's state.
 */
#ifndef SVD_CORE_WORKER_FSM_H
#define SVD_CORE_WORKER_FSM_H

#define WORKER_STATES(X)                                            \
	X(STOPPED)  /* down, as wanted */                           \
	X(WAITING)  /* for what it requires */                      \
	X(STARTING) /* to be born, or born and not yet ready */     \
	X(RUNNING)  /* started, and ready once */                   \
	X(BACKOFF)  /* dead, to be started again at its deadline */ \
	X(STOPPING) /* told to end, to be killed at its deadline */ \
	X(EXITED)   /* ended for good with success */               \
	X(FAILED)   /* ended for good without */

#define WORKER_EVENTS(X)                                                      \
	X(START)        /* somebody wants it up */                            \
	X(STOP)         /* somebody wants it down */                          \
	X(RESTART)      /* somebody wants a new process */                    \
	X(RECYCLE)      /* max_age or max_memory was passed */                \
	X(BORN)         /* its process exists, not yet ready */               \
	X(READY)        /* its process is ready */                            \
	X(OVERDUE)      /* not ready, or no heartbeat, in time */             \
	X(DIED_RETRY)   /* no process any more, and there shall be another */ \
	X(DIED_RESTART) /* no process any more, and the next one is asked for \
	                 */                                                   \
	X(DIED_DONE)    /* no process any more, rightly */                    \
	X(DIED_FATAL)   /* no process any more, and no use in another */      \
	X(TIMER)        /* the deadline of its state has come */

#define WORKER_ACTIONS(X)                              \
	X(NONE)                                        \
	X(SPAWN)   /* queue a birth */                 \
	X(AWAIT)   /* arm the deadline of its start */ \
	X(TERM)    /* begin the stop, arm the grace */ \
	X(ABORT)   /* the same of one that hangs */    \
	X(KILL)    /* KILL the whole tree */           \
	X(BACKOFF) /* arm the delay */                 \
	X(SETTLE)  /* at rest: disarm, tell who waits */

enum worker_state {
#define X(name) WS_##name,
	WORKER_STATES(X)
#undef X
	WS_COUNT
};

enum worker_event {
#define X(name) EV_##name,
	WORKER_EVENTS(X)
#undef X
	EV_COUNT
};

enum worker_action {
#define X(name) ACT_##name,
	WORKER_ACTIONS(X)
#undef X
	ACT_COUNT
};

enum fsm_kind {
	FSM_UNSET, /* a cell that nobody wrote: a test fails */
	FSM_GO,
	FSM_IGNORE,
	FSM_IMPOSSIBLE /* a bug if it happens */
};

struct fsm_step {
	enum fsm_kind kind;
	enum worker_state next; /* FSM_GO only */
	enum worker_action action;
};

const struct fsm_step *fsm_step(enum worker_state s, enum worker_event ev);
const char *worker_state_name(enum worker_state s); /* "RUNNING" */
const char *worker_event_name(enum worker_event ev);
/* -1 if there is none of that name. */
int worker_state_by_name(const char *name);

#endif
