/* delivery: see delivery.h. */
#include "logger/delivery.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/sys.h"
#include "logger/ring.h"

#define RETRY_MS 1000
#define NOT_READ_MS 20 /* a FIFO, say, that nobody reads now */

static int
ends(const struct delivery *d)
{
	return d->c->final != 0 || d->lg->cursors.head->quitting != 0;
}

/* A line without an end may lie there and rest, until more comes or never
 * will. */
static uint64_t
what_is_there(const struct delivery *d)
{
	return d->c->pos << 1 | (uint64_t)ends(d);
}

int
delivery_is_due(const struct delivery *d)
{
	if (!d->begun || d->reopened != d->lg->cursors.head->reopen)
		return 1;
	return d->at != d->c->pos && d->rested != what_is_there(d);
}

void
delivery_rests(struct delivery *d)
{
	d->rested = what_is_there(d);
}

int
delivery_is_final(const struct delivery *d, size_t len)
{
	return ends(d) && d->at + len == d->c->pos;
}

static void
set_trouble(struct delivery *d, uint64_t trouble)
{
	if (d->c->trouble == trouble)
		return;
	d->c->trouble = trouble;
	d->lg->cursors.head->troubles++;
}

int
delivery_failed(struct delivery *d, enum cursor_trouble what, int errnum)
{
	int is_slow = errnum == EAGAIN;

	if (!is_slow)
		set_trouble(
		    d, (uint64_t)what << 32 | (uint64_t)(unsigned int)errnum);
	d->retry_at = sys_now_ms() + (is_slow ? NOT_READ_MS : RETRY_MS);
	return -1;
}

/* What is kept beside: a file keeps it all itself. */
static uint64_t
tail(const struct delivery *d)
{
	return d->r->kind == OUTPUT_FILE ? 0 : d->r->tail;
}

/* A rotation that fails does so beside the writing: it clears its trouble
 * itself. */
void
delivery_done(struct delivery *d, uint64_t bytes)
{
	d->at += bytes;
	d->c->done = d->at;
	d->retry_at = 0;
	if (d->rotate_at == 0)
		set_trouble(d, 0);
	ring_trim(d->c, d->r->fd, tail(d), RING_WORTH_BUSY);
	d->untrimmed = 1;
}

void
delivery_trim(struct delivery *d)
{
	if (d->untrimmed)
		ring_trim(d->c, d->r->fd, tail(d), RING_WORTH_AT_REST);
	if (d->map != NULL)
		munmap(d->map, d->c->window);
	d->map = NULL;
	d->untrimmed = 0;
}

void
delivery_busy(struct delivery *d, int busy)
{
	d->c->busy_since = busy ? (uint64_t)sys_now_ms() : 0;
}
