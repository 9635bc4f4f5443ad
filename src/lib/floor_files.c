/* floor_files: see floor_files.h. */
#include "lib/floor_files.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "lib/floor_maps.h"

/* In as few calls as can be: what is not there is left as well. */
static void
leave(const uint64_t *entries, size_t n, uintptr_t at, uintptr_t page)
{
	size_t i, from;

	for (i = 0; i < n; i++) {
		for (from = i; i < n && !floor_page_is_own(entries[i]); i++)
			;
		if (i > from)
			madvise((void *)(at + from * page), (i - from) * page,
			    MADV_DONTNEED);
	}
}

/* If it is a file's, private, and only read. */
static int
leave_mapping(const struct floor_mapping *m, void *pagemap)
{
	uint64_t entries[FLOOR_PAGES_AT_ONCE];
	uintptr_t at, page = (uintptr_t)sysconf(_SC_PAGESIZE);
	size_t n;

	if (m->mode[0] != 'r' || m->mode[1] != '-' || m->mode[3] != 'p' ||
	    m->inode == 0)
		return 0;
	for (at = m->begin; at < m->end; at += n * page) {
		n = floor_pages_read(*(int *)pagemap, at, m->end, entries);
		if (n == 0)
			break;
		leave(entries, n, at, page);
	}
	return 0;
}

void
floor_files_leave(void)
{
	int pagemap = floor_pages_open();

	if (pagemap != -1)
		floor_maps_each(leave_mapping, &pagemap);
	fd_close(&pagemap);
}
