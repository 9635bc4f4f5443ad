/* problems: see problems.h. */
#include "logger/problems.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/log.h"
#include "base/sys.h"
#include "ipc/chan.h"
#include "ipc/proto_logger.h"
#include "logger/forward.h"

#define STALLED_MS 2000
#define CHECK_MS 1000

static const char *
place_of(const struct ring *r)
{
	if (r->kind == OUTPUT_SYSLOG)
		return FORWARD_SYSLOG;
	if (r->kind == OUTPUT_JOURNAL)
		return FORWARD_JOURNAL;
	if (r->kind == OUTPUT_STDERR)
		return "standard error";
	return r->path != NULL ? r->path : r->name;
}

/* "": nothing is wrong. */
static void
describe(const struct ring *r, struct err *e)
{
	static const char *const what[] = {
	    [TROUBLE_OPEN] = "open",
	    [TROUBLE_WRITE] = "write",
	    [TROUBLE_ROTATE] = "rotate",
	};
	unsigned int i = (unsigned int)(r->trouble >> 32);

	e->text[0] = '\0';
	if (r->stalls)
		err_set(e, "'%s' stalls: nothing can be written to it",
		    place_of(r));
	else if (i != TROUBLE_NONE && i <= TROUBLE_ROTATE)
		err_sys(e, (int)(r->trouble & 0xffff), "cannot %s '%s'",
		    what[i], place_of(r));
}

/* Whose problems are those of s: lines of what goes to svd's own log wait where
 * that waits. NULL: nobody's. */
static const struct ring *
goes_to(const struct logger *lg, const struct stream *s)
{
	if (s->ring == NULL || s->ring == lg->own)
		return NULL;
	return s->ring->kind == OUTPUT_LOG ? lg->own : s->ring;
}

int
problems_hinder(const struct logger *lg, const struct stream *s)
{
	const struct ring *r = goes_to(lg, s);

	return r != NULL && (r->trouble != 0 || r->stalls);
}

/* Not waiting: the supervisor may wait for us. */
static void
tell(struct logger *lg, struct stream *s)
{
	static unsigned char packet[PL_PACKET_MAX];
	const struct ring *r = goes_to(lg, s);
	struct pl_msg m = {.type = PL_PROBLEM, .text = s->key};
	struct err e = {.text = ""};

	s->untold = 0;
	if (lg->pair == -1 || s->ring == lg->own)
		return;
	if (r != NULL)
		describe(r, &e);
	m.data = e.text;
	m.data_len = strlen(e.text);
	if (chan_send(lg->pair, packet, pl_encode(&m, packet), NULL, 0,
		MSG_DONTWAIT) == 0)
		return;
	s->untold = 1;
	lg->problems_due = 1;
	if (lg->check_at == 0)
		lg->check_at = sys_now_ms() + CHECK_MS;
}

static void
tell_ring(struct logger *lg, const struct ring *r)
{
	struct stream *s;

	TAILQ_FOREACH (s, &lg->all_streams, all)
		if (goes_to(lg, s) == r)
			tell(lg, s);
}

static void
tell_untold(struct logger *lg)
{
	struct stream *s;

	lg->problems_due = 0;
	TAILQ_FOREACH (s, &lg->all_streams, all)
		if (s->untold)
			tell(lg, s);
}

static void
look(struct logger *lg, struct ring *r, int64_t now)
{
	uint64_t trouble = r->c->trouble, busy = r->c->busy_since;
	int stalls = busy != 0 && now - (int64_t)busy >= STALLED_MS;
	struct err e;

	if (trouble == r->trouble && stalls == r->stalls)
		return;
	r->trouble = trouble;
	r->stalls = (unsigned char)stalls;
	describe(r, &e);
	if (e.text[0] != '\0')
		log_warn("%s", e.text);
	else
		log_info("'%s' can be written again", place_of(r));
	tell_ring(lg, r);
}

void
problems_check(struct logger *lg, int64_t now)
{
	int is_time = lg->check_at != 0 && now >= lg->check_at, behind = 0;
	struct ring *r;

	if (!is_time && lg->troubles == lg->cursors.head->troubles)
		return;
	lg->troubles = lg->cursors.head->troubles;
	TAILQ_FOREACH (r, &lg->all_rings, all) {
		if (r->writer == NULL)
			continue;
		look(lg, r, now);
		behind |= r->c->done != r->c->pos || r->trouble != 0;
	}
	if (lg->problems_due)
		tell_untold(lg);
	if (is_time)
		lg->check_at = behind || lg->problems_due ? now + CHECK_MS : 0;
}

void
problems_tell_all(struct logger *lg)
{
	struct stream *s;

	lg->problems_due = 0;
	TAILQ_FOREACH (s, &lg->all_streams, all)
		if (problems_hinder(lg, s))
			tell(lg, s);
}

void
problems_moved(struct logger *lg, struct stream *s, int64_t now)
{
	s->untold = 1;
	lg->problems_due = 1;
	lg->check_at = now;
}
