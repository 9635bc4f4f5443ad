/*
 * status: the answer to Status, of all workers. It is made once for all who
 * wait for it at that time, when the first of them has its turn, and given to
 * each in pieces.
 */
#ifndef SVD_SUPERVISOR_STATUS_H
#define SVD_SUPERVISOR_STATUS_H

#include <stddef.h>
#include <sys/queue.h>

struct call;
struct status;

TAILQ_HEAD(status_queue, status);

/* Those whose answer is not made yet. */
struct statuses {
	struct status_queue waiting;
	size_t expected; /* bytes: as long as the last one */
};

void statuses_init(struct statuses *all);
/* Its value is a verb's. */
int status_answer(struct call *c);

#endif
