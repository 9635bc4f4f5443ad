/* marks: see marks.h. */
#include "logger/marks.h"

#include <unistd.h>

static off_t
place(uint64_t number)
{
	return (off_t)(number % MARKS_MAX * sizeof(struct mark));
}

static int
read_mark(int fd, uint64_t number, struct mark *m)
{
	return pread(fd, m, sizeof(*m), place(number)) == sizeof(*m);
}

void
marks_open(struct marks *m, int fd, const struct cursors *t)
{
	struct mark one;
	uint64_t i;

	*m = (struct marks){.fd = fd};
	for (i = 0; i < MARKS_MAX && read_mark(fd, i, &one); i++)
		if (one.number > m->last.number)
			m->last = one;
	for (i = 0; i < t->n; i++)
		if (t->list[i].key[0] != '\0' &&
		    t->list[i].epoch == m->last.epoch)
			m->at = t->list[i].pos;
}

/* What cannot be written is an order that is not known; of the numbers none may
 * be missing. */
void
marks_add(struct marks *m, const struct cursor *c, uint64_t bytes)
{
	struct mark next = {.number = m->last.number + 1,
	    .epoch = c->epoch,
	    .from = c->pos,
	    .to = m->at};

	if (m->fd == -1)
		return;
	m->at = next.from + bytes;
	if (c->epoch == m->last.epoch)
		return;
	m->last = next;
	if (pwrite(m->fd, &next, sizeof(next), place(next.number)) !=
	    sizeof(next))
		m->last = (struct mark){.number = next.number - 1};
}

int
marks_next(struct marks_reading *r, struct mark *m)
{
	while (read_mark(r->fd, r->next, m) && m->number >= r->next) {
		if (m->number == r->next) {
			r->ended = r->open;
			r->open = m->epoch;
			r->next++;
			return 1;
		}
		/* Written over: all before this one are at least as new. */
		r->next = m->number - MARKS_MAX + 1;
		r->open = 0;
	}
	return 0;
}
