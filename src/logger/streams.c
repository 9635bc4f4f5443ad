/* streams: see streams.h. */
#include "logger/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "logger/copier.h"
#include "logger/problems.h"
#include "logger/ring.h"
#include "logger/rings.h"
#include "logger/terminals.h"
#include "logger/writers.h"

#define OWN "own"
#define AGAIN_MS 1000         /* until what failed is tried again */
#define DRAIN_BYTES (1 << 20) /* more than that no FIFO holds, as a rule */

/* --- queues --------------------------------------------------------------- */

static void
enqueue(struct logger *lg, struct stream *s, enum queue to)
{
	if (s->queued == QUEUE_READY)
		TAILQ_REMOVE(&lg->ready, s, queue);
	else if (s->queued == QUEUE_BLOCKED)
		TAILQ_REMOVE(&lg->blocked, s, queue);
	s->queued = (unsigned char)to;
	if (to == QUEUE_READY)
		TAILQ_INSERT_TAIL(&lg->ready, s, queue);
	else if (to == QUEUE_BLOCKED)
		TAILQ_INSERT_TAIL(&lg->blocked, s, queue);
}

void
streams_ready(struct logger *lg, struct stream *s)
{
	if (s->queued == QUEUE_NONE)
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

static struct stream *
get(struct logger *lg, const char *key)
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
	if (s->ring != NULL && s->ring->kind == OUTPUT_FILE)
		ring_recover_lines(
		    s->ring->c, s->fd, s->ring->fd, names_hash(s->key));
	if (epoll_ctl(lg->epoll, EPOLL_CTL_ADD, s->fd, &ev) == -1)
		log_error("cannot watch '%s': %s", s->key, strerror(errno));
	terminals_join(lg, s);
	streams_ready(lg, s);
}

static void
direct(struct logger *lg, struct stream *s, struct ring *r, int64_t now)
{
	int hindered;

	s->leaving = 0;
	s->table = lg->table;
	if (s->ring != r) {
		if (r != NULL)
			rings_attach(lg, r);
		if (s->ring != NULL)
			rings_detach(lg, s->ring, now);
		hindered = problems_hinder(lg, s);
		s->ring = r;
		if (hindered || problems_hinder(lg, s))
			problems_moved(lg, s, now);
	}
	watch(lg, s);
}

/* Said to epoll: the keeper's copy would keep it there. */
static void
unwatch(struct logger *lg, struct stream *s)
{
	if (s->fd != -1)
		epoll_ctl(lg->epoll, EPOLL_CTL_DEL, s->fd, NULL);
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
	if (s->ring != NULL)
		rings_detach(lg, s->ring, now);
	unwatch(lg, s);
	TAILQ_INSERT_HEAD(&lg->unused_streams, s, all);
}

/* --- the table ------------------------------------------------------------ */

static void
own_ring(struct logger *lg)
{
	const struct outputs *o = &lg->outputs;
	struct ring_conf conf = {
	    .name = "svd", .path = o->log_path, .kind = (unsigned char)o->log};
	const char *old = lg->own == NULL ? NULL : lg->own->path;
	int moved =
	    old != NULL && o->log_path != NULL && strcmp(old, o->log_path) != 0;
	int is_new = lg->own == NULL;

	lg->own = rings_get(lg, OWN, &conf);
	if (is_new && lg->own != NULL)
		rings_attach(lg, lg->own);
	if (moved)
		lg->cursors.head->reopen++;
}

/* To svd's own log as lines with a name in front; but syslog and the journal
 * have names of their own, so there it is as if it were asked for. */
static unsigned char
kind_of(const struct logger *lg, const struct output *o)
{
	if (o->kind != OUTPUT_LOG)
		return o->kind;
	return lg->outputs.log == OUTPUT_SYSLOG ||
	               lg->outputs.log == OUTPUT_JOURNAL
	           ? (unsigned char)lg->outputs.log
	           : OUTPUT_LOG;
}

/* Several may write to one file: the ring is the path's. */
static void
apply_output(struct logger *lg, const struct output *o, int64_t now)
{
	struct ring_conf conf = {.name = o->name,
	    .path = o->path,
	    .tail = o->tail,
	    .size = o->size,
	    .keep = o->keep,
	    .kind = kind_of(lg, o),
	    .is_stderr = o->is_stderr};
	char key[CURSOR_KEY_SIZE], ring_key[CURSOR_KEY_SIZE];
	struct stream *s;
	struct ring *r;

	snprintf(key, sizeof(key), "%s:%.*s", o->is_stderr ? "err" : "out",
	    OUTPUT_ID_MAX, o->id);
	snprintf(ring_key, sizeof(ring_key), "%s", key);
	if (o->kind == OUTPUT_FILE) {
		snprintf(ring_key, sizeof(ring_key), "file:%016" PRIx64,
		    names_hash(o->path));
		/* What is not one worker's is not said to be. */
		conf.name = NULL;
		conf.is_stderr = 0;
	}
	s = get(lg, key);
	r = s == NULL ? NULL : rings_get(lg, ring_key, &conf);
	if (r != NULL) {
		direct(lg, s, r, now);
		if (r->kind == OUTPUT_LOG && lg->own != NULL)
			copier_recover(lg, r);
	}
}

static int
load_table(struct logger *lg)
{
	int fd = (int)names_take(&lg->held, "outputs", -1);
	struct outputs o;
	struct err e;
	int rc;

	if (fd == -1)
		return 0;
	rc = outputs_load(&o, fd, &e);
	if (rc == -1) {
		log_error("%s", e.text);
		fd_close(&fd);
		return 0;
	}
	outputs_release(&lg->outputs);
	lg->outputs = o;
	fd_close(&lg->outputs_fd);
	lg->outputs_fd = fd;
	return 1;
}

static void
apply_table(struct logger *lg, int64_t now)
{
	struct stream *s;
	size_t i;

	lg->table++;
	own_ring(lg);
	for (i = 0; i < lg->outputs.n; i++)
		apply_output(lg, &lg->outputs.list[i], now);
	/* Those that have left: what they hold still goes where it belongs. */
	TAILQ_FOREACH (s, &lg->all_streams, all)
		if (s->table != lg->table && strcmp(s->key, OWN) != 0 &&
		    s->ring != NULL) {
			s->leaving = 1;
			streams_ready(lg, s);
		}
	if (outputs_forget_list(&lg->outputs) == -1)
		log_debug("no memory to have less in memory");
}

/*
 * Held, but not in the table: they left while nobody was there who could have
 * seen to them. Where they belong is not known any more but by their keys.
 */
static void
adopt_ring(struct logger *lg, const char *key, int64_t now)
{
	struct ring_conf conf = {.name = key,
	    .kind = strncmp(key, "file:", 5) == 0 ? OUTPUT_FILE : OUTPUT_LOG};
	struct ring *r;

	if (names_pointer(&lg->rings, key) != NULL)
		return;
	r = rings_get(lg, key, &conf);
	if (r == NULL)
		return;
	if (r->kind == OUTPUT_LOG && lg->own != NULL)
		copier_recover(lg, r);
	rings_detach(lg, r, now);
}

static void
adopt_stream(struct logger *lg, const char *key, int64_t now)
{
	struct ring_conf conf = {
	    .name = key + 4, .kind = OUTPUT_LOG, .is_stderr = key[0] == 'e'};
	struct stream *s = get(lg, key);
	struct ring *r = s == NULL ? NULL : rings_get(lg, key, &conf);

	if (r == NULL)
		return;
	direct(lg, s, r, now);
	s->leaving = 1;
}

/* A writer has given it to hold while main let go of the ring. */
static int
is_lost_sink(const struct logger *lg, const char *name)
{
	return strncmp(name, "sink:", 5) == 0 &&
	       names_pointer(&lg->rings, name + 5) == NULL;
}

static void
drop_sink(struct logger *lg, const char *name, int64_t now)
{
	(void)now;
	link_drop(&lg->link, name);
}

/* The first held name that begins so and is of no use. */
static int
find_held(const struct logger *lg, const char *prefix, char *name, size_t size)
{
	const struct name *n;
	size_t i;

	for (i = 0; i < lg->held.nbuckets; i++)
		for (n = lg->held.buckets[i]; n != NULL; n = n->next)
			if (strncmp(n->text, prefix, strlen(prefix)) == 0 &&
			    (strcmp(prefix, "sink:") != 0 ||
				is_lost_sink(lg, n->text))) {
				snprintf(name, size, "%s", n->text);
				return 1;
			}
	return 0;
}

/* Only at the start: later ones are known, or will be in the next table. */
void
streams_adopt_left_over(struct logger *lg, int64_t now)
{
	static const struct {
		const char *prefix;
		size_t skip;
		void (*adopt)(struct logger *lg, const char *key, int64_t now);
	} kinds[] = {{"out:", 0, adopt_stream}, {"err:", 0, adopt_stream},
	    {"ring:", 5, adopt_ring}, {"sink:", 0, drop_sink}};
	char name[KEEPER_NAME_MAX + 1];
	size_t k;
	int fd;

	if (lg->outputs.fleet == NULL)
		return;
	for (k = 0; k < sizeof(kinds) / sizeof(*kinds); k++)
		while (find_held(lg, kinds[k].prefix, name, sizeof(name))) {
			kinds[k].adopt(lg, name + kinds[k].skip, now);
			/* If it could not be. */
			fd = (int)names_take(&lg->held, name, -1);
			fd_close(&fd);
		}
}

static void
watch_own(struct logger *lg, int64_t now)
{
	struct stream *s;

	if (lg->own == NULL || names_get(&lg->held, OWN, -1) == -1)
		return;
	s = get(lg, OWN);
	if (s != NULL)
		direct(lg, s, lg->own, now);
}

void
streams_update(struct logger *lg, int64_t now)
{
	if (load_table(lg))
		apply_table(lg, now);
	watch_own(lg, now);
}

/* --- moving --------------------------------------------------------------- */

/* 1: some, 0: there is nothing, or not a whole line of what is shared, -1: it
 * failed, and is tried again. */
static int
capture(struct logger *lg, struct stream *s, int all, int64_t now)
{
	size_t shown = s->has_terminals ? terminals_pump(lg, s) : 0;
	ssize_t n;

	if (s->ring->nstreams > 1 && s->ring != lg->own)
		n = ring_capture_lines(s->ring->c, s->fd, s->ring->fd,
		    lg->scratch, names_hash(s->key), all);
	else
		n = ring_capture(s->ring->c, s->fd, s->ring->fd);
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
	rings_grown(lg, s->ring, (uint64_t)n, now);
	return 1;
}

/* What we have given to hold comes back, of use to nobody but if it was a
 * writer who did. */
static int
is_echo(const char *name)
{
	return strncmp(name, "ring:", 5) == 0 || strcmp(name, "cursors") == 0;
}

void
streams_handed(struct logger *lg, const char *name, int fd, int64_t now)
{
	struct stream *s;
	int old;

	if (is_lost_sink(lg, name)) {
		drop_sink(lg, name, now);
		fd_close(&fd);
		return;
	}
	if (is_echo(name)) {
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

int
streams_can_go_on(const struct logger *lg)
{
	const struct stream *s;

	TAILQ_FOREACH (s, &lg->blocked, queue)
		if (rings_can_go_on(s->ring))
			return 1;
	return 0;
}

static void
go_on_with_blocked(struct logger *lg)
{
	struct stream *s, *next;

	for (s = TAILQ_FIRST(&lg->blocked); s != NULL; s = next) {
		next = TAILQ_NEXT(s, queue);
		if (rings_can_go_on(s->ring))
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

static void
serve(struct logger *lg, struct stream *s, int64_t now)
{
	int rc;

	if (s->fd == -1 || s->ring == NULL) {
		enqueue(lg, s, QUEUE_NONE);
		if (s->leaving)
			forget(lg, s, now);
	} else if (!rings_have_room(s->ring)) {
		enqueue(lg, s, QUEUE_BLOCKED);
	} else if ((rc = capture(lg, s, s->leaving || s->replaced, now)) != 1) {
		enqueue(lg, s, QUEUE_NONE);
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

void
streams_look_at_all(struct logger *lg, int64_t now)
{
	struct stream *s;

	TAILQ_FOREACH (s, &lg->all_streams, all)
		if (s->fd != -1 && s->ring != NULL && rings_have_room(s->ring))
			capture(lg, s, 0, now);
}

/* 0: it has more, for which there is no room now. */
static int
drain(struct logger *lg, struct stream *s, int64_t now)
{
	uint64_t before;

	while (s->undrained > 0 && s->fd != -1 && s->ring != NULL) {
		if (s->ring->c->window > 0 && !rings_have_room(s->ring))
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
	int drained = 1;

	TAILQ_FOREACH (s, &lg->all_streams, all)
		drained &= drain(lg, s, now);
	return drained;
}

void
streams_begin_to_drain(struct logger *lg)
{
	struct stream *s;

	TAILQ_FOREACH (s, &lg->all_streams, all)
		s->undrained = DRAIN_BYTES;
}
