/* copier: see copier.h. */
#include "logger/copier.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"
#include "logger/lines.h"
#include "logger/ring.h"
#include "logger/writers.h"

#define IN_BYTES (64 * 1024)
#define OUT_BYTES (96 * 1024)
#define LINE_END_MS 1000 /* then a line goes as it is */
#define AGAIN_MS 1000    /* until what failed is tried again */

static char in[IN_BYTES], out[OUT_BYTES];

/* What standard error takes in one piece, if that is a pipe. */
static size_t
line_size(const struct logger *lg)
{
	return lg->own->kind == OUTPUT_STDERR ? PIPE_BUF
	                                      : LINE_TEXT_MAX + LOGLINE_MIN;
}

/* One line, as several where there is not room for it in one. Returns what it
 * needs of out; 0: it does not fit. */
static size_t
format_line(const struct logger *lg, struct logline *l, size_t at, size_t max)
{
	size_t used, start = at;

	do {
		if (OUT_BYTES - at < max)
			return 0;
		at += logline_put(lg->outputs.format, l, out + at, max, &used);
		l->text += used;
		l->text_len -= used;
	} while (l->text_len > 0);
	return at - start;
}

/* Of len bytes of in, how many are lines that now stand in out. */
static size_t
format_lines(const struct logger *lg, const struct ring *r, size_t len,
    int final, size_t *out_len)
{
	struct logline l = {.time_ms = sys_realtime_ms(),
	    .worker = r->name,
	    .stream = r->is_stderr ? "stderr" : "stdout"};
	size_t used = 0, line, n, max = line_size(lg);

	*out_len = 0;
	while (used < len) {
		line = line_take(in + used, len - used, final, &l.text_len);
		if (line == 0)
			break;
		l.text = in + used;
		n = format_line(lg, &l, *out_len, max);
		if (n == 0)
			break;
		*out_len += n;
		used += line;
	}
	return used;
}

/*
 * Written and noted as done in a way that a successor can tell, from how far
 * the other ring has come, whether it was.
 */
static int
commit(struct logger *lg, struct ring *r, size_t len, size_t out_len)
{
	struct cursor *c = r->c, *own = lg->own->c;
	ssize_t n;

	c->len = out_len;
	c->next = c->done + len;
	c->from = own->pos + 1;
	n = pwrite(lg->own->fd, out, out_len, own->off);
	if (n != (ssize_t)out_len) {
		log_error("cannot keep lines of '%s': %s", r->name,
		    n == -1 ? "no memory" : "not enough memory");
		c->from = 0;
		return -1;
	}
	own->off += n;
	c->done = c->next;
	c->from = 0;
	own->pos += out_len;
	ring_trim(c, r->fd, r->tail, RING_WORTH_AT_REST);
	writers_touch(lg, lg->own);
	return 0;
}

void
copier_recover(struct logger *lg, struct ring *r)
{
	struct cursor *c = r->c;
	uint64_t from = c->from;

	if (from == 0)
		return;
	if (lg->own->c->pos >= from - 1 + c->len) {
		c->done = c->next;
	} else if (lg->own->c->pos > from - 1) {
		/* Killed in the middle: nobody has seen it. */
		lg->own->c->off = (int64_t)from - 1;
		lg->own->c->pos = from - 1;
	}
	c->from = 0;
}

/* All wait a moment: it is memory that is short. */
static int
failed(struct logger *lg)
{
	lg->copy_at = sys_now_ms() + AGAIN_MS;
	return -1;
}

static void
wait_for_room(struct logger *lg, struct ring *r)
{
	if (r->is_uncopied)
		return;
	r->is_uncopied = 1;
	TAILQ_INSERT_TAIL(&lg->uncopied, r, uncopied);
}

/* At the end there is, always. */
static int
has_room(const struct logger *lg)
{
	const struct cursor *own = lg->own->c;

	return own->pos - own->done < RING_MAX || lg->quit_at != 0;
}

int
copier_can_go_on(const struct logger *lg)
{
	return !TAILQ_EMPTY(&lg->uncopied) && has_room(lg) && lg->copy_at == 0;
}

/* 1: some were copied and there may be more, 0: no, -1: there is no room. */
static int
copy_some(struct logger *lg, struct ring *r, int final)
{
	size_t used, out_len;
	ssize_t n;

	if (r->c->done == r->c->pos)
		return 0;
	if (!has_room(lg) || lg->copy_at != 0)
		return -1;
	n = ring_read(r->fd, r->c->window, r->c->done, in, sizeof(in));
	if (n <= 0)
		return failed(lg);
	final = final && r->c->done + (uint64_t)n == r->c->pos;
	used = format_lines(lg, r, (size_t)n, final, &out_len);
	if (used == 0)
		return 0;
	return commit(lg, r, used, out_len) == -1 ? failed(lg) : 1;
}

/* Rings are in pages that writers share, as long as nothing is changed. */
static void
note_partial(struct logger *lg, struct ring *r, int64_t since)
{
	if (r->partial != since)
		r->partial = since;
	if (since != 0 &&
	    (lg->partial_at == 0 || lg->partial_at > since + LINE_END_MS))
		lg->partial_at = since + LINE_END_MS;
}

void
copier_copy(struct logger *lg, struct ring *r, int64_t now)
{
	int final = r->leaving || lg->quit_at != 0, rc;

	if (lg->own == NULL)
		return;
	do
		rc = copy_some(lg, r, final);
	while (rc == 1);
	if (rc == -1)
		wait_for_room(lg, r);
	note_partial(lg, r, rc == 0 && r->c->done != r->c->pos ? now : 0);
}

void
copier_go_on(struct logger *lg, int64_t now)
{
	struct ring_list waited;
	struct ring *r;

	if (lg->copy_at != 0 && now < lg->copy_at)
		return;
	lg->copy_at = 0;
	TAILQ_INIT(&waited);
	TAILQ_CONCAT(&waited, &lg->uncopied, uncopied);
	while ((r = TAILQ_FIRST(&waited)) != NULL) {
		TAILQ_REMOVE(&waited, r, uncopied);
		r->is_uncopied = 0;
		copier_copy(lg, r, now);
	}
}

/* A prompt, say, or the last words of the dead. */
void
copier_end_lines(struct logger *lg, int64_t now)
{
	struct ring *r;

	if (lg->partial_at == 0 || now < lg->partial_at)
		return;
	lg->partial_at = 0;
	TAILQ_FOREACH (r, &lg->all_rings, all) {
		if (r->partial == 0 || r->kind == OUTPUT_FILE)
			continue;
		if (now - r->partial >= LINE_END_MS) {
			r->partial = 0;
			if (copy_some(lg, r, 1) == -1)
				wait_for_room(lg, r);
		} else if (lg->partial_at == 0 ||
			   r->partial + LINE_END_MS < lg->partial_at) {
			lg->partial_at = r->partial + LINE_END_MS;
		}
	}
}
