/*
 * floor_fork: the fork of a floor. What comes of it is not the floor's child
 *but that of whoever reaps for the floor, svd's keeper; it has been told of,
 *with a line to it, before the floor goes on.
 *
 *	floor --vfork--> intermediate --fork--> worker
 *
 * The intermediate shares the floor's memory, so that page tables are copied
 * once; it is the worker's parent, so that its pid cannot have become somebody
 * else's when it opens the pidfd and sends FORKED; then it ends.
 */
#ifndef SVD_LIB_FLOOR_FORK_H
#define SVD_LIB_FLOOR_FORK_H

#include <sys/types.h>

struct svd_floor_hooks;

struct floor_fork {
	int sock;                            /* to svd; borrowed */
	int use_double;                      /* for good: fork() twice */
	const struct svd_floor_hooks *hooks; /* borrowed, or NULL */
};

/* What the worker is left with. */
struct floor_fork_made {
	int line;     /* its end of it */
	pid_t parent; /* the intermediate, which may not have ended yet */
};

/*
 * Makes a worker, and tells svd of it or of the failure. 1: this is the worker,
 * in a session of its own; all signals are blocked, hooks->child has run. 0:
 * this is the floor.
 */
int floor_fork(
    struct floor_fork *f, const char *token, struct floor_fork_made *made);
/* How a worker would be made now: "vfork" or "double". */
const char *floor_fork_way(const struct floor_fork *f);
/* Threads of this process. 0: unknown, there is no /proc. */
unsigned int floor_fork_threads(void);

#endif
