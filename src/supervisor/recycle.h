/*
 * recycle: max_age and max_memory, the reasons to replace a worker that is
 * well. A worker without them costs no timer.
 */
#ifndef SVD_SUPERVISOR_RECYCLE_H
#define SVD_SUPERVISOR_RECYCLE_H

struct worker;

#define RECYCLE_MEMORY_MS 10000 /* how often RSS is looked at */

void recycle_init(struct worker *w);
/* w is RUNNING. */
void recycle_arm(struct worker *w);

#endif
