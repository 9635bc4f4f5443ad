/*
 * helper: a forked child that looks at what may take long, or never answer,
 * such as a hung process's files in /proc, and sends what it finds through a
 * pipe. It ends with the supervisor. One that is ended and is itself kept from
 * it by what it looks at is waited for in the background, by the end of its
 * pipe: nobody else is.
 */
#ifndef SVD_SUPERVISOR_HELPER_H
#define SVD_SUPERVISOR_HELPER_H

#include "base/err.h"

struct helper;
struct supervisor;

struct helper_task {
	/* In the child, which ends as it returns; of our descriptors it has
	 * only out. */
	void (*run)(int out, void *arg);
	/* From the loop: there is something to be read at in, which does not
	 * block; or its end: then it returns -1, else 0. Not once it was
	 * ended. */
	int (*heard)(int in, void *arg);
	void *arg;
	int end_signal; /* that ends it, by us or by our own end */
	int *running; /* how many there are of its kind, until they are gone */
	int max;      /* of these */
	void (*gone)(struct supervisor *s); /* there is one less; or NULL */
};

/* NULL: there are too many, or there is no memory. */
struct helper *
helper_start(struct supervisor *s, const struct helper_task *t, struct err *e);
/* It is to end at once, which is heard as any end of it. NULL is allowed. */
void helper_hurry(const struct helper *h);
/* It is of no more use, and taken. NULL is allowed. */
void helper_end(struct helper *h);

#endif
