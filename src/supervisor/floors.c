/* floors: all floors of the fleet: what they say, which spares have ended, and
 * how a successor takes them over. Part of floor.h. */
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "core/backoff.h"
#include "supervisor/floor.h"
#include "supervisor/supervisor.h"

void
floors_read(struct supervisor *s)
{
	struct floor_socket *fs, *next;
	struct floor *f;

	LIST_FOREACH (f, &s->floors, link)
		for (fs = LIST_FIRST(&f->sockets); fs != NULL; fs = next) {
			next = LIST_NEXT(fs, link);
			floor_socket_read(fs);
		}
}

int
floors_know(const struct supervisor *s, int pid)
{
	const struct worker *w = roster_by_pid(&s->roster, pid);
	const struct floor *f;
	const struct line *l;

	if (w != NULL)
		return w->line != NULL && w->rec.pid == pid;
	LIST_FOREACH (f, &s->floors, link)
		TAILQ_FOREACH (l, &f->spares, link)
			if (l->pid == pid)
				return 1;
	return 0;
}

int
floors_spare_ended(struct supervisor *s, int pid, const struct death *d)
{
	char how[RECORD_FAULT_MAX], what[RECORD_FAULT_MAX];
	struct floor *f;
	struct line *l;

	/* Its birth comes before its end. */
	floors_read(s);
	LIST_FOREACH (f, &s->floors, link)
		TAILQ_FOREACH (l, &f->spares, link) {
			if (l->pid != pid)
				continue;
			TAILQ_REMOVE(&f->spares, l, link);
			line_end(l);
			snprintf(what, sizeof(what),
			    "what was forked for a worker has ended before it "
			    "was one: %s",
			    death_describe(d, how, sizeof(how)));
			floor_spare_died(f, what);
			floor_wake(f);
			return 1;
		}
	return 0;
}

void
floors_stop(struct supervisor *s)
{
	struct floor *f;

	LIST_FOREACH (f, &s->floors, link)
		floor_end_spares(f, UINT64_MAX);
}

/* A worker's that has ended, which is on record: a predecessor came no further
 * than that. */
static int
was_a_workers(const struct supervisor *s, int pid)
{
	struct worker *w;
	size_t i;

	ROSTER_EACH (&s->roster, i, w)
		if (w->rec.last.pid == pid)
			return 1;
	return 0;
}

/* A line is its worker's, or a spare, or of a floor that is no more. */
static void
adopt_line(struct supervisor *s, const char *held, int fd)
{
	struct line_name n;
	struct worker *w;
	struct floor *f;
	struct line *l;

	if (line_parse_name(held, &n) == -1) {
		fd_close(&fd);
		return;
	}
	l = line_new(s, &n, fd);
	if (l == NULL)
		return;
	w = roster_by_pid(&s->roster, n.pid);
	f = floor_find(s, n.floor);
	if (w != NULL && w->rec.line == n.token) {
		l->worker = w;
		w->line = l;
	} else if (w == NULL && f != NULL && !was_a_workers(s, n.pid)) {
		link_born(&s->link, l->pid);
		floor_add_spare(f, l);
	} else
		line_end(l);
}

/* The sockets first, then what belongs to them. */
void
floors_adopt(struct supervisor *s)
{
	static const char *const kinds[] = {
	    "floor:", "load:", "late:", "line:"};
	struct link *link = &s->link;
	struct link_held *h;
	size_t i, kind;
	int fd;

	for (kind = 0; kind < sizeof(kinds) / sizeof(*kinds); kind++)
		for (i = 0; i < link->nheld; i++) {
			h = &link->held[i];
			if (h->fd == -1 || strncmp(h->name, kinds[kind],
					       strlen(kinds[kind])) != 0)
				continue;
			fd = h->fd;
			h->fd = -1;
			if (kind == 3)
				adopt_line(s, h->name, fd);
			else if (floor_socket_adopt(s, h->name, fd) == -1)
				link_drop(link, h->name);
		}
}
