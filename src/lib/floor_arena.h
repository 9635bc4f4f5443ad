/*
 * floor_arena: where a Python floor's objects go while it loads: side by side,
 * in huge pages from the first touch on. The interpreter's own arenas, of 1 MiB
 * each, stand between the libraries that it has loaded meanwhile, too small for
 * that; what floor_huge.h says of forks is then true of most of their cost.
 */
#ifndef SVD_LIB_FLOOR_ARENA_H
#define SVD_LIB_FLOOR_ARENA_H

#include <stddef.h>

/* CPython's PyObjectArenaAllocator (its C API, "Customize pymalloc Arena
 * Allocator"). */
struct svd_arena_allocator {
	void *context;
	void *(*alloc)(void *context, size_t size_bytes);
	void (*free)(void *context, void *at, size_t size_bytes);
};

/* For the runtime in Python: set is PyObject_SetArenaAllocator(). */
#pragma GCC visibility push(default)
void svd_floor_arenas(void (*set)(const struct svd_arena_allocator *));
#pragma GCC visibility pop

/* All is loaded: what is needed from now on, in workers above all, is had page
 * by page. */
void floor_arena_close(void);

#endif
