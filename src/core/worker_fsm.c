/* worker_fsm: see worker_fsm.h. */
#include "core/worker_fsm.h"

#include <stddef.h>
#include <string.h>

/* clang-format off: a table is read by its columns */
#define GO(s, a)                        \
	{                               \
		FSM_GO, WS_##s, ACT_##a \
	}
#define IGNORE                   \
	{                        \
		FSM_IGNORE, 0, 0 \
	}
#define IMPOSSIBLE                   \
	{                            \
		FSM_IMPOSSIBLE, 0, 0 \
	}

/*
 * Commands are events for every state: no command is ever refused by the
 * table. A death is impossible where there is no process, a deadline where none
 * was set. A worker whose birth is still queued is told of its death (DONE) by
 * the TERM action, so that STOPPING is the only road from up to down.
 */
static const struct fsm_step table[WS_COUNT][EV_COUNT] =
    {
	[WS_STOPPED] =
	    {
		[EV_START] = GO(STARTING, SPAWN),
		[EV_STOP] = IGNORE,
		[EV_RESTART] = GO(STARTING, SPAWN),
		[EV_RECYCLE] = IMPOSSIBLE,
		[EV_BORN] = IMPOSSIBLE,
		[EV_READY] = IMPOSSIBLE,
		[EV_OVERDUE] = IMPOSSIBLE,
		[EV_DIED_RETRY] = IMPOSSIBLE,
		[EV_DIED_RESTART] = IMPOSSIBLE,
		[EV_DIED_DONE] = IMPOSSIBLE,
		[EV_DIED_FATAL] = IMPOSSIBLE,
		[EV_TIMER] = IMPOSSIBLE,
	    },
	[WS_WAITING] =
	    {
		[EV_START] = IGNORE,
		[EV_STOP] = GO(STOPPED, SETTLE),
		[EV_RESTART] = IGNORE,
		[EV_RECYCLE] = IMPOSSIBLE,
		[EV_BORN] = IMPOSSIBLE,
		[EV_READY] = IMPOSSIBLE,
		[EV_OVERDUE] = IMPOSSIBLE,
		[EV_DIED_RETRY] = IMPOSSIBLE,
		[EV_DIED_RESTART] = IMPOSSIBLE,
		[EV_DIED_DONE] = IMPOSSIBLE,
		[EV_DIED_FATAL] = IMPOSSIBLE,
		[EV_TIMER] = IMPOSSIBLE,
	    },
	[WS_STARTING] =
	    {
		[EV_START] = IGNORE,
		[EV_STOP] = GO(STOPPING, TERM),
		[EV_RESTART] = GO(STOPPING, TERM),
		[EV_RECYCLE] = IMPOSSIBLE,
		[EV_BORN] = GO(STARTING, AWAIT),
		[EV_READY] = GO(RUNNING, SETTLE),
		[EV_OVERDUE] = GO(STOPPING, ABORT),
		[EV_DIED_RETRY] = GO(BACKOFF, BACKOFF),
		[EV_DIED_RESTART] = IMPOSSIBLE,
		[EV_DIED_DONE] = GO(EXITED, SETTLE),
		[EV_DIED_FATAL] = GO(FAILED, SETTLE),
		[EV_TIMER] = GO(STARTING, KILL),
	    },
	[WS_RUNNING] =
	    {
		[EV_START] = IGNORE,
		[EV_STOP] = GO(STOPPING, TERM),
		[EV_RESTART] = GO(STOPPING, TERM),
		[EV_RECYCLE] = GO(STOPPING, TERM),
		[EV_BORN] = IMPOSSIBLE,
		[EV_READY] = IGNORE,
		[EV_OVERDUE] = GO(STOPPING, ABORT),
		[EV_DIED_RETRY] = GO(BACKOFF, BACKOFF),
		[EV_DIED_RESTART] = IMPOSSIBLE,
		[EV_DIED_DONE] = GO(EXITED, SETTLE),
		[EV_DIED_FATAL] = GO(FAILED, SETTLE),
		[EV_TIMER] = IMPOSSIBLE,
	    },
	[WS_BACKOFF] =
	    {
		[EV_START] = GO(STARTING, SPAWN),
		[EV_STOP] = GO(STOPPED, SETTLE),
		[EV_RESTART] = GO(STARTING, SPAWN),
		[EV_RECYCLE] = IMPOSSIBLE,
		[EV_BORN] = IMPOSSIBLE,
		[EV_READY] = IMPOSSIBLE,
		[EV_OVERDUE] = IMPOSSIBLE,
		[EV_DIED_RETRY] = IMPOSSIBLE,
		[EV_DIED_RESTART] = IMPOSSIBLE,
		[EV_DIED_DONE] = IMPOSSIBLE,
		[EV_DIED_FATAL] = IMPOSSIBLE,
		[EV_TIMER] = GO(STARTING, SPAWN),
	    },
	[WS_STOPPING] =
	    {
		[EV_START] = IGNORE, /* the wish is kept in want */
		[EV_STOP] = IGNORE,
		[EV_RESTART] = IGNORE,
		[EV_RECYCLE] = IMPOSSIBLE,
		[EV_BORN] = GO(STOPPING, TERM), /* stopped while being born */
		[EV_READY] = IGNORE,
		[EV_OVERDUE] = IGNORE,
		[EV_DIED_RETRY] = GO(BACKOFF, BACKOFF), /* it hung */
		[EV_DIED_RESTART] = GO(STARTING, SPAWN),
		[EV_DIED_DONE] = GO(STOPPED, SETTLE),
		[EV_DIED_FATAL] = GO(FAILED, SETTLE),
		[EV_TIMER] = GO(STOPPING, KILL),
	    },
	[WS_EXITED] =
	    {
		[EV_START] = GO(STARTING, SPAWN),
		[EV_STOP] = GO(STOPPED, SETTLE),
		[EV_RESTART] = GO(STARTING, SPAWN),
		[EV_RECYCLE] = IMPOSSIBLE,
		[EV_BORN] = IMPOSSIBLE,
		[EV_READY] = IMPOSSIBLE,
		[EV_OVERDUE] = IMPOSSIBLE,
		[EV_DIED_RETRY] = IMPOSSIBLE,
		[EV_DIED_RESTART] = IMPOSSIBLE,
		[EV_DIED_DONE] = IMPOSSIBLE,
		[EV_DIED_FATAL] = IMPOSSIBLE,
		[EV_TIMER] = IMPOSSIBLE,
	    },
	[WS_FAILED] =
	    {
		[EV_START] = GO(STARTING, SPAWN),
		[EV_STOP] = GO(STOPPED, SETTLE),
		[EV_RESTART] = GO(STARTING, SPAWN),
		[EV_RECYCLE] = IMPOSSIBLE,
		[EV_BORN] = IMPOSSIBLE,
		[EV_READY] = IMPOSSIBLE,
		[EV_OVERDUE] = IMPOSSIBLE,
		[EV_DIED_RETRY] = IMPOSSIBLE,
		[EV_DIED_RESTART] = IMPOSSIBLE,
		[EV_DIED_DONE] = IMPOSSIBLE,
		[EV_DIED_FATAL] = IMPOSSIBLE,
		[EV_TIMER] = IMPOSSIBLE,
	    },
};
/* clang-format on */

static const char *const state_names[] = {
#define X(name) #name,
    WORKER_STATES(X)
#undef X
};

static const char *const event_names[] = {
#define X(name) #name,
    WORKER_EVENTS(X)
#undef X
};

_Static_assert(sizeof(state_names) / sizeof(*state_names) == WS_COUNT,
    "a name for each state");
_Static_assert(sizeof(event_names) / sizeof(*event_names) == EV_COUNT,
    "a name for each event");

const struct fsm_step *
fsm_step(enum worker_state s, enum worker_event ev)
{
	return &table[s][ev];
}

const char *
worker_state_name(enum worker_state s)
{
	return s < WS_COUNT ? state_names[s] : "?";
}

const char *
worker_event_name(enum worker_event ev)
{
	return ev < EV_COUNT ? event_names[ev] : "?";
}

int
worker_state_by_name(const char *name)
{
	int s;

	for (s = 0; s < WS_COUNT; s++)
		if (strcmp(state_names[s], name) == 0)
			return s;
	return -1;
}
