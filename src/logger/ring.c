/* ring: see ring.h. */
#include "logger/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CHUNK (1024 * 1024) /* all that a pipe may hold as a rule */
#define PAGE UINT64_C(4096)

/*
 * A step is at most half a window, and noted by main before the next one: so
 * how far the position has come since the last note is never in doubt.
 */
int64_t
ring_position(const struct cursor *c)
{
	int64_t at = c->off;
	uint64_t window = c->window, moved;

	if (at < 0)
		return -1;
	if (window == 0)
		return (uint64_t)at < c->done ? -1 : at;
	moved = ((uint64_t)at % window + window - c->pos % window) % window;
	return moved > window / 2 ? -1 : (int64_t)(c->pos + moved);
}

/* Of a window. Before anything is written over: who reads looks at low
 * afterwards. */
static void
move_low(struct cursor *c, uint64_t keep)
{
	uint64_t done = c->done, low = done < keep ? 0 : done - keep;

	if (low > c->low)
		c->low = low;
}

/* What there is room for behind pos in one piece. */
static size_t
room(struct cursor *c, uint64_t pos)
{
	uint64_t window = c->window, left, to_end;

	if (window == 0)
		return CHUNK;
	move_low(c, RING_KEPT);
	left = window - (pos - c->low);
	to_end = window - pos % window;
	if (left > window / 2)
		left = window / 2;
	return left < to_end ? left : to_end;
}

/*
 * One piece of up to len bytes, to position pos. The kernel writes where it has
 * come to into the cursor, within the same call that takes from the FIFO.
 */
static ssize_t
splice_piece(struct cursor *c, int fifo, int ring, uint64_t pos, size_t len)
{
	size_t max = room(c, pos);
	ssize_t n;

	if (c->window > 0 && pos % c->window == 0)
		c->off = 0;
	do
		n = splice(fifo, NULL, ring, (off_t *)&c->off,
		    len < max ? len : max, SPLICE_F_NONBLOCK);
	while (n == -1 && errno == EINTR);
	return n;
}

ssize_t
ring_capture(struct cursor *c, int fifo, int ring)
{
	ssize_t n = splice_piece(c, fifo, ring, c->pos, CHUNK);

	return n == -1 && errno == EAGAIN ? 0 : n;
}

static int
is_full(int fifo)
{
	struct pollfd p = {.fd = fifo, .events = POLLOUT};

	return poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT);
}

/* Bytes. */
static size_t
holds(int fifo)
{
	int n;

	return ioctl(fifo, FIONREAD, &n) == -1 || n < 0 ? 0 : (size_t)n;
}

struct look {
	size_t seen;  /* bytes that were looked at */
	size_t lines; /* of these are whole lines */
};

/* -1 and errno: it could not be looked at. */
static int
look(int fifo, const int scratch[2], struct look *l)
{
	char buf[16384];
	ssize_t n, m, i;

	*l = (struct look){0};
	do
		n = tee(fifo, scratch[1], RING_PIECE, SPLICE_F_NONBLOCK);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return errno == EAGAIN ? 0 : -1;
	while (n > 0 && (m = read(scratch[0], buf, sizeof(buf))) > 0) {
		for (i = m; i > 0 && buf[i - 1] != '\n'; i--)
			;
		if (i > 0)
			l->lines = l->seen + (size_t)i;
		l->seen += (size_t)m;
	}
	return 0;
}

/* Of a piece of a line: is it longer than can be waited for? Looks again: its
 * end may have come just now. */
static int
is_too_long(int fifo, const int scratch[2], struct look *l)
{
	size_t first = l->seen;

	if (!is_full(fifo) && holds(fifo) <= first)
		return 0;
	if (look(fifo, scratch, l) == -1)
		return 0;
	return l->lines > 0 || l->seen == first || is_full(fifo);
}

/* -1 and errno if nothing could be moved. */
static ssize_t
move(struct cursor *c, int fifo, int ring, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = splice_piece(c, fifo, ring, c->pos + done, len - done);
		if (n == -1 && errno != EAGAIN && done == 0)
			return -1;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

ssize_t
ring_capture_lines(struct cursor *c, int fifo, int ring, const int scratch[2],
    int all, int *is_open)
{
	struct look l;
	ssize_t n;

	*is_open = 0;
	if (look(fifo, scratch, &l) == -1)
		return -1;
	if (l.seen == 0)
		return 0;
	*is_open = 1;
	if (l.lines == 0 && !all && !is_too_long(fifo, scratch, &l))
		return 0;
	n = move(c, fifo, ring, l.lines > 0 ? l.lines : l.seen);
	*is_open = n != (ssize_t)l.lines;
	return n;
}

void
ring_trim(struct cursor *c, int ring, uint64_t keep, uint64_t worth)
{
	uint64_t low = c->pos < keep ? 0 : c->pos - keep, old = c->low;

	if (c->window > 0)
		return;
	if (low > c->done)
		low = c->done;
	low &= ~(PAGE - 1);
	if (low < old + worth)
		return;
	/* Said first: who reads looks at it afterwards. */
	c->low = low;
	fallocate(ring, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)old,
	    (off_t)(low - old));
}

void
ring_trim_again(const struct cursor *c, int ring)
{
	if (c->low > 0 && c->window == 0)
		fallocate(ring, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
		    (off_t)c->low);
}

static void
punch(int ring, uint64_t from, uint64_t to)
{
	if (to > from)
		fallocate(ring, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		    (off_t)from, (off_t)(to - from));
}

void
ring_empty(struct cursor *c, int ring)
{
	uint64_t from, to;

	move_low(c, RING_WORTH_AT_REST);
	from = c->low % c->window;
	to = c->pos % c->window;
	if (from <= to)
		punch(ring, 0, from);
	punch(ring, to, from <= to ? c->window : from);
}

ssize_t
ring_read(int ring, uint64_t window, uint64_t at, void *buf, size_t size)
{
	ssize_t n;

	if (window > 0) {
		at %= window;
		if (size > window - at)
			size = window - at;
	}
	do
		n = pread(ring, buf, size, (off_t)at);
	while (n == -1 && errno == EINTR);
	return n;
}
