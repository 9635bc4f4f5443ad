/*
 * names: numbers or pointers by name, such as the descriptors that the keeper
 * holds. A hash table that grows; names are copied.
 */
#ifndef SVD_LOGGER_NAMES_H
#define SVD_LOGGER_NAMES_H

#include <stddef.h>
#include <stdint.h>

struct name {
	struct name *next;
	union {
		intptr_t number;
		void *pointer;
	} value;
	char text[];
};

/* Zero it to initialise it. */
struct names {
	struct name **buckets;
	size_t nbuckets, n;
};

/* FNV-1a. */
uint64_t names_hash(const char *text);
/* Replaces the value that was there. -1: no memory. */
int names_put(struct names *t, const char *text, intptr_t value);
intptr_t names_get(const struct names *t, const char *text, intptr_t otherwise);
/* Of one whose value is a pointer; NULL: there is none. */
void *names_pointer(const struct names *t, const char *text);
/* A number, and forgets it. */
intptr_t names_take(struct names *t, const char *text, intptr_t otherwise);
void names_release(struct names *t);

#endif
