/* terminals: see terminals.h. */
#include "logger/terminals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "logger/readers.h"
#include "logger/streams.h"

#define CHUNK 65536
#define PAGE 4096 /* what a pipe with room has room for */

struct terminal {
	TAILQ_ENTRY(terminal) link;
	struct stream *stream; /* NULL: it has no FIFO yet */
	unsigned long long generation;
	int fd;
	int at_rest; /* nothing will be written to it any more */
	char id[CURSOR_KEY_SIZE];
};

static void
watch(struct logger *lg, struct terminal *t, struct stream *s)
{
	/* As for its FIFO, which is what is served. */
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.ptr = s};

	t->stream = s;
	s->has_terminals = 1;
	if (epoll_ctl(lg->epoll, EPOLL_CTL_ADD, t->fd, &ev) == -1 &&
	    errno != EEXIST)
		log_error("cannot watch the terminal of '%s': %s", t->id,
		    strerror(errno));
	streams_ready(lg, s);
}

static void
forget(struct logger *lg, struct terminal *t)
{
	if (t->stream != NULL)
		epoll_ctl(lg->epoll, EPOLL_CTL_DEL, t->fd, NULL);
	TAILQ_REMOVE(&lg->terminals, t, link);
	fd_close(&t->fd);
	free(t);
}

/* It is at rest, and empty. */
static void
drop(struct logger *lg, struct terminal *t)
{
	char name[KEEPER_NAME_MAX + 1];

	readers_life_over(lg, t->id, t->generation);
	snprintf(name, sizeof(name), "rest:%s:%llu", t->id, t->generation);
	link_drop(&lg->link, name);
	forget(lg, t);
}

/* Of "tty:ID:GENERATION", or "rest:..." */
static int
parse_name(const char *name, struct terminal *t)
{
	const char *id = strchr(name, ':'), *last = strrchr(name, ':');
	char *end;
	int len;

	t->at_rest = strncmp(name, "rest:", 5) == 0;
	if (id == NULL || id == last ||
	    (!t->at_rest && strncmp(name, "tty:", 4) != 0))
		return -1;
	len = (int)(last - id) - 1;
	if (snprintf(t->id, sizeof(t->id), "%.*s", len, id + 1) >=
	    (int)sizeof(t->id))
		return -1;
	t->generation = strtoull(last + 1, &end, 10);
	return *end == '\0' ? 0 : -1;
}

static struct terminal *
find(const struct logger *lg, const struct terminal *wanted)
{
	struct terminal *t;

	TAILQ_FOREACH (t, &lg->terminals, link)
		if (t->generation == wanted->generation &&
		    strcmp(t->id, wanted->id) == 0)
			return t;
	return NULL;
}

/* Whose turn it is. NULL: the stream has none. */
static struct terminal *
oldest(const struct logger *lg, const struct stream *s)
{
	struct terminal *t, *found = NULL;

	TAILQ_FOREACH (t, &lg->terminals, link)
		if (t->stream == s &&
		    (found == NULL || t->generation < found->generation))
			found = t;
	return found;
}

static struct stream *
stream_of(const struct logger *lg, const struct terminal *t)
{
	char key[CURSOR_KEY_SIZE + 4];

	snprintf(key, sizeof(key), "out:%s", t->id);
	return names_pointer(&lg->streams, key);
}

/* The same one under its other name, or a new one. */
static void
take(struct logger *lg, const struct terminal *like, int fd)
{
	struct terminal *t = find(lg, like);
	struct stream *s;

	if (t != NULL) {
		t->at_rest |= like->at_rest;
		fd_close(&fd);
	} else if ((t = malloc(sizeof(*t))) == NULL) {
		log_error(
		    "cannot read the terminal of '%s': no memory", like->id);
		fd_close(&fd);
		return;
	} else {
		*t = *like;
		t->fd = fd;
		TAILQ_INSERT_TAIL(&lg->terminals, t, link);
	}
	s = t->stream != NULL ? t->stream : stream_of(lg, t);
	if (s != NULL && t->stream == NULL)
		watch(lg, t, s);
	else if (s != NULL)
		streams_ready(lg, s);
	else if (t->at_rest && lg->own != NULL)
		drop(lg, t); /* its worker has left, and so has its FIFO */
}

int
terminals_handed(struct logger *lg, const char *name, int fd)
{
	struct terminal like = {.fd = -1};

	if (parse_name(name, &like) == -1)
		return 0;
	take(lg, &like, fd);
	return 1;
}

void
terminals_join(struct logger *lg, struct stream *s)
{
	struct terminal *t;

	if (strncmp(s->key, "out:", 4) != 0)
		return;
	TAILQ_FOREACH (t, &lg->terminals, link)
		if (t->stream == NULL && strcmp(t->id, s->key + 4) == 0)
			watch(lg, t, s);
}

void
terminals_part(struct logger *lg, struct stream *s)
{
	struct terminal *t, *next = NULL;

	if (s->has_terminals)
		next = TAILQ_FIRST(&lg->terminals);
	while ((t = next) != NULL) {
		next = TAILQ_NEXT(t, link);
		if (t->stream != s)
			continue;
		epoll_ctl(lg->epoll, EPOLL_CTL_DEL, t->fd, NULL);
		t->stream = NULL;
		if (t->at_rest)
			drop(lg, t);
	}
	s->has_terminals = 0;
}

void
terminals_drop_left_over(struct logger *lg)
{
	struct terminal *t, *next;

	for (t = TAILQ_FIRST(&lg->terminals); t != NULL; t = next) {
		next = TAILQ_NEXT(t, link);
		if (t->stream == NULL && t->at_rest)
			drop(lg, t);
	}
}

static int
is_ready(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	return poll(&p, 1, 0) == 1 && (p.revents & events) != 0;
}

/* Where the kernel cannot splice from a terminal: what is read is written, or a
 * death in between loses it. */
static ssize_t
copy(int from, int to)
{
	char buf[PAGE];
	ssize_t n;

	if (!is_ready(to, POLLOUT))
		return 0;
	n = read(from, buf, sizeof(buf));
	return n <= 0 ? 0 : write(to, buf, (size_t)n);
}

/* Taken and written in one system call. A terminal that nobody has open (EIO)
 * may be opened again. */
static size_t
move(const struct terminal *t)
{
	ssize_t n;

	do
		n = splice(
		    t->fd, NULL, t->stream->fd, NULL, CHUNK, SPLICE_F_NONBLOCK);
	while (n == -1 && errno == EINTR);
	if (n == -1 && errno == EINVAL)
		n = copy(t->fd, t->stream->fd);
	return n > 0 ? (size_t)n : 0;
}

size_t
terminals_pump(struct logger *lg, struct stream *s)
{
	struct terminal *t;
	size_t n;

	while ((t = oldest(lg, s)) != NULL) {
		n = move(t);
		/* A full FIFO, or a life that goes on. */
		if (n > 0 || !t->at_rest || is_ready(t->fd, POLLIN))
			return n;
		drop(lg, t);
	}
	return 0;
}

void
terminals_leave(struct logger *lg)
{
	struct terminal *t;

	TAILQ_FOREACH (t, &lg->terminals, link)
		fd_close(&t->fd);
}
