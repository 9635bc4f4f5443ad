/*
 * preload: what a native floor loads for its workers: shared objects, and files
 * of data that are mapped and read in.
 */
#ifndef SVD_FLOOR_PRELOAD_H
#define SVD_FLOOR_PRELOAD_H

#include <stddef.h>

#include "base/err.h"

struct preload {
	struct preloaded *items;
	size_t n;
};

/* Keeps n names by reference. -1: the first one that failed is *which. */
int preload_all(struct preload *p, char *const *names, size_t n, size_t *which,
    struct err *e);
/* A symbol of any of them. NULL: none has it. */
void *preload_symbol(const struct preload *p, const char *symbol);
/* One of "LIBRARY:SYMBOL". A library is known by what it was preloaded as or by
 * that without its folders; any other is loaded now, and *is_late. */
void *preload_entry(
    const struct preload *p, const char *entry, int *is_late, struct err *e);
/* For workers, through svd_data(): the data of a file that was preloaded by
 * this name; NULL: there is none. */
const void *svd_floor_data(const char *name, size_t *len_bytes);

#endif
