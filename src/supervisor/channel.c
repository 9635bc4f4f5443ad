/* channel: see channel.h. The socket, and what comes through it; what is asked
 * is in request.c. */
#include "supervisor/channel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "ipc/chan.h"
#include "supervisor/discard.h"
#include "supervisor/supervisor.h"

#define OURS "chan:"
#define THEIRS "chanw:"
#define BATCH 16        /* frames in one turn of the loop */
#define FINISH_MAX 1024 /* frames: more than a socket holds */
#define END_MS 1000     /* from the end of its end to that of its process */

static void
held_name(
    const struct worker *w, const char *prefix, char out[KEEPER_NAME_MAX + 1])
{
	snprintf(out, KEEPER_NAME_MAX + 1, "%s%s", prefix, w->rec.name);
}

static void
hold(const struct worker *w, const char *prefix, int fd)
{
	char name[KEEPER_NAME_MAX + 1];

	held_name(w, prefix, name);
	link_hold(&w->sup->link, name, fd);
}

static void
drop(const struct worker *w, const char *prefix)
{
	char name[KEEPER_NAME_MAX + 1];

	held_name(w, prefix, name);
	link_drop(&w->sup->link, name);
}

/* It is of no more use; its worker lives on. */
static void
channel_break(struct channel *c, const char *why, int now)
{
	struct worker *w = c->worker;

	log_warn("%s: its channel has ended: %s", w->conf->name, why);
	snprintf(c->ended, sizeof(c->ended), "ended: %s", why);
	loop_io_set(&c->io, 0);
	loop_timer_stop(&c->ending);
	shutdown(c->fd, SHUT_RDWR);
	fd_close(&c->fd);
	w->rec.channel = CHANNEL_CLOSED;
	worker_record(w);
	drop(w, OURS);
	requests_fail(&c->requests, c->ended, now);
}

static void
ending_cb(struct loop_timer *t)
{
	channel_break(t->arg, "the worker has closed it", 1);
}

/* Nothing will come any more: either it is about to die, of which we hear
 * otherwise, or it has only closed its end. */
void
channel_expect_end(struct channel *c)
{
	loop_io_set(&c->io, 0);
	if (!c->ending.active)
		loop_timer_start(&c->ending, END_MS);
}

/* Recorded before it is taken. */
static void
on_stage(struct channel *c, enum channel_stage stage)
{
	struct worker *w = c->worker;

	if ((int)stage <= w->rec.channel)
		return;
	w->rec.channel = (int)stage;
	worker_record(w);
}

/* NULL, or what is wrong with it. fd: taken where it is set to -1. */
static const char *
obey(struct channel *c, const struct frame *f, int *fd, int now)
{
	switch (f->type) {
	case FRAME_IMPORTED:
		on_stage(c, CHANNEL_IMPORTED);
		return NULL;
	case FRAME_LOOP:
		on_stage(c, CHANNEL_LOOP);
		return NULL;
	case FRAME_RESULT:
	case FRAME_EXCEPTION:
	case FRAME_ANSWERED:
		return request_answered(&c->requests, f, fd, now);
	default:
		return "it sent an alien frame";
	}
}

/* 1: there was one; 0: there is none now, or the channel has ended. */
static int
read_frame(struct channel *c, int now)
{
	static unsigned char packet[FRAME_PACKET_MAX];
	int fds[CHAN_FDS_MAX], fd = -1;
	const char *why;
	struct frame f;
	size_t nfds;
	ssize_t n;

	n = chan_recv(
	    c->fd, packet, sizeof(packet), fds, &nfds, MSG_PEEK | MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n == 0 || (n == -1 && errno != EMSGSIZE)) {
		channel_expect_end(c);
		return 0;
	}
	why = n == -1 ? "a frame that is too long"
	              : frame_parse(packet, (size_t)n, nfds, &f);
	if (why == NULL) {
		if (nfds > 0)
			fd = fds[--nfds];
		why = obey(c, &f, &fd, now);
	}
	fd_close(&fd);
	while (n != -1 && nfds > 0)
		close(fds[--nfds]);
	/* Even if it is the last that is read: to close a socket is to close
	 * what is in its messages. */
	discard_message(c->fd);
	if (why == NULL)
		return 1;
	channel_break(c, why, now);
	return 0;
}

static void
io_cb(struct loop_io *io, int events)
{
	struct channel *c = io->arg;
	int i;

	if ((events & LOOP_WRITE) && requests_send(&c->requests) == -1)
		channel_expect_end(c);
	for (i = 0; (events & LOOP_READ) && i < BATCH; i++)
		if (!read_frame(c, 1))
			break;
}

void
channel_watch(struct channel *c, int for_room)
{
	if (c->fd != -1 && !c->ending.active)
		loop_io_set(
		    &c->io, for_room ? LOOP_READ | LOOP_WRITE : LOOP_READ);
}

/* Takes the descriptors. */
static struct channel *
channel_new(struct worker *w, int fd, int theirs)
{
	struct channel *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		fd_close(&fd);
		fd_close(&theirs);
		return NULL;
	}
	c->worker = w;
	c->fd = fd;
	c->theirs = theirs;
	requests_init(&c->requests, c);
	loop_io_init(w->sup->loop, &c->io, fd, io_cb, c);
	loop_timer_init(w->sup->loop, &c->ending, ending_cb, c);
	w->channel = c;
	return c;
}

int
channel_lend(struct worker *w, int *theirs, struct err *e)
{
	int fds[2];

	*theirs = 0;
	if (w->conf->channel == CHANNEL_NONE)
		return 0;
	if (w->channel != NULL && w->channel->theirs != -1) {
		*theirs = w->channel->theirs;
		return 0;
	}
	channel_close(w);
	if (chan_pair(fds) == -1)
		return err_sys(e, errno, "streams: cannot make a channel");
	if (channel_new(w, fds[0], fds[1]) == NULL)
		return err_sys(e, ENOMEM, "streams: cannot make a channel");
	channel_watch(w->channel, 0);
	hold(w, OURS, fds[0]);
	/* One from a floor may have to be told of it a second time. */
	if (w->conf->floor != NULL)
		hold(w, THEIRS, fds[1]);
	*theirs = fds[1];
	return 0;
}

void
channel_lent(struct worker *w)
{
	if (w->channel == NULL || w->channel->theirs == -1)
		return;
	fd_close(&w->channel->theirs);
	if (w->conf->floor != NULL)
		drop(w, THEIRS);
}

void
channel_finish(struct worker *w)
{
	int i;

	if (w->channel == NULL)
		return;
	for (i = 0; w->channel->fd != -1 && i < FINISH_MAX; i++)
		if (!read_frame(w->channel, 0))
			break;
	requests_died(&w->channel->requests, &w->rec.last);
}

void
channel_close(struct worker *w)
{
	struct channel *c = w->channel;

	if (c == NULL)
		return;
	requests_release(&c->requests);
	loop_io_set(&c->io, 0);
	loop_timer_stop(&c->ending);
	channel_lent(w);
	if (c->fd != -1)
		drop(w, OURS);
	fd_close(&c->fd);
	w->channel = NULL;
	free(c);
}

const char *
channel_text(const struct worker *w)
{
	static const char *const stages[] = {[CHANNEL_CLOSED] = "ended",
	    [CHANNEL_OPEN] = "nothing was heard yet",
	    [CHANNEL_IMPORTED] = "imported, not yet in its loop",
	    [CHANNEL_LOOP] = "in its loop"};

	if (w->conf->channel == CHANNEL_NONE || w->rec.pid == 0)
		return NULL;
	if (w->channel != NULL && w->channel->ended[0] != '\0')
		return w->channel->ended;
	return stages[w->rec.channel & 3];
}

const char *
channel_stage_text(const struct worker *w)
{
	switch (w->rec.channel) {
	case CHANNEL_OPEN:
		return "before its code was imported";
	case CHANNEL_IMPORTED:
		return "imported, not yet in its loop";
	default:
		return NULL;
	}
}

/* Of a held name that begins so; NULL: it is another's, or nobody's. */
static struct worker *
owner_of(struct supervisor *s, const char *name, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(name, prefix, len) == 0
	           ? roster_by_id(&s->roster, name + len)
	           : NULL;
}

/* Ours first: theirs is a part of it. */
static void
adopt(struct supervisor *s, struct link_held *h, int theirs)
{
	const char *prefix = theirs ? THEIRS : OURS;
	struct worker *w = owner_of(s, h->name, prefix);

	if (h->fd == -1 || strncmp(h->name, prefix, strlen(prefix)) != 0)
		return;
	if (w != NULL && !theirs && w->channel == NULL &&
	    w->rec.channel != CHANNEL_CLOSED)
		channel_new(w, h->fd, -1);
	else if (w != NULL && theirs && w->channel != NULL &&
		 w->rec.state == WS_STARTING)
		w->channel->theirs = h->fd;
	else {
		link_drop(&s->link, h->name);
		fd_close(&h->fd);
	}
	h->fd = -1;
}

void
channels_adopt(struct supervisor *s)
{
	struct link *l = &s->link;
	struct worker *w;
	size_t i;

	for (i = 0; i < l->nheld; i++)
		adopt(s, &l->held[i], 0);
	for (i = 0; i < l->nheld; i++)
		adopt(s, &l->held[i], 1);
	for (i = 0; i < l->nheld; i++)
		if (l->held[i].fd != -1 &&
		    unclaimed_adopt(s, l->held[i].name, l->held[i].fd))
			l->held[i].fd = -1;
	/* It went with the keeper that held it. */
	ROSTER_EACH (&s->roster, i, w)
		if (w->channel == NULL && w->rec.pid != 0)
			w->rec.channel = CHANNEL_CLOSED;
}

void
channels_listen(struct supervisor *s)
{
	struct worker *w;
	size_t i;

	ROSTER_EACH (&s->roster, i, w)
		if (w->channel != NULL) {
			unclaimed_expect(&w->channel->requests.unclaimed);
			channel_watch(w->channel, 0);
		}
}
