/*
 * worker_stop: how a worker is brought to its end: stop_command or signal,
 * grace, KILL; and what is sent to its processes by command. Of the actions of
 * a step (worker.c) it has those: what changes in rec before the step is
 * recorded
 * (_plan), and what is done once it is.
 */
#ifndef SVD_SUPERVISOR_WORKER_STOP_H
#define SVD_SUPERVISOR_WORKER_STOP_H

struct worker;

void worker_stop_plan(struct worker *w);
void worker_stop_begin(struct worker *w);
/* The same for one that hangs, as rec.overdue and rec.fault say: it is dumped
 * to the log before. */
void worker_stop_plan_abort(struct worker *w);
void worker_stop_abort(struct worker *w);
/* Its grace, or the time of its start, is over. */
void worker_stop_plan_kill(struct worker *w);
void worker_stop_kill(struct worker *w);
/* A predecessor's stop goes on. */
void worker_stop_resume(struct worker *w);

#endif
