/* shared: see shared.h. */
#include "logger/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "logger/ring.h"
#include "logger/rings.h"

/* Whoever writes one has it in hand; so long the others wait for it at most.
 * Each time that it was in vain, half as long for the same stream. */
#define OPEN_MS 1000
#define SLOPPY_MAX 7

static uint64_t
owner(const struct stream *s)
{
	return names_hash(s->key);
}

int
shared_is(const struct logger *lg, const struct ring *r)
{
	return r->nstreams > 1 && r != lg->own;
}

static void
wait_until(struct logger *lg, struct ring *r, int64_t at)
{
	r->partial = at;
	if (lg->open_at == 0 || lg->open_at > at)
		lg->open_at = at;
}

void
shared_joined(struct logger *lg, struct ring *r, int64_t now)
{
	struct cursor *c = r->c;
	char last;

	if (r->nstreams != 2 || !shared_is(lg, r))
		return;
	r->partial = 0;
	if (c->pos == 0)
		return;
	if (ring_read(r->fd, c->window, c->pos - 1, &last, 1) == 1 &&
	    last != '\n')
		wait_until(lg, r, now + OPEN_MS);
}

int
shared_is_open(const struct stream *s)
{
	const struct ring *r = s->ring;

	return r->kind == OUTPUT_FILE && r->partial != 0 &&
	       r->c->next == owner(s);
}

int
shared_waits(const struct logger *lg, const struct stream *s)
{
	return shared_is(lg, s->ring) && s->ring->partial != 0 &&
	       !shared_is_open(s);
}

void
shared_begin(struct stream *s)
{
	uint64_t who = owner(s);

	if (s->ring->c->next != who)
		s->ring->c->next = who;
}

/*
 * What is left in a FIFO is hidden from epoll(7): of a write that is longer
 * than what there is room for it tells once all of it is written, which it
 * never is. A signal comes before the writer goes to sleep. Asked for before
 * the FIFO is looked at.
 */
static void
ask_for_signals(struct stream *s)
{
	if (s->signals)
		return;
	if (fcntl(s->fd, F_SETOWN, getpid()) == -1 ||
	    fcntl(s->fd, F_SETFL, O_NONBLOCK | O_ASYNC) == -1)
		log_error("cannot hear of '%s': %s", s->key, strerror(errno));
	s->signals = 1;
}

ssize_t
shared_capture(struct logger *lg, struct stream *s, int all, int64_t now)
{
	struct ring *r = s->ring;
	int is_open;
	ssize_t n;

	ask_for_signals(s);
	n = ring_capture_lines(r->c, s->fd, r->fd, lg->scratch,
	    all || shared_is_open(s), &is_open);
	s->has_piece = n == 0 && is_open;
	if (n > 0 && !is_open) {
		r->partial = 0;
		s->gave_up = 0;
	} else if (n > 0 && !s->gave_up && r->partial == 0) {
		wait_until(lg, r, now + (OPEN_MS >> s->sloppy));
	} else if (n == 0 && all) {
		shared_ended(s);
	}
	return n;
}

void
shared_ended(struct stream *s)
{
	if (s->ring != NULL && shared_is_open(s))
		s->ring->partial = 0;
}

int
shared_is_late(struct logger *lg, struct ring *r, int64_t now)
{
	if (!shared_is(lg, r) || r->partial == 0)
		return 0;
	if (now >= r->partial && rings_have_room(r))
		return 1;
	wait_until(lg, r, now < r->partial ? r->partial : now + OPEN_MS);
	return 0;
}

void
shared_give_up(struct ring *r, struct stream *s)
{
	r->partial = 0;
	if (s == NULL)
		return;
	s->gave_up = 1;
	if (s->sloppy < SLOPPY_MAX)
		s->sloppy++;
}
