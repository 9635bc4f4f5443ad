/*
 * adopted: workers' processes that an earlier svd has made, which was killed
 * or has detached; and those that a worker has made and calls its main ones.
 * They need not be the keeper's children: each is watched, and signalled, by a
 * pidfd that the keeper holds as "pidfd:ID", and how it ended is what the
 * kernel tells of that, or unknown.
 */
#ifndef SVD_SUPERVISOR_ADOPTED_H
#define SVD_SUPERVISOR_ADOPTED_H

#include "supervisor/worker.h"

struct supervisor;
struct adopted; /* what a worker has of it */

/*
 * Takes over every process that is recorded as adopted: by what the keeper
 * holds, else by its pid, if that proves to be the same process still. Called
 * again, it tries those again that could not be. In every life of a supervisor,
 * once the journal is open.
 */
void adopted_take(struct supervisor *s);
/* Those that turned out to be gone have ended: once births are settled. */
void adopted_bury(struct supervisor *s);
/* What is recorded as a stop_command that was left ends with w, if it can be
 * proven to be one. */
void adopted_keep_stop(struct worker *w);
/* Watches it no more. */
void adopted_release(struct worker *w);
/* The same; and the keeper need not hold its pidfd: its end is on record. */
void adopted_over(struct worker *w);
/* pid, which is proven to be of w, is its main process from here on. Takes
 * pidfd. -1: it is not, as there is no memory. */
int adopted_become(struct worker *w, int pid, int pidfd, struct err *e);
/* Is w's present process one? */
static inline int
adopted_is(const struct worker *w)
{
	return w->rec.adopted && w->rec.pid != 0;
}
/* To it, or its process group. -1 and errno: ESRCH too where nobody can say
 * whether it still is the one. */
int adopted_signal(const struct worker *w, int sig, int group);
/* KILL to what is left of its process group, of which it was the leader, and
 * has ended; nothing where it was not watched as it did. */
void adopted_end_group(const struct worker *w);
/* KILL to its tree. One that cannot be proven is taken for gone. */
void adopted_kill(struct worker *w);

#endif
