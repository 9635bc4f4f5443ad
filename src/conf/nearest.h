/*
 * nearest: which of many names was likely meant by one that is none of them.
 */
#ifndef SVD_CONF_NEAREST_H
#define SVD_CONF_NEAREST_H

#include <stddef.h>

/* Set name and len, the rest 0. */
struct nearest {
	const char *name; /* what was written; len bytes of it */
	size_t len;
	const char *found; /* borrowed; NULL: none is worth a guess */
	unsigned int best;
};

/* Is this one nearer than all before it? Then it is found. */
void nearest_try(struct nearest *n, const char *candidate);

#endif
