/* ring: see ring.h. */
#include "logger/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
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

/* *lines: how long the whole ones are that are there; *seen: how much was
 * looked at. -1 and errno: it could not be. */
static int
whole_lines(int fifo, const int scratch[2], size_t *lines, size_t *seen)
{
	char buf[16384];
	ssize_t n = tee(fifo, scratch[1], RING_PIECE, SPLICE_F_NONBLOCK), m, i;

	*lines = *seen = 0;
	if (n == -1)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	while (n > 0 && (m = read(scratch[0], buf, sizeof(buf))) > 0) {
		for (i = m; i > 0 && buf[i - 1] != '\n'; i--)
			;
		if (i > 0)
			*lines = *seen + (size_t)i;
		*seen += (size_t)m;
	}
	return 0;
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
    uint64_t who, int all)
{
	size_t seen, lines;
	ssize_t n;

	if (whole_lines(fifo, scratch, &lines, &seen) == -1)
		return -1;
	if (seen == 0)
		return 0;
	if (lines == 0 && (all || is_full(fifo)))
		lines = seen;
	if (lines == 0)
		return 0;
	c->len = lines;
	c->next = who;
	c->from = c->pos + 1;
	n = move(c, fifo, ring, lines);
	c->from = 0;
	return n;
}

void
ring_recover_lines(struct cursor *c, int fifo, int ring, uint64_t who)
{
	uint64_t end = c->from - 1 + c->len;
	ssize_t n;

	if (c->from == 0 || c->next != who)
		return;
	if (c->pos >= c->from && c->pos < end) {
		n = move(c, fifo, ring, (size_t)(end - c->pos));
		if (n > 0)
			c->pos += (uint64_t)n;
	}
	c->from = 0;
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
