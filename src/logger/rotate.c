/* rotate: see rotate.h. */
#include "logger/rotate.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define LEFT_OVER_MAX 1000 /* older files removed, after keep was made less */

/* "PATH.number", or PATH for 0. */
static int
old_name(char *out, const char *path, uint32_t number)
{
	int n = number == 0 ? snprintf(out, PATH_MAX, "%s", path)
	                    : snprintf(out, PATH_MAX, "%s.%u", path, number);

	if (n < PATH_MAX)
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

static int
exists(const char *path, uint32_t number)
{
	char name[PATH_MAX];
	struct stat st;

	return old_name(name, path, number) == 0 && lstat(name, &st) == 0;
}

static int
move(const char *path, uint32_t from)
{
	char old[PATH_MAX], new[PATH_MAX];

	if (old_name(old, path, from) == -1 ||
	    old_name(new, path, from + 1) == -1)
		return -1;
	return rename(old, new);
}

static int delete (const char *path, uint32_t number)
{
	char name[PATH_MAX];

	if (old_name(name, path, number) == -1)
		return -1;
	return unlink(name);
}

/* Only up to the first gap: where a shift was cut off, the gap is where it
 * had come to. */
int
rotate_shift(const char *path, uint32_t keep)
{
	uint32_t gap, i;

	if (keep == 0)
		return delete (path, 0);
	for (gap = 1; gap <= keep && exists(path, gap); gap++)
		;
	if (gap > keep) {
		for (i = keep + 1;
		     i - keep <= LEFT_OVER_MAX && delete (path, i) == 0; i++)
			;
		gap = keep;
	}
	for (; gap > 0; gap--)
		if (move(path, gap - 1) == -1)
			return -1;
	return 0;
}
