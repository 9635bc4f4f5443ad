/*
 * grow: lists that get longer, by doubling.
 */
#ifndef SVD_CONF_GROW_H
#define SVD_CONF_GROW_H

#include <stddef.h>

/*
 * list, or where it lies now, with room for at least n items of size bytes;
 * *cap is how many it has room for. NULL where there is no memory: the old list
 * is as it was.
 */
void *grow_list(void *list, size_t n, size_t *cap, size_t size);

#endif
