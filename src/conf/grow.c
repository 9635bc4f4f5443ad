/*
 * grow: see grow.h.
 */
#include "conf/grow.h"

#include <stdlib.h>

void *
grow_list(void *list, size_t n, size_t *cap, size_t size)
{
	size_t want = *cap == 0 ? 8 : *cap;

	if (n <= *cap)
		return list;
	while (want < n)
		want *= 2;
	list = reallocarray(list, want, size);
	if (list != NULL)
		*cap = want;
	return list;
}
