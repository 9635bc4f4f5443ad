/* request: see request.h. */
#include "supervisor/request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/units.h"
#include "ipc/chan.h"
#include "ipc/json_scan.h"
#include "ipc/value.h"
#include "supervisor/channel.h"
#include "supervisor/supervisor.h"

#define UNASKED_MAX 10000 /* answers that nobody waits for any more */

static void
deadline_cb(struct loop_timer *t)
{
	request_end(t->arg, REQUEST_TIMED_OUT, 1);
}

void
request_init(
    struct request *r, struct supervisor *s, uint64_t id, request_done_fn *done)
{
	*r = (struct request){.id = id, .given = -1, .memfd = -1, .done = done};
	loop_timer_init(s->loop, &r->deadline, deadline_cb, r);
}

static void
leave(struct request *r)
{
	if (r->among != NULL)
		TAILQ_REMOVE(&r->among->list, r, link);
	r->among = NULL;
	loop_timer_stop(&r->deadline);
	buf_release(&r->packet);
	fd_close(&r->given);
}

void
request_release(struct request *r)
{
	leave(r);
	buf_release(&r->answer);
	fd_close(&r->memfd);
}

void
request_end(struct request *r, enum request_state state, int now)
{
	if (r->among != NULL && r->among->last.id == r->id) {
		r->among->last.state = state;
		r->among->last.ended_at =
		    loop_now(r->among->channel->worker->sup->loop);
	}
	leave(r);
	r->state = state;
	r->done(r, now);
}

static void
fail(struct request *r, const char *why, int now)
{
	snprintf(r->reason, sizeof(r->reason), "%s", why);
	request_end(r, REQUEST_FAILED, now);
}

/* --- asking --- */

static struct request *
find(const struct requests *q, uint64_t id)
{
	struct request *r;

	TAILQ_FOREACH (r, &q->list, link)
		if (r->id == id)
			return r;
	return NULL;
}

/* Its answer, which may have come in a file, so that nobody has looked at it
 * yet. -1 and *e. */
static int
take_kept(struct request *r, const struct unclaimed *a, struct err *e)
{
	if (value_size(a->fd) > FRAME_INLINE_MAX) {
		r->memfd = fcntl(a->fd, F_DUPFD_CLOEXEC, 3);
		return r->memfd == -1 ? err_sys(e, errno, "its answer") : 0;
	}
	if (value_read(a->fd, FRAME_INLINE_MAX, &r->answer, e) == -1)
		return -1;
	return json_scan_is_value(r->answer.data, r->answer.len)
	           ? 0
	           : err_set(e, "its answer is not JSON");
}

/* It was asked before, and answered while nobody was there. */
static int
claim(const struct requests *q, struct request *r)
{
	const struct unclaimed *a = unclaimed_find(&q->unclaimed, r->id);
	struct err e;

	if (a == NULL)
		return 0;
	if (take_kept(r, a, &e) == -1)
		fail(r, e.text, 1);
	else
		request_end(r,
		    a->type == FRAME_RESULT ? REQUEST_RESULT
					    : REQUEST_EXCEPTION,
		    1);
	return 1;
}

static int
make_packet(struct request *r, const struct frame *f)
{
	unsigned char head[FRAME_HEAD_BYTES];

	frame_put_head(f, head);
	if (buf_add(&r->packet, head, sizeof(head)) == -1 ||
	    buf_add(&r->packet, f->name, f->name_len) == -1)
		return -1;
	if (f->flags & FRAME_IN_MEMFD)
		return 0;
	return buf_add(&r->packet, f->value, f->value_len);
}

/* -1 and errno. */
static int
send_one(struct requests *q, struct request *r)
{
	if (chan_send(q->channel->fd, r->packet.data, r->packet.len, &r->given,
		r->given != -1, MSG_DONTWAIT) == -1)
		return -1;
	r->state = REQUEST_SENT;
	buf_release(&r->packet);
	fd_close(&r->given);
	return 0;
}

int
requests_send(struct requests *q)
{
	struct request *r, *next;
	char why[RECORD_FAULT_MAX];

	for (r = TAILQ_FIRST(&q->list); r != NULL; r = next) {
		next = TAILQ_NEXT(r, link);
		if (r->state != REQUEST_WAITS || send_one(q, r) == 0)
			continue;
		if (errno == EAGAIN || errno == EINTR) {
			channel_watch(q->channel, 1);
			return 0;
		}
		if (errno == EPIPE || errno == ECONNRESET)
			return -1;
		snprintf(
		    why, sizeof(why), "cannot ask it: %s", strerror(errno));
		fail(r, why, 0);
	}
	channel_watch(q->channel, 0);
	return 0;
}

static void
note_last(struct requests *q, const struct frame *f, int64_t now)
{
	struct request_last *l = &q->last;
	size_t i, len = f->name_len;

	if (len > sizeof(l->name) - 1)
		len = sizeof(l->name) - 1;
	*l = (struct request_last){.type = f->type,
	    .id = f->id,
	    .at = now,
	    .deadline = (int64_t)f->deadline_ms};
	for (i = 0; i < len; i++)
		l->name[i] =
		    f->name[i] < ' ' || f->name[i] > '~' ? '?' : f->name[i];
}

const char *
requests_text(const struct requests *q, int64_t now, char *out, size_t size)
{
	static const char *const types[] = {[FRAME_RUN] = "run",
	    [FRAME_CALL] = "call",
	    [FRAME_STORE] = "store",
	    [FRAME_LOAD] = "load",
	    [FRAME_PING] = "ping"};
	static const char *const ends[] = {[REQUEST_RESULT] = "answered",
	    [REQUEST_EXCEPTION] = "it raised an exception",
	    [REQUEST_TIMED_OUT] = "not answered in time",
	    [REQUEST_DIED] = "not answered",
	    [REQUEST_FAILED] = "not answered"};
	const struct request_last *l = &q->last;
	char ago[32], left[64] = "no deadline", end[32];
	const struct request *r;
	int waiting = 0;

	TAILQ_FOREACH (r, &q->list, link)
		waiting++;
	if (l->type == 0) {
		snprintf(out, size,
		    "nothing was asked since svd's supervisor "
		    "has begun");
		return out;
	}
	units_format_duration(now - l->at, ago, sizeof(ago));
	if (l->ended_at != 0)
		snprintf(left, sizeof(left), "%s, %s later", ends[l->state],
		    units_format_duration(
			l->ended_at - l->at, end, sizeof(end)));
	else if (l->deadline != 0)
		snprintf(left, sizeof(left), "deadline in %s",
		    units_format_duration(
			l->deadline > now ? l->deadline - now : 0, end,
			sizeof(end)));
	snprintf(out, size, "last asked: %s%s%s, %s ago, %s; %d not answered",
	    types[l->type], l->name[0] == '\0' ? "" : " ", l->name, ago, left,
	    waiting);
	return out;
}

void
request_ask(
    struct request *r, struct worker *w, struct frame *f, int64_t timeout_ms)
{
	struct channel *c = w->channel;
	struct requests *q = &c->requests;
	struct request *other = find(q, r->id);

	if (other != NULL)
		fail(other, "it was asked again", 1);
	if (claim(q, r))
		return;
	if (c->fd == -1) {
		fail(r, c->ended, 1);
		return;
	}
	f->id = r->id;
	if (timeout_ms > 0) {
		f->deadline_ms =
		    (uint64_t)(loop_now(w->sup->loop) + timeout_ms);
		loop_timer_start(&r->deadline, timeout_ms);
	}
	note_last(q, f, loop_now(w->sup->loop));
	if (make_packet(r, f) == -1) {
		fail(r, "out of memory", 1);
		return;
	}
	r->state = REQUEST_WAITS;
	r->among = q;
	TAILQ_INSERT_TAIL(&q->list, r, link);
	if (requests_send(q) == -1)
		channel_expect_end(c);
}

/* --- answers --- */

/* What is wrong with it as JSON, of which the text goes to a client as it is;
 * NULL: nothing. */
static const char *
check(const struct frame *f, int fd)
{
	if (f->type == FRAME_ANSWERED)
		return f->value_len != 0 ? "it sent an alien frame" : NULL;
	if (fd != -1)
		return f->type == FRAME_RESULT &&
		               value_size(fd) == (int64_t)f->value_len
		           ? NULL
		           : "it sent a value in a file that is not sealed";
	return json_scan_is_value(f->value, f->value_len)
	           ? NULL
	           : "it sent a value that is not JSON";
}

/* Nobody waits for it, here at least. */
static const char *
answer_nobody(struct requests *q, const struct frame *f, int *fd)
{
	if (f->type != FRAME_ANSWERED)
		unclaimed_keep(&q->unclaimed, f, fd);
	return ++q->unasked > UNASKED_MAX ? "it answers what nobody has asked"
	                                  : NULL;
}

const char *
request_answered(struct requests *q, const struct frame *f, int *fd, int now)
{
	const char *wrong = check(f, *fd);
	struct request *r;

	if (wrong != NULL)
		return wrong;
	if ((r = find(q, f->id)) == NULL)
		return answer_nobody(q, f, fd);
	if (f->type == FRAME_ANSWERED) {
		fail(r, "its answer was lost with a supervisor that was killed",
		    now);
		return NULL;
	}
	r->memfd = *fd;
	*fd = -1;
	if (r->memfd == -1 && buf_add(&r->answer, f->value, f->value_len) == -1)
		fail(r, "out of memory", now);
	else
		request_end(r,
		    f->type == FRAME_RESULT ? REQUEST_RESULT
					    : REQUEST_EXCEPTION,
		    now);
	return NULL;
}

/* --- all of a channel --- */

void
requests_init(struct requests *q, struct channel *c)
{
	q->channel = c;
	TAILQ_INIT(&q->list);
	unclaimed_init(&q->unclaimed, c->worker);
}

void
requests_fail(struct requests *q, const char *why, int now)
{
	struct request *r;

	while ((r = TAILQ_FIRST(&q->list)) != NULL)
		fail(r, why, now);
}

void
requests_died(struct requests *q, const struct death *d)
{
	struct request *r;

	while ((r = TAILQ_FIRST(&q->list)) != NULL) {
		r->death = *d;
		request_end(r, REQUEST_DIED, 0);
	}
}

void
requests_release(struct requests *q)
{
	requests_fail(q, "its process is gone", 0);
	unclaimed_release(&q->unclaimed);
}
