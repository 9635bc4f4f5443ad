/* view: see view.h. */
#include "logger/view.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"
#include "logger/ring.h"

#define BLOCK 65536
#define OLD_FILES_MAX 1000
#define PAUSE_MIN_NS 250000 /* between two looks */
#define PAUSE_MAX_NS 32000000

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
	if (fd == -1 || st.st_ino != v->c->ino) {
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

/* What says which file has which positions. */
struct place {
	uint64_t moving, ino;
	int64_t base;
};

static struct place
place_now(const struct view *v)
{
	struct place p = {.moving = v->c->moving};

	p.base = v->c->base;
	p.ino = v->c->ino;
	return p;
}

/* The same, if no file was exchanged while we looked: what was found is then
 * what it was taken for, whatever its name is by now. */
static int
find_file_once(const struct view *v, int64_t at, int64_t *start)
{
	struct place before = place_now(v), after;
	int fd;

	if (before.moving != 0)
		return VIEW_BUSY;
	fd = find_file(v, at, start);
	after = place_now(v);
	if (after.moving == 0 && after.base == before.base &&
	    after.ino == before.ino)
		return fd;
	fd_close(&fd);
	return VIEW_BUSY;
}

/* Waits while the files are being exchanged, unless that takes too long. */
static int
find_file_settled(const struct view *v, int64_t at, int64_t *start)
{
	struct timespec pause = {.tv_nsec = PAUSE_MIN_NS};
	int64_t deadline = sys_now_ms() + VIEW_WAIT_MS;
	int fd;

	while ((fd = find_file_once(v, at, start)) == VIEW_BUSY &&
	       sys_now_ms() < deadline) {
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < PAUSE_MAX_NS)
			pause.tv_nsec *= 2;
	}
	return fd;
}

static ssize_t
read_file(const struct view *v, int64_t at, void *buf, size_t size)
{
	int64_t start;
	int fd = find_file_settled(v, at, &start);
	ssize_t n = -1;

	if (fd < 0)
		return fd;
	if (at >= start)
		n = pread(fd, buf, size, (off_t)(at - start));
	fd_close(&fd);
	return n;
}

/* What was punched away while we read was zeros, maybe. */
static ssize_t
read_ring(const struct view *v, int64_t at, void *buf, size_t size)
{
	ssize_t n;

	if (at < (int64_t)v->c->low)
		return -1;
	n = ring_read(v->ring, v->c->window, (uint64_t)at, buf, size);
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
	return n == 0 ? -1 : n;
}

/* What is on disk already and what is not yet come in two reads. */
ssize_t
view_read_all(const struct view *v, int64_t at, char *buf, size_t size)
{
	size_t have = 0;
	ssize_t n = 0;

	while (have < size) {
		n = view_read(v, at + (int64_t)have, buf + have, size - have);
		if (n <= 0)
			break;
		have += (size_t)n;
	}
	return have > 0 ? (ssize_t)have : n;
}

int64_t
view_oldest(const struct view *v, int *mid_line)
{
	int64_t end = view_end(v), low = (int64_t)v->c->low, start;
	int fd;

	*mid_line = 0;
	if (v->path != NULL) {
		fd = find_file_settled(v, INT64_MIN, &start);
		if (fd >= 0) {
			fd_close(&fd);
			return start;
		}
	} else if (end - (int64_t)v->tail > low) {
		low = end - (int64_t)v->tail;
	}
	*mid_line = low > 0;
	return low;
}

/* The first line that begins behind at, whose end is before end: 1; 0: there
 * is none, -1: it cannot be read any more. */
static int
next_line(const struct view *v, int64_t at, int64_t end, int64_t *line)
{
	char buf[4096];
	ssize_t n, i;

	for (; at < end; at += n) {
		n = view_read(v, at, buf, sizeof(buf));
		if (n <= 0)
			return -1;
		for (i = 0; i < n; i++)
			if (buf[i] == '\n') {
				*line = at + i + 1;
				return 1;
			}
	}
	return 0;
}

int64_t
view_first_line(const struct view *v)
{
	int64_t end = view_end(v), at, last = INT64_MIN, line = end;
	int mid_line;

	/* What is overtaken while we look for its end begins later by then. */
	for (;; last = at) {
		at = view_oldest(v, &mid_line);
		if (!mid_line || at >= end)
			return at;
		if (at == last || next_line(v, at, end, &line) != -1)
			return line;
	}
}

/* Up to a block before at, as far back as it is there: its length, 0: none. */
static ssize_t
read_back(const struct view *v, int64_t at, char *buf)
{
	int64_t from, last = INT64_MIN, oldest;
	int mid_line;

	for (;; last = oldest) {
		oldest = view_oldest(v, &mid_line);
		from = at - BLOCK > oldest ? at - BLOCK : oldest;
		if (from >= at || oldest == last)
			return 0;
		if (view_read_all(v, from, buf, (size_t)(at - from)) ==
		    at - from)
			return at - from;
	}
}

int64_t
view_lines_before(const struct view *v, int64_t end, uint64_t n)
{
	static char buf[BLOCK];
	int64_t at = end, first;
	ssize_t len, i;

	/* The newline at the very end ends the last line, begins none. */
	while (n > 0 && (len = read_back(v, at, buf)) > 0) {
		at -= len;
		for (i = len; i > 0; i--)
			if (buf[i - 1] == '\n' && at + i != end && --n == 0)
				return at + i;
	}
	if (n == 0)
		return end;
	first = view_first_line(v);
	return first < end ? first : end;
}

int64_t
view_last_lines(const struct view *v, uint64_t n)
{
	return view_lines_before(v, view_end(v), n);
}
