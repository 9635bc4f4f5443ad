/*
 * floor_worker: from a forked process that waits to the worker that it becomes,
 * by the one START that comes on its line.
 */
#ifndef SVD_LIB_FLOOR_WORKER_H
#define SVD_LIB_FLOOR_WORKER_H

#include <sys/types.h>

struct svd_job;

/*
 * parent has announced us and is about to end, which makes us svd's child.
 * Waits, all signals blocked. At the end of the line, and where the set-up
 * fails, which is told, it ends; else the process is the worker, environ is the
 * worker's, *job says what it is to do, and svd knows. Signals are still
 * blocked.
 */
void floor_worker_begin(int line, pid_t parent, struct svd_job *job);
/* In the floor, before anything changes the environment. */
void floor_worker_open(void);

#endif
