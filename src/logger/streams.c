/* streams: see streams.h. */
#include "logger/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "logger/problems.h"
#include "logger/ring.h"
#include "logger/rings.h"
#include "logger/shared.h"
#include "logger/table.h"
#include "logger/terminals.h"
#include "logger/writers.h"

#define AGAIN_MS 1000         /* until what failed is tried again */
#define DRAIN_BYTES (1 << 20) /* more than that no FIFO holds, as a rule */
#define FIFO_BYTES 65536      /* what a new one holds, pipe(7) */
#define WIDE_BYTES (4 * FIFO_BYTES)

/* --- queues --------------------------------------------------------------- */

static void
enqueue(struct logger *lg, struct stream *s, enum queue to)
{
	struct stream_list *const lists[] = {
	    [QUEUE_READY] = &lg->ready,
	    [QUEUE_BLOCKED] = &lg->blocked,
	    [QUEUE_PIECE] = &lg->pieces,
	};

	if (s->queued != QUEUE_NONE)
		TAILQ_REMOVE(lists[s->queued], s, queue);
	s->queued = (unsigned char)to;
	if (to != QUEUE_NONE)
		TAILQ_INSERT_TAIL(lists[to], s, queue);
}

void
streams_ready(struct logger *lg, struct stream *s)
{
	if (s->queued == QUEUE_NONE || s->queued == QUEUE_PIECE)
		enqueue(lg, s, QUEUE_READY);
}

/* --- coming and going ----------------------------------------------------- */

/* One to be used; it stays unused until it is taken off. */
static struct stream *
find_unused(struct logger *lg)
{
	struct stream_block *b;
	size_t i;

	if (!TAILQ_EMPTY(&lg->unused_streams))
		return TAILQ_FIRST(&lg->unused_streams);
	b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (b == MAP_FAILED)
		return NULL;
	b->next = lg->stream_blocks;
	lg->stream_blocks = b;
	for (i = 0; i < STREAMS_AT_ONCE; i++)
		TAILQ_INSERT_TAIL(&lg->unused_streams, &b->streams[i], all);
	return b->streams;
}

void
streams_leave(struct logger *lg)
{
	struct stream_block *b;

	while ((b = lg->stream_blocks) != NULL) {
		lg->stream_blocks = b->next;
		munmap(b, sizeof(*b));
	}
}

struct stream *
streams_get(struct logger *lg, const char *key)
{
	struct stream *s = names_pointer(&lg->streams, key);

	if (s != NULL)
		return s;
	s = find_unused(lg);
	if (s == NULL || names_put(&lg->streams, key, (intptr_t)s) == -1) {
		log_error("cannot capture '%s': %s", key, strerror(errno));
		return NULL;
	}
	TAILQ_REMOVE(&lg->unused_streams, s, all);
	*s = (struct stream){.fd = -1};
	snprintf(s->key, sizeof(s->key), "%s", key);
	TAILQ_INSERT_TAIL(&lg->all_streams, s, all);
	return s;
}

/* Edge-triggered: what a full ring leaves in a FIFO must not wake us again
 * and again. What is there now is an edge too. */
static void
watch(struct logger *lg, struct stream *s)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.ptr = s};

	if (s->fd != -1)
		return;
	s->fd = (int)names_take(&lg->held, s->key, -1);
	if (s->fd == -1)
		return;
	fcntl(s->fd, F_SETFL, O_NONBLOCK);
	s->signals = s->is_wide = 0;
	if (epoll_ctl(lg->epoll, EPOLL_CTL_ADD, s->fd, &ev) == -1)
		log_error("cannot watch '%s': %s", s->key, strerror(errno));
	terminals_join(lg, s);
	streams_ready(lg, s);
}

void
streams_direct(struct logger *lg, struct stream *s, struct ring *r, int64_t now)
{
	int hindered;

	s->leaving = 0;
	s->table = lg->table;
	if (s->ring != r) {
		if (r != NULL)
			rings_attach(lg, r);
		shared_ended(s);
		if (s->ring != NULL)
			rings_detach(lg, s->ring, now);
		if (r != NULL)
			shared_joined(lg, r, now);
		hindered = problems_hinder(lg, s);
		s->ring = r;
		if (hindered || problems_hinder(lg, s))
			problems_moved(lg, s, now);
	}
	watch(lg, s);
}

/* Said to epoll, and of signals: the keeper's copy would keep it there. */
static void
unwatch(struct logger *lg, struct stream *s)
{
	if (s->fd != -1)
		epoll_ctl(lg->epoll, EPOLL_CTL_DEL, s->fd, NULL);
	if (s->signals)
		fcntl(s->fd, F_SETFL, O_NONBLOCK);
	s->signals = 0;
	fd_close(&s->fd);
}

/* The keeper's copy is the supervisor's to drop: it may be in use again. */
static void
forget(struct logger *lg, struct stream *s, int64_t now)
{
	enqueue(lg, s, QUEUE_NONE);
	names_take(&lg->streams, s->key, 0);
	TAILQ_REMOVE(&lg->all_streams, s, all);
	terminals_part(lg, s);
	shared_ended(s);
	if (s->ring != NULL)
		rings_detach(lg, s->ring, now);
	unwatch(lg, s);
	TAILQ_INSERT_HEAD(&lg->unused_streams, s, all);
}

/* --- moving --------------------------------------------------------------- */

/* Who has filled its FIFO takes a turn at a processor from us each time that we
 * empty it: that is to be less often, as far as svd may have more. */
static void
widen(struct stream *s)
{
	if (!s->is_wide)
		fcntl(s->fd, F_SETPIPE_SZ, WIDE_BYTES);
	s->is_wide = 1;
}

/* 1: some, 0: there is nothing, or not a whole line of what is shared, -1: it
 * failed, and is tried again. */
static int
capture(struct logger *lg, struct stream *s, int all, int64_t now)
{
	size_t shown = s->has_terminals ? terminals_pump(lg, s) : 0;
	ssize_t n;

	if (s->ring->kind == OUTPUT_FILE)
		shared_begin(s);
	s->has_piece = 0;
	if (shared_is(lg, s->ring))
		n = shared_capture(lg, s, all, now);
	else
		n = ring_capture(s->ring->c, s->fd, s->ring->fd);
	if (n >= FIFO_BYTES && !shared_is(lg, s->ring))
		widen(s);
	if (n == -1) {
		if (!s->complained)
			log_error(
			    "cannot capture '%s': %s", s->key, strerror(errno));
		s->complained = 1;
		if (lg->again_at == 0)
			lg->again_at = now + AGAIN_MS;
		return -1;
	}
	s->complained = 0;
	if (n == 0)
		return shown > 0;
	lg->moved += (size_t)n;
	if (s->ring != lg->own)
		marks_add(&lg->marks, s->ring->c, (uint64_t)n);
	rings_grown(lg, s->ring, (uint64_t)n, now);
	return 1;
}

/* What we have given to hold comes back, of use to nobody but if it was a
 * writer who did. */
static int
is_echo(const char *name)
{
	return strncmp(name, "ring:", 5) == 0 ||
	       strcmp(name, STORE_CURSORS) == 0 ||
	       strcmp(name, STORE_MARKS) == 0;
}

void
streams_handed(struct logger *lg, const char *name, int fd)
{
	struct stream *s;
	int old;

	if (is_echo(name) || table_drops(lg, name)) {
		fd_close(&fd);
		return;
	}
	old = (int)names_take(&lg->held, name, -1);
	fd_close(&old);
	if (names_put(&lg->held, name, fd) == -1) {
		log_error("cannot keep '%s': no memory", name);
		fd_close(&fd);
		return;
	}
	s = names_pointer(&lg->streams, name);
	if (s == NULL)
		return;
	/* The old one is emptied first. */
	if (s->fd != -1) {
		s->replaced = 1;
		streams_ready(lg, s);
	}
	watch(lg, s);
}

/* Now, or after it was blocked? */
static int
can_take(const struct logger *lg, const struct stream *s)
{
	return rings_have_room(s->ring) && !shared_waits(lg, s);
}

static int
can_go_on(const struct logger *lg, const struct stream *s)
{
	return rings_can_go_on(s->ring) && !shared_waits(lg, s);
}

int
streams_can_go_on(const struct logger *lg)
{
	const struct stream *s;

	TAILQ_FOREACH (s, &lg->blocked, queue)
		if (can_go_on(lg, s))
			return 1;
	return 0;
}

static void
go_on_with_blocked(struct logger *lg)
{
	struct stream *s, *next;

	for (s = TAILQ_FIRST(&lg->blocked); s != NULL; s = next) {
		next = TAILQ_NEXT(s, queue);
		if (can_go_on(lg, s))
			enqueue(lg, s, QUEUE_READY);
	}
}

/* They are not told again that there is something. */
static void
go_on_with_failed(struct logger *lg, int64_t now)
{
	struct stream *s;

	if (lg->again_at == 0 || now < lg->again_at)
		return;
	lg->again_at = 0;
	TAILQ_FOREACH (s, &lg->all_streams, all)
		if (s->complained)
			streams_ready(lg, s);
}

/* What was left in the old one is taken. */
static void
go_on_with_next(struct logger *lg, struct stream *s)
{
	s->replaced = 0;
	unwatch(lg, s);
	watch(lg, s);
}

/* Some of it is moved. */
static int
take(struct logger *lg, struct stream *s, int64_t now)
{
	int was_open = shared_is_open(s),
	    rc = capture(lg, s, s->leaving || s->replaced, now);

	/* Those who have waited for its line's end come before its next. */
	if (rc == 1 && was_open && !shared_is_open(s)) {
		go_on_with_blocked(lg);
		enqueue(lg, s, QUEUE_READY);
	}
	return rc;
}

static void
serve(struct logger *lg, struct stream *s, int64_t now)
{
	int rc;

	if (s->fd == -1 || s->ring == NULL) {
		enqueue(lg, s, QUEUE_NONE);
		if (s->leaving)
			forget(lg, s, now);
	} else if (!can_take(lg, s)) {
		enqueue(lg, s, QUEUE_BLOCKED);
	} else if ((rc = take(lg, s, now)) != 1) {
		enqueue(
		    lg, s, rc == 0 && s->has_piece ? QUEUE_PIECE : QUEUE_NONE);
		if (rc == -1)
			return;
		if (s->replaced)
			go_on_with_next(lg, s);
		else if (s->leaving)
			forget(lg, s, now);
	}
}

/* Each that is ready once. */
int
streams_turn(struct logger *lg, int64_t now)
{
	struct stream_list list;
	struct stream *s;

	go_on_with_blocked(lg);
	go_on_with_failed(lg, now);
	TAILQ_INIT(&list);
	TAILQ_CONCAT(&list, &lg->ready, queue);
	while ((s = TAILQ_FIRST(&list)) != NULL) {
		TAILQ_REMOVE(&list, s, queue);
		TAILQ_INSERT_TAIL(&lg->ready, s, queue);
		serve(lg, s, now);
	}
	return !TAILQ_EMPTY(&lg->ready);
}

/* Not told apart: a signal says no more than that. */
void
streams_look_at_pieces(struct logger *lg)
{
	struct stream *s;

	while ((s = TAILQ_FIRST(&lg->pieces)) != NULL)
		enqueue(lg, s, QUEUE_READY);
}

void
streams_look_at_all(struct logger *lg, int64_t now)
{
	struct stream *s;

	TAILQ_FOREACH (s, &lg->all_streams, all)
		if (s->fd != -1 && s->ring != NULL && can_take(lg, s))
			capture(lg, s, 0, now);
}

/* Whose line is open in it. NULL: he is gone. */
static struct stream *
find_owner(const struct logger *lg, const struct ring *r)
{
	struct stream *s;

	TAILQ_FOREACH (s, &lg->all_streams, all)
		if (s->ring == r && shared_is_open(s))
			return s;
	return NULL;
}

/* Looked at once more: it may be us who are late. */
void
streams_end_lines(struct logger *lg, int64_t now)
{
	struct stream *s;
	struct ring *r;

	if (lg->open_at == 0 || now < lg->open_at)
		return;
	lg->open_at = 0;
	TAILQ_FOREACH (r, &lg->all_rings, all) {
		if (!shared_is_late(lg, r, now))
			continue;
		s = find_owner(lg, r);
		if (s != NULL && s->fd != -1)
			capture(lg, s, 0, now);
		if (r->partial != 0)
			shared_give_up(r, s);
	}
}

/* 0: it has more, for which there is no room now. */
static int
drain(struct logger *lg, struct stream *s, int64_t now)
{
	uint64_t before;

	while (s->undrained > 0 && s->fd != -1 && s->ring != NULL) {
		if (s->ring->c->window > 0 && !can_take(lg, s))
			return 0;
		before = s->ring->c->pos;
		if (capture(lg, s, 1, now) != 1)
			break;
		before = s->ring->c->pos - before;
		s->undrained -=
		    before < s->undrained ? (unsigned int)before : s->undrained;
	}
	s->undrained = 0;
	return 1;
}

int
streams_drain(struct logger *lg, int64_t now)
{
	struct stream *s;
	int drained = 0, i;

	/* Twice: others may wait for a line that comes to its end later. */
	for (i = 0; i < 2 && !drained; i++) {
		drained = 1;
		TAILQ_FOREACH (s, &lg->all_streams, all)
			drained &= drain(lg, s, now);
	}
	return drained;
}

void
streams_begin_to_drain(struct logger *lg)
{
	struct stream *s;

	TAILQ_FOREACH (s, &lg->all_streams, all)
		s->undrained = DRAIN_BYTES;
}
