/*
 * former: what an svd before us has left in the runtime directory, because it
 * was killed or has detached: its journal, of workers that may still run. For
 * the launcher, with the lock held.
 */
#ifndef SVD_FORMER_H
#define SVD_FORMER_H

#include "base/err.h"

/*
 * Waits until nothing of it is left that could still act: its supervisor, and
 * processes that it was just making, which have its lock open. lock_fd is our
 * own description of it; with it, ours will hold off the next svd. -1: they do
 * not end.
 */
int former_wait(int lock_fd, struct err *e);
/*
 * Its journal, in *journal; -1: there is none that would be of use, and where
 * that is strange it has been said. fleet: whose it should be; NULL: whoever's,
 * it is of no use. Returns 0, or an exit status of svd and *e: it cannot be
 * told what runs, or there are workers of it that cannot be adopted.
 */
int
former_find(const char *dir, const char *fleet, int *journal, struct err *e);
/* Of a former svd whose journal is of use: the logger's notes of what it had
 * taken and not delivered; -1: there are none. */
int former_cursors(const char *dir);

#endif
