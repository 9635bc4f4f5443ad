/*
 * history: the last deaths of one worker. Most workers have none, so it takes
 * no more memory than there are, and a fault's text only where there is one.
 */
#ifndef SVD_SUPERVISOR_HISTORY_H
#define SVD_SUPERVISOR_HISTORY_H

#include <stddef.h>

#include "core/record.h"

struct history_entry;

/* Zero it to initialise it. */
struct history {
	struct history_entry **list; /* the newest last */
	size_t n, cap;
};

/* Adds d; all but the last keep are forgotten. Without memory for it, it is
 * forgotten itself. */
void history_add(struct history *h, const struct death *d, size_t keep);
/* The i-th newest from 0, which is less than h->n. */
void history_get(const struct history *h, size_t i, struct death *d);
int64_t history_at(const struct history *h, size_t i);
void history_release(struct history *h);

#endif
