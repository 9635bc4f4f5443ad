/* floor_maps: see floor_maps.h. */
#include "lib/floor_maps.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LINE_BYTES 256
/* What one read(2) gives at most; stdio would ask for a quarter of it. */
#define READ_BYTES 4096
#define MAPPINGS_MAX 16384
#define MAPPINGS_BYTES (MAPPINGS_MAX * sizeof(struct floor_mapping))
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
		   "%" SCNxPTR "-%" SCNxPTR " %4s %" SCNx64 " %*x:%*x %" SCNu64
		   " %31s",
		   &m->begin, &m->end, m->mode, &m->offset, &m->inode,
		   m->name) >= 5;
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

static void
read_smaps(FILE *smaps, struct floor_mappings *all)
{
	struct floor_mapping m = {0}, next;
	char line[LINE_BYTES];

	while (
	    all->n < MAPPINGS_MAX && fgets(line, sizeof(line), smaps) != NULL)
		if (!isupper((unsigned char)line[0]) && parse(line, &next))
			m = next;
		else if (parse_flags(line, &m))
			all->at[all->n++] = m;
}

int
floor_mappings_read(struct floor_mappings *all)
{
	char buffer[READ_BYTES];
	FILE *smaps;

	all->n = 0;
	all->at = mmap(NULL, MAPPINGS_BYTES, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (all->at == MAP_FAILED)
		return -1;
	smaps = fopen("/proc/self/smaps", "re");
	if (smaps == NULL) {
		floor_mappings_free(all);
		return -1;
	}
	setvbuf(smaps, buffer, _IOFBF, sizeof(buffer));
	read_smaps(smaps, all);
	fclose(smaps);
	return 0;
}

void
floor_mappings_free(struct floor_mappings *all)
{
	munmap(all->at, MAPPINGS_BYTES);
	*all = (struct floor_mappings){0};
}

int
floor_mapping_is_plain(const struct floor_mapping *m)
{
	static const char known[] = "rd wr mr mw me ac sd ";
	const char *at;

	if (m->mode[0] != 'r' || m->mode[2] != '-' || m->mode[3] != 'p')
		return 0;
	for (at = m->flags; at[0] != '\0' && at[1] != '\0' && at[2] == ' ';
	     at += 3)
		if (memmem(known, sizeof(known) - 1, at, 3) == NULL)
			return 0;
	return at[0] == '\0';
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
