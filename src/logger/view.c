/* view: see view.h. */
#include "logger/view.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "logger/ring.h"

#define BLOCK 65536
#define TRIES 8 /* the file is exchanged while we look for it */
#define OLD_FILES_MAX 1000

int64_t
view_end(const struct view *v)
{
	return (int64_t)v->c->pos;
}

/* PATH, or PATH.number, and its size. */
static int
open_file(const struct view *v, int number, struct stat *st)
{
	char name[PATH_MAX];
	int fd, n;

	n = number == 0
	        ? snprintf(name, sizeof(name), "%s", v->path)
	        : snprintf(name, sizeof(name), "%s.%d", v->path, number);
	if (n >= (int)sizeof(name))
		return -1;
	fd = open(name, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd != -1 && (fstat(fd, st) == -1 || !S_ISREG(st->st_mode)))
		fd_close(&fd);
	return fd;
}

/*
 * The file that has position at, and where it begins; with at INT64_MIN the
 * oldest one. Older files join without a gap where svd has rotated them.
 */
static int
find_file(const struct view *v, int64_t at, int64_t *start)
{
	struct stat st;
	int fd, older, i;

	*start = v->c->base;
	fd = open_file(v, 0, &st);
	if (fd == -1 || st.st_ino != v->c->ino || v->c->moving != 0) {
		fd_close(&fd);
		return -1;
	}
	for (i = 1; at < *start && i <= OLD_FILES_MAX; i++) {
		older = open_file(v, i, &st);
		if (older == -1)
			break;
		fd_close(&fd);
		fd = older;
		*start -= st.st_size;
	}
	return fd;
}

static ssize_t
read_file(const struct view *v, int64_t at, void *buf, size_t size)
{
	int64_t start, base;
	uint64_t ino;
	int i, fd;
	ssize_t n;

	for (i = 0; i < TRIES; i++) {
		base = v->c->base;
		ino = v->c->ino;
		fd = find_file(v, at, &start);
		n = fd == -1 || at < start
		        ? -1
		        : pread(fd, buf, size, (off_t)(at - start));
		fd_close(&fd);
		if (base == v->c->base && ino == v->c->ino && n >= 0)
			return n;
	}
	return -1;
}

/* What was punched away while we read was zeros, maybe. */
static ssize_t
read_ring(const struct view *v, int64_t at, void *buf, size_t size)
{
	ssize_t n;

	if (at < (int64_t)v->c->low)
		return -1;
	n = ring_read(v->ring, (uint64_t)at, buf, size);
	return at < (int64_t)v->c->low ? -1 : n;
}

ssize_t
view_read(const struct view *v, int64_t at, void *buf, size_t size)
{
	int64_t end = view_end(v), done = (int64_t)v->c->done;
	ssize_t n;

	if (at >= end)
		return 0;
	if ((int64_t)size > end - at)
		size = (size_t)(end - at);
	n = read_ring(v, at, buf, size);
	if (n > 0 || v->path == NULL)
		return n > 0 ? n : -1;
	if (at < done && (int64_t)size > done - at)
		size = (size_t)(done - at);
	n = read_file(v, at, buf, size);
	return n > 0 ? n : -1;
}

int64_t
view_oldest(const struct view *v, int *mid_line)
{
	int64_t end = view_end(v), low = (int64_t)v->c->low, start;
	int fd;

	*mid_line = 0;
	if (v->path != NULL) {
		fd = find_file(v, INT64_MIN, &start);
		if (fd != -1) {
			fd_close(&fd);
			return start;
		}
	} else if (end - (int64_t)v->tail > low) {
		low = end - (int64_t)v->tail;
	}
	*mid_line = low > 0;
	return low;
}

/* The first line that begins at or behind at; end: none does. */
static int64_t
next_line(const struct view *v, int64_t at, int64_t end)
{
	char buf[4096];
	ssize_t n, i;

	for (; at < end; at += n) {
		n = view_read(v, at, buf, sizeof(buf));
		if (n <= 0)
			break;
		for (i = 0; i < n; i++)
			if (buf[i] == '\n')
				return at + i + 1;
	}
	return end;
}

/* What is on disk already and what is not yet come in two reads. */
static int
read_whole(const struct view *v, int64_t at, char *buf, size_t len)
{
	size_t have;
	ssize_t n;

	for (have = 0; have < len; have += (size_t)n) {
		n = view_read(v, at + (int64_t)have, buf + have, len - have);
		if (n <= 0)
			return -1;
	}
	return 0;
}

int64_t
view_last_lines(const struct view *v, uint64_t n)
{
	static char buf[BLOCK];
	int64_t end = view_end(v), at = end, from, oldest;
	int mid_line;
	ssize_t len, i;

	oldest = view_oldest(v, &mid_line);
	/* The newline at the very end ends the last line, begins none. */
	for (; at > oldest && n > 0; at = from) {
		from = at - BLOCK > oldest ? at - BLOCK : oldest;
		len = at - from;
		if (read_whole(v, from, buf, (size_t)len) == -1)
			return at == end ? end : next_line(v, at, end);
		for (i = len; i > 0; i--)
			if (buf[i - 1] == '\n' && from + i != end && --n == 0)
				return from + i;
	}
	if (n == 0)
		return end;
	return mid_line ? next_line(v, oldest, end) : oldest;
}
