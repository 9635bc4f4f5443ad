/* floor_maps: see floor_maps.h. */
#include "lib/floor_maps.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define LINE_BYTES 256
/* What one read(2) gives at most; stdio would ask for a quarter of it. */
#define READ_BYTES 4096
/* Bits of an entry. */
#define PRESENT (UINT64_C(1) << 63)
#define SWAPPED (UINT64_C(1) << 62)
#define OF_FILE (UINT64_C(1) << 61) /* or of shared memory */

/* The end of a long line is none. */
static int
parse(const char *line, struct floor_mapping *m)
{
	m->name[0] = m->flags[0] = '\0';
	return sscanf(line,
		   "%" SCNxPTR "-%" SCNxPTR " %4s %*x %*x:%*x %" SCNu64 " %31s",
		   &m->begin, &m->end, m->mode, &m->inode, m->name) >= 4;
}

int
floor_maps_each(int (*fn)(const struct floor_mapping *m, void *arg), void *arg)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[LINE_BYTES], buffer[READ_BYTES];
	struct floor_mapping m;

	if (maps == NULL)
		return -1;
	setvbuf(maps, buffer, _IOFBF, sizeof(buffer));
	while (fgets(line, sizeof(line), maps) != NULL)
		if (parse(line, &m) && fn(&m, arg) != 0)
			break;
	fclose(maps);
	return 0;
}

/* The last line of what smaps says of a mapping: of some twenty, and the only
 * one whose name begins so. */
static int
parse_flags(const char *line, struct floor_mapping *m)
{
	return line[0] == 'V' &&
	       sscanf(line, "VmFlags: %95[a-z0-9 ]", m->flags) == 1;
}

int
floor_smaps_each(int (*fn)(const struct floor_mapping *m, void *arg), void *arg)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	char line[LINE_BYTES], buffer[READ_BYTES];
	struct floor_mapping m = {0}, next;

	if (smaps == NULL)
		return -1;
	setvbuf(smaps, buffer, _IOFBF, sizeof(buffer));
	while (fgets(line, sizeof(line), smaps) != NULL)
		if (!isupper((unsigned char)line[0]) && parse(line, &next))
			m = next;
		else if (parse_flags(line, &m) && fn(&m, arg) != 0)
			break;
	fclose(smaps);
	return 0;
}

int
floor_page_is_present(uint64_t entry)
{
	return (entry & PRESENT) != 0;
}

int
floor_page_is_own(uint64_t entry)
{
	return (entry & (PRESENT | SWAPPED)) != 0 && (entry & OF_FILE) == 0;
}

int
floor_pages_open(void)
{
	return open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
}

size_t
floor_pages_read(int pagemap, uintptr_t begin, uintptr_t end,
    uint64_t entries[FLOOR_PAGES_AT_ONCE])
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n = (end - begin) / page;
	ssize_t bytes;

	if (n > FLOOR_PAGES_AT_ONCE)
		n = FLOOR_PAGES_AT_ONCE;
	bytes = pread(pagemap, entries, n * sizeof(*entries),
	    (off_t)(begin / page * sizeof(*entries)));
	return bytes < 0 ? 0 : (size_t)bytes / sizeof(*entries);
}
