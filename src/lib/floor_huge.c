/* floor_huge: see floor_huge.h. */
#include "lib/floor_huge.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"

#ifndef MADV_COLLAPSE
#	define MADV_COLLAPSE 25
#endif

#define PAGE_BYTES 4096U
#define HUGE_BYTES (2U << 20)
#define PAGES (HUGE_BYTES / PAGE_BYTES)
/* Fewer, and the rest would come to more than it is worth: a third. */
#define PAGES_MIN (PAGES * 3 / 4)
#define PRESENT (UINT64_C(1) << 63) /* linux: admin-guide/mm/pagemap.rst */
#define LINE_BYTES 256
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

	if (pread(pagemap, entries, sizeof(entries),
		(off_t)(at / PAGE_BYTES * sizeof(*entries))) !=
	    (ssize_t)sizeof(entries))
		return 0;
	for (i = 0; i < PAGES; i++)
		present += (entries[i] & PRESENT) != 0;
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

/* Of a line of /proc/self/maps: is it large, private, written to, and no
 * file's? */
static int
parse(const char *line, uintptr_t *begin, uintptr_t *end)
{
	char mode[5], name[LINE_BYTES] = "";
	uint64_t inode;

	if (sscanf(line,
		"%" SCNxPTR "-%" SCNxPTR " %4s %*x %*s %" SCNu64 " %255s",
		begin, end, mode, &inode, name) < 4)
		return -1;
	return *end - *begin >= REGION_MIN && strcmp(mode, "rw-p") == 0 &&
	               inode == 0 &&
	               (name[0] == '\0' || strcmp(name, "[heap]") == 0 ||
			   strncmp(name, "[anon:", 6) == 0)
	           ? 0
	           : -1;
}

void
floor_huge_pages(void)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	FILE *maps = fopen("/proc/self/maps", "re");
	uintptr_t begin, end, looks = 0;
	char line[LINE_BYTES];

	while (pagemap != -1 && maps != NULL && sysconf(_SC_PAGESIZE) == 4096 &&
	       fgets(line, sizeof(line), maps) != NULL)
		if (parse(line, &begin, &end) == 0 &&
		    (end - begin) / HUGE_BYTES < LOOKS_MAX - looks) {
			looks += (end - begin) / HUGE_BYTES;
			if (collapse_dense(pagemap, begin, end) == -1)
				break;
		}
	if (maps != NULL)
		fclose(maps);
	fd_close(&pagemap);
}
