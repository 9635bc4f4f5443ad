/* linger: see linger.h. */
#include "supervisor/linger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/fd.h"
#include "supervisor/output_table.h"
#include "supervisor/supervisor.h"

#define LINGER_MS 100 /* between two looks */

struct lingering {
	TAILQ_ENTRY(lingering) link;
	char name[KEEPER_NAME_MAX + 1]; /* the keeper's */
	char *row;                      /* NULL: cannot be had */
	ino_t inode;
};

static void
end(struct supervisor *s, struct lingering *l)
{
	TAILQ_REMOVE(&s->output.lingering, l, link);
	free(l->row);
	free(l);
}

void
linger_begin(struct supervisor *s, const char *name, ino_t inode, char *row)
{
	struct lingering *l = calloc(1, sizeof(*l));

	if (l == NULL) {
		free(row);
		return; /* the keeper goes on holding it */
	}
	l->row = row;
	snprintf(l->name, sizeof(l->name), "%s", name);
	l->inode = inode;
	TAILQ_INSERT_TAIL(&s->output.lingering, l, link);
	if (!s->output.linger_turn.active)
		loop_timer_start(&s->output.linger_turn, LINGER_MS);
}

/* A description of it, if it is still to be had under its name. */
static int
linger_open(struct supervisor *s, const struct lingering *l)
{
	const char *id;
	int stream;

	id = output_read_name(l->name, &stream);
	return fifo_open(
	    &s->output.fifos, id, (enum output_stream)stream, l->inode);
}

int
linger_end(struct supervisor *s, const char *name)
{
	struct lingering *l;
	int fd;

	TAILQ_FOREACH (l, &s->output.lingering, link)
		if (strcmp(l->name, name) == 0)
			break;
	if (l == NULL)
		return -1;
	fd = linger_open(s, l);
	end(s, l);
	return fd;
}

/* Its worker is expected, or has come, and has a line of its own. */
static int
is_back(const struct supervisor *s, const struct lingering *l)
{
	const struct worker *w;
	int stream;

	w = roster_by_id(&s->roster, output_read_name(l->name, &stream));
	return w != NULL &&
	       (w->output.fifo[stream] != 0 ||
		   worker_output(w->conf, (enum output_stream)stream) != NULL);
}

int
linger_rows(const struct supervisor *s, struct buf *b)
{
	const struct lingering *l;

	TAILQ_FOREACH (l, &s->output.lingering, link)
		if (l->row != NULL && !is_back(s, l) &&
		    buf_adds(b, l->row) == -1)
			return -1;
	return 0;
}

/* What cannot be looked at has no name to go by any more: empty, or not. */
static int
is_empty(struct supervisor *s, const struct lingering *l)
{
	int fd = linger_open(s, l), left = 0;

	if (fd != -1)
		ioctl(fd, FIONREAD, &left);
	fd_close(&fd);
	return left == 0;
}

static void
linger_cb(struct loop_timer *t)
{
	struct supervisor *s = t->arg;
	struct lingering *l, *next;
	const char *id;
	int stream;

	for (l = TAILQ_FIRST(&s->output.lingering); l != NULL; l = next) {
		next = TAILQ_NEXT(l, link);
		if (!is_empty(s, l))
			continue;
		link_drop(&s->link, l->name);
		id = output_read_name(l->name, &stream);
		fifo_remove(&s->output.fifos, id, (enum output_stream)stream);
		end(s, l);
		output_changed(s);
	}
	if (!TAILQ_EMPTY(&s->output.lingering))
		loop_timer_start(t, LINGER_MS);
}

void
linger_init(struct supervisor *s)
{
	TAILQ_INIT(&s->output.lingering);
	loop_timer_init(s->loop, &s->output.linger_turn, linger_cb, s);
}

void
linger_finish(struct supervisor *s)
{
	struct lingering *l;
	const char *id;
	int stream;

	TAILQ_FOREACH (l, &s->output.lingering, link) {
		id = output_read_name(l->name, &stream);
		fifo_remove(&s->output.fifos, id, (enum output_stream)stream);
	}
}

int
linger_has(const struct supervisor *s, ino_t inode)
{
	const struct lingering *l;

	TAILQ_FOREACH (l, &s->output.lingering, link)
		if (l->inode == inode)
			return 1;
	return 0;
}
