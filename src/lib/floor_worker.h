/*
 * floor_worker: from a forked process that waits to the worker that it becomes,
 * by the one START that comes on its line.
 */
#ifndef SVD_LIB_FLOOR_WORKER_H
#define SVD_LIB_FLOOR_WORKER_H

struct svd_job;

/*
 * Waits, all signals blocked. At the end of the line, and where the set-up
 * fails, which is told, it ends; else the process is the worker, environ is the
 * worker's, *job says what it is to do, and svd knows. Signals are still
 * blocked.
 */
void floor_worker_begin(int line, struct svd_job *job);

#endif
