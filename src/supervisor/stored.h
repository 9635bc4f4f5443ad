/*
 * stored: descriptors that a worker leaves with svd (FDSTORE=1 of
 * sd_notify(3)), and has again in its next life, from 3 on, by LISTEN_FDS. The
 * keeper holds each as "store:ID:NUMBER:NAME", and that is the record of it.
 * They go when the worker has come to rest.
 */
#ifndef SVD_SUPERVISOR_STORED_H
#define SVD_SUPERVISOR_STORED_H

#include <stddef.h>

#include "ipc/notify_text.h"

#define STORE_MAX 64 /* of a worker */

struct supervisor;
struct worker;

struct stored {
	int fd;
	int number; /* below STORE_MAX; no two have the same */
	char name[NOTIFY_FDNAME_MAX + 1];
};

/* What a worker has there; NULL: nothing. */
struct store {
	struct stored list[STORE_MAX]; /* by their numbers */
	size_t n;
};

/* Takes the next message of w's notify socket, which is left there, for one
 * that has descriptors to be kept. Again, it keeps nothing twice. */
void stored_add(struct worker *w, const char *name);
/* All of that name. */
void stored_remove(struct worker *w, const char *name);
/* All of them: w is at rest. */
void stored_end(struct worker *w);
/* They are held, and not w's in this life any more. */
void stored_release(struct worker *w);
/* A successor's, after the replay. */
void stored_adopt(struct supervisor *s);

#endif
