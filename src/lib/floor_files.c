/* floor_files: see floor_files.h. */
#include "lib/floor_files.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"

/* linux: admin-guide/mm/pagemap.rst. A page that was relocated is no file's any
 * more, and there is no other of it. */
#define PRESENT (UINT64_C(1) << 63)
#define OF_FILE (UINT64_C(1) << 61)
#define AT_ONCE 512U
#define LINE_BYTES 256

static int
is_of_file(uint64_t entry)
{
	return (entry & (PRESENT | OF_FILE)) == (PRESENT | OF_FILE);
}

static void
leave(const uint64_t *entries, size_t n, uintptr_t at, uintptr_t page)
{
	size_t i, from;

	for (i = 0; i < n; i++) {
		for (from = i; i < n && is_of_file(entries[i]); i++)
			;
		if (i > from)
			madvise((void *)(at + from * page), (i - from) * page,
			    MADV_DONTNEED);
	}
}

static void
leave_mapping(int pagemap, uintptr_t begin, uintptr_t end, uintptr_t page)
{
	uint64_t entries[AT_ONCE];
	uintptr_t at;
	ssize_t n;

	for (at = begin; at < end;
	     at += (uintptr_t)n / sizeof(*entries) * page) {
		size_t left = (end - at) / page * sizeof(*entries);

		n = pread(pagemap, entries,
		    left < sizeof(entries) ? left : sizeof(entries),
		    (off_t)(at / page * sizeof(*entries)));
		if (n < (ssize_t)sizeof(*entries))
			break;
		leave(entries, (size_t)n / sizeof(*entries), at, page);
	}
}

/* Of a line of /proc/self/maps: is it a file's, private, and only read? */
static int
parse(const char *line, uintptr_t *begin, uintptr_t *end)
{
	char mode[5];
	uint64_t inode;

	return sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*x %*s %" SCNu64,
		   begin, end, mode, &inode) == 4 &&
	       mode[0] == 'r' && mode[1] == '-' && mode[3] == 'p' && inode != 0;
}

void
floor_files_leave(void)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	FILE *maps = fopen("/proc/self/maps", "re");
	uintptr_t begin, end, page = (uintptr_t)sysconf(_SC_PAGESIZE);
	char line[LINE_BYTES];

	while (pagemap != -1 && maps != NULL &&
	       fgets(line, sizeof(line), maps) != NULL)
		if (parse(line, &begin, &end))
			leave_mapping(pagemap, begin, end, page);
	if (maps != NULL)
		fclose(maps);
	fd_close(&pagemap);
}
