/* status: see status.h. */
#include "supervisor/status.h"

#include <stdlib.h>

#include "ipc/varlink.h"
#include "supervisor/call.h"
#include "supervisor/view.h"

#define PIECE_BYTES 65536 /* at most, sent at once */
#define MORE_BYTES 1024   /* that the next one may be longer */

struct text {
	struct buf buf;
	unsigned int refs;
};

struct status {
	struct answer answer;
	struct supervisor *sup;
	struct text *text; /* NULL: not made yet, and */
	TAILQ_ENTRY(status) link;
	size_t given; /* bytes of text */
};

void
statuses_init(struct statuses *all)
{
	*all = (struct statuses){.expected = 0};
	TAILQ_INIT(&all->waiting);
}

static void
text_unref(struct text *t)
{
	if (t == NULL || --t->refs > 0)
		return;
	buf_release(&t->buf);
	free(t);
}

/* NULL: no memory. */
static struct text *
make_text(struct supervisor *s)
{
	struct statuses *all = &s->statuses;
	struct text *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->refs = 1;
	if (buf_reserve(&t->buf, all->expected) == -1 ||
	    varlink_begin_reply(&t->buf) == -1 ||
	    view_status(s, NULL, NULL, NULL, &t->buf) == -1 ||
	    varlink_end(&t->buf) == -1) {
		text_unref(t);
		return NULL;
	}
	all->expected = t->buf.len + MORE_BYTES;
	return t;
}

static int
make(struct supervisor *s)
{
	struct status_queue *waiting = &s->statuses.waiting;
	struct text *t = make_text(s);
	struct status *st;

	if (t == NULL)
		return -1;
	while ((st = TAILQ_FIRST(waiting)) != NULL) {
		TAILQ_REMOVE(waiting, st, link);
		st->text = t;
		t->refs++;
	}
	text_unref(t);
	return 0;
}

static int
status_ready(const struct answer *a)
{
	(void)a;
	return 1;
}

static enum answer_written
status_write(struct answer *a, struct buf *out)
{
	struct status *st = (struct status *)a;
	size_t len;

	if (st->text == NULL && make(st->sup) == -1)
		return ANSWER_FAILED;
	len = st->text->buf.len - st->given;
	if (len > PIECE_BYTES)
		len = PIECE_BYTES;
	if (buf_add(out, st->text->buf.data + st->given, len) == -1)
		return ANSWER_FAILED;
	st->given += len;
	return st->given == st->text->buf.len ? ANSWER_LAST : ANSWER_MORE;
}

static void
status_free(struct answer *a)
{
	struct status *st = (struct status *)a;

	if (st->text == NULL)
		TAILQ_REMOVE(&st->sup->statuses.waiting, st, link);
	text_unref(st->text);
	free(st);
}

static const struct answer_kind status_kind = {
    .ready = status_ready,
    .write = status_write,
    .free = status_free,
};

int
status_answer(struct call *c)
{
	struct status *st = calloc(1, sizeof(*st));

	if (st == NULL)
		return call_no_memory(c);
	st->answer.kind = &status_kind;
	st->sup = c->sup;
	TAILQ_INSERT_TAIL(&c->sup->statuses.waiting, st, link);
	return call_answer_later(c, &st->answer);
}
