/* rings: see rings.h. */
#include "logger/rings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/sys.h"
#include "logger/copier.h"
#include "logger/ring.h"
#include "logger/writers.h"

/* Its memory: held, or new, then given to hold. */
static int
open_memory(struct logger *lg, const char *key, int *is_new)
{
	char name[KEEPER_NAME_MAX + 1];
	int fd;

	snprintf(name, sizeof(name), "ring:%s", key);
	fd = (int)names_take(&lg->held, name, -1);
	*is_new = fd == -1;
	if (fd != -1)
		return fd;
	fd = store_make(&lg->store, key);
	if (fd != -1)
		link_hold(&lg->link, name, fd);
	return fd;
}

/* What is delivered to a file can be read there: nothing is kept of it. */
static struct cursor *
add_cursor(struct logger *lg, int fd, const char *key)
{
	struct cursor *c = cursors_add(&lg->cursors, key);
	off_t end = lseek(fd, 0, SEEK_END);

	if (c == NULL || end == -1)
		return NULL;
	if (strncmp(key, "file:", 5) == 0)
		c->window = RING_WINDOW;
	c->off = c->window > 0 ? 0 : end;
	c->pos = (uint64_t)c->off;
	return c;
}

/* What an earlier life may have left undone between a system call and its
 * note of it. */
static int
open_cursor(struct logger *lg, struct ring *r, const char *key, int is_new)
{
	int64_t pos = 0;

	r->c = (void *)names_take(&lg->entries, key, 0);
	if (r->c != NULL)
		pos = is_new && r->c->pos > 0 ? -1 : ring_position(r->c);
	/* Of a ring that was lost. */
	if (pos == -1) {
		log_error("'%s' does not go on where it was", key);
		cursors_remove(&lg->cursors, r->c);
		r->c = NULL;
	}
	if (r->c == NULL)
		r->c = add_cursor(lg, r->fd, key);
	if (r->c == NULL)
		return -1;
	if (pos > 0)
		r->c->pos = (uint64_t)pos;
	r->c->final = 0;
	ring_trim_again(r->c, r->fd);
	return 0;
}

static void
free_ring(struct ring *r)
{
	fd_close(&r->fd);
	free(r->name);
	free(r->path);
	free(r);
}

static struct ring *
make(struct logger *lg, const char *key)
{
	struct ring *r = calloc(1, sizeof(*r));
	int is_new;

	if (r == NULL)
		return NULL;
	r->fd = open_memory(lg, key, &is_new);
	if (r->fd == -1 || names_put(&lg->rings, key, (intptr_t)r) == -1) {
		free_ring(r);
		return NULL;
	}
	if (open_cursor(lg, r, key, is_new) == -1) {
		names_take(&lg->rings, key, 0);
		free_ring(r);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&lg->all_rings, r, all);
	return r;
}

/* 1: it is another one now, 0: it was the same, -1: no memory. */
static int
set_text(char **to, const char *text)
{
	char *copy = NULL;

	if (text != NULL && *to != NULL && strcmp(text, *to) == 0)
		return 0;
	if (text == NULL && *to == NULL)
		return 0;
	if (text != NULL && (copy = strdup(text)) == NULL)
		return -1;
	free(*to);
	*to = copy;
	return 1;
}

static void
set_writer(struct logger *lg, struct ring *r)
{
	struct writer *w = r->kind == OUTPUT_LOG ? NULL : writers_find(lg, r);

	if (r->writer == w)
		return;
	if (r->writer != NULL) {
		r->writer->nrings--;
		writers_changed(lg, r->writer);
	}
	r->writer = w;
	if (w != NULL) {
		w->nrings++;
		writers_changed(lg, w);
	}
}

static int
configure(struct logger *lg, struct ring *r, const struct ring_conf *conf)
{
	int name = set_text(&r->name, conf->name),
	    path = set_text(&r->path, conf->path);

	if (name == -1 || path == -1)
		return -1;
	if (name == 0 && path == 0 && r->kind == conf->kind &&
	    r->tail == conf->tail && r->size == conf->size &&
	    r->keep == conf->keep)
		return 0;
	r->tail = conf->tail;
	r->size = conf->size;
	r->keep = conf->keep;
	r->kind = conf->kind;
	r->is_stderr = conf->is_stderr;
	if (r->writer != NULL)
		writers_changed(lg, r->writer);
	set_writer(lg, r);
	return r->kind != OUTPUT_LOG && r->writer == NULL ? -1 : 0;
}

struct ring *
rings_get(struct logger *lg, const char *key, const struct ring_conf *conf)
{
	struct ring *r = names_pointer(&lg->rings, key);

	if (r == NULL) {
		r = make(lg, key);
		if (r != NULL)
			r->kind = OUTPUT_LOG;
	}
	if (r != NULL && configure(lg, r, conf) == 0)
		return r;
	log_error("cannot keep what '%s' writes: %s", key, strerror(errno));
	return NULL;
}

static void
wake_readers(struct logger *lg, struct cursor *c)
{
	uint64_t who;
	int i;

	if (c->watchers == 0)
		return;
	who = atomic_exchange(&c->watchers, 0);
	for (i = 0; i < CURSORS_READERS; i++)
		if ((who >> i & 1) && lg->readers[i].pid != 0)
			eventfd_write(lg->readers[i].wake_fd, 1);
}

void
rings_grown(struct logger *lg, struct ring *r, uint64_t bytes, int64_t now)
{
	r->c->pos += bytes;
	wake_readers(lg, r->c);
	if (r->kind == OUTPUT_LOG)
		copier_copy(lg, r, now);
	else
		writers_touch(lg, r);
}

int
rings_have_room(const struct ring *r)
{
	uint64_t limit =
	    r->tail > RING_MAX && r->c->window == 0 ? r->tail : RING_MAX;

	return r->c->pos - r->c->done < limit;
}

int
rings_can_go_on(const struct ring *r)
{
	return r->c->pos - r->c->done <= RING_GO_ON;
}

void
rings_attach(struct logger *lg, struct ring *r)
{
	if (r->leaving) {
		r->leaving = 0;
		lg->nleaving--;
	}
	r->c->final = 0;
	r->nstreams++;
}

void
rings_detach(struct logger *lg, struct ring *r, int64_t now)
{
	if (r->nstreams > 0)
		r->nstreams--;
	if (r->nstreams > 0 || r->leaving)
		return;
	r->leaving = 1;
	lg->nleaving++;
	r->c->final = 1;
	rings_grown(lg, r, 0, now);
}

static void
let_go(struct logger *lg, struct ring *r)
{
	char name[KEEPER_NAME_MAX + 1], key[CURSOR_KEY_SIZE];
	int fd;

	memcpy(key, r->c->key, sizeof(key));
	snprintf(name, sizeof(name), "ring:%s", key);
	link_drop(&lg->link, name);
	store_remove(&lg->store, key);
	snprintf(name, sizeof(name), "sink:%s", key);
	fd = (int)names_take(&lg->held, name, -1);
	fd_close(&fd);
	if (r->kind == OUTPUT_FILE)
		link_drop(&lg->link, name);
	if (r->writer != NULL) {
		r->writer->nrings--;
		writers_changed(lg, r->writer);
	}
	if (r->is_uncopied)
		TAILQ_REMOVE(&lg->uncopied, r, uncopied);
	TAILQ_REMOVE(&lg->all_rings, r, all);
	names_take(&lg->rings, key, 0);
	cursors_remove(&lg->cursors, r->c);
	/* They are to see that nothing more will come. */
	wake_readers(lg, r->c);
	lg->nleaving--;
	free_ring(r);
}

void
rings_let_go(struct logger *lg)
{
	struct ring *r, *next;

	if (lg->nleaving == 0)
		return;
	for (r = TAILQ_FIRST(&lg->all_rings); r != NULL; r = next) {
		next = TAILQ_NEXT(r, all);
		if (r->leaving && r->c->done == r->c->pos)
			let_go(lg, r);
	}
}

void
rings_give_back(struct logger *lg)
{
	struct ring *r;

	TAILQ_FOREACH (r, &lg->all_rings, all)
		if (r->c->window > 0 && r->c->done == r->c->pos &&
		    r->c->pos - r->emptied > RING_WORTH_AT_REST) {
			r->emptied = r->c->pos;
			ring_empty(r->c, r->fd);
		}
}

int
rings_are_done(const struct logger *lg)
{
	const struct ring *r;

	TAILQ_FOREACH (r, &lg->all_rings, all)
		if (r->c->done != r->c->pos)
			return 0;
	return 1;
}
