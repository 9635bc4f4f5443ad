/* floor_huge: see floor_huge.h. */
#include "lib/floor_huge.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"

#ifndef MADV_COLLAPSE
#	define MADV_COLLAPSE 25
#endif

#define PAGE_BYTES 4096U
#define HUGE_BYTES FLOOR_HUGE_BYTES
#define PAGES FLOOR_PAGES_AT_ONCE
_Static_assert(PAGES == HUGE_BYTES / PAGE_BYTES, "one is read at a time");
/* Fewer, and the rest would come to more than it is worth: a third. */
#define PAGES_MIN (PAGES * 3 / 4)
/* What is looked at, 5 us each: larger mappings are reserved, not used. */
#define LOOKS_MAX 32768 /* 64 GB */
/* To make a huge page takes half a millisecond, or some where the machine is a
 * virtual one that has to be given its memory first. A worker's birth and end
 * gain some 60 us by it, if it is not left alone there.
 */
#define REGION_MIN (4 * HUGE_BYTES)

/* 1: of the huge page at `at`, so much is there that it had better be one. */
static int
is_dense(int pagemap, uintptr_t at)
{
	uint64_t entries[PAGES];
	unsigned int i, present = 0;

	if (floor_pages_read(pagemap, at, at + HUGE_BYTES, entries) != PAGES)
		return 0;
	for (i = 0; i < PAGES; i++)
		present += (unsigned int)floor_page_is_present(entries[i]);
	return present >= PAGES_MIN;
}

/* -1: there is none to be had. Each call makes every processor give up pages
 * that it keeps at hand, so that there are to be few of them. */
static int
collapse(uintptr_t begin, uintptr_t end)
{
	if (begin == end ||
	    madvise((void *)begin, end - begin, MADV_COLLAPSE) == 0)
		return 0;
	/* Some could not: pinned, or shared with somebody. */
	return errno == EAGAIN || errno == EINVAL ? 0 : -1;
}

static int
collapse_dense(int pagemap, uintptr_t begin, uintptr_t end)
{
	uintptr_t at, from;

	begin = (begin + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES;
	end = end / HUGE_BYTES * HUGE_BYTES;
	for (at = from = begin; at < end; at += HUGE_BYTES)
		if (!is_dense(pagemap, at)) {
			if (collapse(from, at) == -1)
				return -1;
			from = at + HUGE_BYTES;
		}
	return at > begin ? collapse(from, at) : 0;
}

/* Large, private, written to, and no file's. */
static int
is_fit(const struct floor_mapping *m)
{
	return m->end - m->begin >= REGION_MIN &&
	       strcmp(m->mode, "rw-p") == 0 && m->inode == 0 &&
	       (m->name[0] == '\0' || strcmp(m->name, "[heap]") == 0 ||
		   strncmp(m->name, "[anon:", 6) == 0);
}

int
floor_huge_is(int pagemap, const struct floor_mapping *m, uintptr_t at)
{
	return is_fit(m) && at % HUGE_BYTES == 0 && m->end - at >= HUGE_BYTES &&
	       is_dense(pagemap, at);
}

struct looking {
	int pagemap;
	uintptr_t looks; /* that are left */
};

static int
collapse_mapping(const struct floor_mapping *m, void *arg)
{
	uintptr_t looks = (m->end - m->begin) / HUGE_BYTES;
	struct looking *l = arg;

	if (!is_fit(m) || looks >= l->looks)
		return 0;
	l->looks -= looks;
	return collapse_dense(l->pagemap, m->begin, m->end);
}

void
floor_huge_pages(void)
{
	struct looking l = {.pagemap = floor_pages_open(), .looks = LOOKS_MAX};

	if (l.pagemap != -1 && sysconf(_SC_PAGESIZE) == PAGE_BYTES)
		floor_maps_each(collapse_mapping, &l);
	fd_close(&l.pagemap);
}
