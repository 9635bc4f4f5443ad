/* mounts: see mounts.h. */
#include "logger/mounts.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"

#define MOUNTINFO_MAX (16 << 20)

static int
is_octal(const char *s)
{
	int i;

	for (i = 1; i <= 3; i++)
		if (s[i] < '0' || s[i] > '7')
			return 0;
	return s[1] < '4';
}

/* The fifth field of a line: blanks, newlines and backslashes are octal. -1:
 * there is none. */
static int
read_point(const char *line, char out[PATH_MAX])
{
	size_t n = 0;
	int i;

	for (i = 0; i < 4; i++) {
		line += strcspn(line, " \n");
		if (*line++ != ' ')
			return -1;
	}
	for (; *line != ' ' && *line != '\n' && *line != '\0'; line++) {
		if (n == PATH_MAX - 1)
			return -1;
		if (*line == '\\' && is_octal(line)) {
			out[n++] =
			    (char)((line[1] - '0') << 6 | (line[2] - '0') << 3 |
				   (line[3] - '0'));
			line += 3;
		} else {
			out[n++] = *line;
		}
	}
	out[n] = '\0';
	return 0;
}

static int
lies_under(const char *path, const char *point, size_t len)
{
	return strncmp(path, point, len) == 0 &&
	       (len == 1 || path[len] == '/' || path[len] == '\0');
}

void
mounts_find_in(const char *text, const char *path, char *out, size_t size)
{
	char point[PATH_MAX];
	size_t best = 0, len;
	const char *line;

	snprintf(out, size, "/");
	for (line = text; line != NULL && *line != '\0';
	     line = strchr(line, '\n'), line += line != NULL) {
		if (read_point(line, point) == -1)
			continue;
		len = strlen(point);
		if (len <= best || len >= size || !lies_under(path, point, len))
			continue;
		best = len;
		snprintf(out, size, "%s", point);
	}
}

void
mounts_find(const char *path, char *out, size_t size)
{
	int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	char *text = NULL;
	size_t len;

	if (fd != -1)
		text = fd_read_all(fd, MOUNTINFO_MAX, &len);
	fd_close(&fd);
	mounts_find_in(text == NULL ? "" : text, path, out, size);
	free(text);
}
