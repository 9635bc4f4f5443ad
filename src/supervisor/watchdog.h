/*
 * watchdog: heartbeats of a worker that is RUNNING, and what comes of it where
 * none is heard. A heartbeat only notes the time; the timer looks at it when
 * it fires, and there is none for a worker of which no heartbeat is expected.
 *
 * The time in which svd itself was not there to listen never counts.
 */
#ifndef SVD_SUPERVISOR_WATCHDOG_H
#define SVD_SUPERVISOR_WATCHDOG_H

#include <stddef.h>
#include <stdint.h>

#include "supervisor/loop.h"

/* So many periods in a row are given to one that had no chance to speak. */
#define WATCHDOG_EXTENSIONS 3
#define WATCHDOG_TEXT_SIZE 160

struct hang_sample;
struct worker;

/* Of one worker, embedded there. */
struct watchdog {
	struct loop_timer timer;
	int64_t due;  /* when that is to fire */
	int heard;    /* it had a heartbeat */
	int64_t last; /* the last one; until then, since when it is watched */
	int64_t from; /* when the present period began */
	int extended; /* periods it was given without a heartbeat */
	int shown;    /* its error is of the watchdog's */
	int warned;   /* it hangs, and is let live */
	int said;     /* the log was told of either */
	int64_t miss_said_at, starved_said_at; /* the last time; 0: never */
	struct hang_sample *since; /* taken when it was late, or NULL */
};

void watchdog_init(struct worker *w);
void watchdog_release(struct worker *w);
/* w is RUNNING now, or was found so by a successor, or its stanza has changed:
 * it has a whole period from now on. */
void watchdog_begin(struct worker *w);
/* It is not any more. */
void watchdog_end(struct worker *w);

/* What its process says (sd_notify(3)), in any state: WATCHDOG=1;
 * WATCHDOG_USEC=, in microseconds, 0: none from here on; WATCHDOG=trigger. The
 * last may end it: nothing is to be done with w afterwards but to look at it.
 */
void watchdog_heartbeat(struct worker *w);
void watchdog_set(struct worker *w, uint64_t usec);
void watchdog_trigger(struct worker *w);

/* Within how many ms a heartbeat is expected; 0: it is not. */
int64_t watchdog_period(const struct worker *w);
/* "a heartbeat 300ms ago, expected within 10s": for people. NULL: none is
 * expected. */
const char *watchdog_text(const struct worker *w, char out[WATCHDOG_TEXT_SIZE]);

#endif
