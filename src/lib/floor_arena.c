/* floor_arena: see floor_arena.h. */
#include "lib/floor_arena.h"

#include <stdint.h>
#include <sys/mman.h>

#include "lib/floor_huge.h"

#define HUGE_BYTES FLOOR_HUGE_BYTES
#define CHUNK_BYTES (16 * HUGE_BYTES)
#define CHUNKS_MAX 64 /* 2 GB; what comes then is had as it ever was */

static struct {
	char *at, *end; /* what is left of the last chunk */
	char *chunks[CHUNKS_MAX];
	size_t n;
	int closed;
} arena;

static char *
map(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

static char *
next_huge(char *at)
{
	return at + (-(uintptr_t)at & (HUGE_BYTES - 1));
}

static void
unmap(char *begin, const char *end)
{
	if (end > begin)
		munmap(begin, (size_t)(end - begin));
}

static void
next_chunk(void)
{
	char *at, *begin;

	if (arena.closed || arena.n == CHUNKS_MAX)
		return;
	at = map(CHUNK_BYTES + HUGE_BYTES);
	if (at == NULL)
		return;
	begin = next_huge(at);
	unmap(at, begin);
	unmap(begin + CHUNK_BYTES, at + CHUNK_BYTES + HUGE_BYTES);
	madvise(begin, CHUNK_BYTES, MADV_HUGEPAGE);
	unmap(arena.at, arena.end);
	arena.chunks[arena.n++] = arena.at = begin;
	arena.end = begin + CHUNK_BYTES;
}

/* NULL: no memory. */
static void *
take(void *context, size_t size)
{
	char *at;

	(void)context;
	if (size > (size_t)(arena.end - arena.at) && size <= CHUNK_BYTES)
		next_chunk();
	if (size > (size_t)(arena.end - arena.at))
		return map(size);
	at = arena.at;
	arena.at += size;
	return at;
}

/* Not to be used again: that would be a huge page, maybe a worker's. */
static void
give_back(void *context, void *at, size_t size)
{
	(void)context;
	munmap(at, size);
}

void
svd_floor_arenas(void (*set)(const struct svd_arena_allocator *))
{
	static const struct svd_arena_allocator allocator = {
	    .alloc = take, .free = give_back};

	set(&allocator);
}

/* The rest of the last huge page is there anyway. */
void
floor_arena_close(void)
{
	char *end = next_huge(arena.at);
	size_t i;

	arena.closed = 1;
	unmap(end, arena.end);
	if (arena.n > 0)
		arena.end = end;
	for (i = 0; i < arena.n; i++)
		madvise(arena.chunks[i], CHUNK_BYTES, MADV_NOHUGEPAGE);
}
