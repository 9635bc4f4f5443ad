/*
 * fake_channel: workers without channels. To be included by a suite.
 */
#include "supervisor/channel.h"

int
channel_lend(struct worker *w, int *theirs, struct err *e)
{
	(void)w;
	(void)e;
	*theirs = 0;
	return 0;
}

void
channel_lent(struct worker *w)
{
	(void)w;
}

void
channels_adopt(struct supervisor *s)
{
	(void)s;
}

void
channels_listen(struct supervisor *s)
{
	(void)s;
}

void
channel_finish(struct worker *w)
{
	(void)w;
}

void
channel_close(struct worker *w)
{
	(void)w;
}

const char *
channel_text(const struct worker *w)
{
	(void)w;
	return NULL;
}

const char *
channel_stage_text(const struct worker *w)
{
	(void)w;
	return NULL;
}

void
channel_watch(struct channel *c, int for_room)
{
	(void)c;
	(void)for_room;
}

void
channel_expect_end(struct channel *c)
{
	(void)c;
}

void
request_init(
    struct request *r, struct supervisor *s, uint64_t id, request_done_fn *done)
{
	(void)s;
	*r = (struct request){.id = id, .given = -1, .memfd = -1, .done = done};
}

void
request_release(struct request *r)
{
	(void)r;
}

void
request_ask(
    struct request *r, struct worker *w, struct frame *f, int64_t timeout_ms)
{
	(void)r;
	(void)w;
	(void)f;
	(void)timeout_ms;
}

const char *
requests_text(const struct requests *q, int64_t now, char *out, size_t size)
{
	(void)q;
	(void)now;
	out[0] = size > 0 ? '\0' : out[0];
	return out;
}
