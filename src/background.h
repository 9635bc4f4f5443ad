/*
 * background: svd -b. The fleet runs in a child that has left the terminal; the
 * parent stays until the control socket answers, passes on what is said in the
 * meantime, and exits with 0, or as the child did.
 */
#ifndef SVD_BACKGROUND_H
#define SVD_BACKGROUND_H

#include "base/err.h"

/*
 * Returns in the child only, in a session of its own; with -1 where there is
 * none, in the one process that is left. socket_path: where the control socket
 * will be, "" where that cannot be told: the child then fails. *relay: where
 * svd's log is to go until nobody reads it any more; -1: to standard error,
 * which is a file and stays.
 */
int background_fork(const char *socket_path, int *relay, struct err *e);
/* In the child, once nothing can go wrong that would have to be said there:
 * leaves the standard streams, but for files. -1 and *e. */
int background_detach(struct err *e);

#endif
