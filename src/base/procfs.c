/* procfs: see procfs.h. */
#include "base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

ssize_t
procfs_read(int dir, const char *path, char *text, size_t size)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t len = 0;
	ssize_t n = -1;

	text[0] = '\0';
	if (fd == -1)
		return -1;
	/* A file of many lines comes in pieces. */
	while (
	    len < size - 1 && (n = read(fd, text + len, size - 1 - len)) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			break;
		len += (size_t)n;
	}
	fd_close(&fd);
	text[len] = '\0';
	return n == -1 && len == 0 ? -1 : (ssize_t)len;
}

const char *
procfs_value(const char *text, const char *key)
{
	size_t len = strlen(key);
	const char *line = text;

	while (line != NULL) {
		if (strncmp(line, key, len) == 0 && line[len] == ':') {
			line += len + 1;
			return line + strspn(line, " \t");
		}
		line = strchr(line, '\n');
		line = line == NULL ? NULL : line + 1;
	}
	return NULL;
}
