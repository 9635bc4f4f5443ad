/*
 * control: see control.h.
 *
 * A connection is in one of these states, told by what is watched of it:
 *
 *	reading	  nothing to answer: LOOP_READ
 *	writing	  its reply is not sent yet: LOOP_WRITE
 *	pending	  a call was read together with another, or an answer has more
 *		  pieces: its timer, so that a turn of the loop serves one call
 *		  of it, or one piece. (Not LOOP_WRITE: a
 *		  socket with room for a reply is not yet a writable one.)
 *	waiting	  its answer comes later: only its hang-up counts. The loop
 *		  knows no such event (a readable one would be ready for ever
 *		  where the client has sent more), so an epoll set of our own
 *		  watches for it, and the loop watches that.
 *
 * An answer in pieces alternates between writing and waiting: the next piece is
 * made when the last has been taken.
 */
#include "supervisor/control.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "ipc/chan.h"
#include "ipc/varlink.h"
#include "supervisor/answer.h"
#include "supervisor/peer.h"
#include "supervisor/supervisor.h"
#include "supervisor/verbs.h"

#define CLIENTS_MAX 256
#define ACCEPTS_PER_TURN 16
#define HANGUPS_PER_TURN 16
#define READ_BYTES 16384
#define PIECES_BYTES 16384 /* of an answer in pieces, sent together */
#define KEEP_BYTES 65536   /* an empty buffer over this is given back */
#define ACCEPT_PAUSE_MS 100
#define SWEPT_MS 1   /* between two looks whether a sweep is over */
#define IDLE_MS 1000 /* may be closed for want of descriptors */
#define TRIM_MS 1000 /* from a large answer until its memory is given back */

struct client {
	struct control *control;
	TAILQ_ENTRY(client) link;
	int fd;
	struct peer peer;
	int64_t active_at; /* when it last sent or took a byte */
	struct loop_io io;
	struct loop_timer turn; /* for the next call already read */
	struct varlink_in in;
	int given; /* a descriptor that came with a call, or -1 */
	struct buf out;
	size_t sent;          /* bytes of out */
	int giving;           /* goes with the next bytes, or -1 */
	struct answer *later; /* to its call, not given yet or not to its end */
};

TAILQ_HEAD(clients, client);

struct control {
	struct supervisor *sup;
	gid_t readers; /* control_group, or PEER_NO_GROUP */
	struct loop_io accept_io;
	struct loop_timer accept_pause;
	int accept_failing; /* said so already */
	int spare;          /* given up to serve when descriptors run out */
	int hangups;        /* the epoll set of those that wait */
	struct loop_io hangups_io;
	struct loop_timer ready; /* some later answer has something to say */
	struct loop_timer trim;
	struct clients clients; /* the longest idle first */
	size_t nclients;
};

static int
spare_open(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void
client_end_later(struct client *cl)
{
	if (cl->later == NULL)
		return;
	epoll_ctl(cl->control->hangups, EPOLL_CTL_DEL, cl->fd, NULL);
	cl->later->kind->free(cl->later);
	cl->later = NULL;
}

/* Of what an answer was made of, free() gives back only the end of the heap. */
static void
trim_cb(struct loop_timer *t)
{
	(void)t;
	malloc_trim(0);
}

static void
client_release_out(struct client *cl)
{
	if (cl->out.cap > KEEP_BYTES)
		loop_timer_start(&cl->control->trim, TRIM_MS);
	buf_release(&cl->out);
}

static void
client_free(struct client *cl)
{
	struct control *c = cl->control;

	TAILQ_REMOVE(&c->clients, cl, link);
	c->nclients--;
	loop_io_set(&cl->io, 0);
	loop_timer_stop(&cl->turn);
	/* Closing it would do, but for a child that stands before its exec. */
	client_end_later(cl);
	fd_close(&cl->fd);
	fd_close(&cl->given);
	fd_close(&cl->giving);
	varlink_in_release(&cl->in);
	client_release_out(cl);
	free(cl);
	if (c->spare == -1)
		c->spare = spare_open();
}

static void
client_touch(struct client *cl)
{
	struct control *c = cl->control;

	cl->active_at = loop_now(c->sup->loop);
	TAILQ_REMOVE(&c->clients, cl, link);
	TAILQ_INSERT_TAIL(&c->clients, cl, link);
}

/* One that only waits for an answer is not idle. */
static struct client *
longest_idle(struct control *c)
{
	struct client *cl;

	TAILQ_FOREACH (cl, &c->clients, link)
		if (cl->later == NULL)
			return cl;
	return TAILQ_FIRST(&c->clients);
}

/* -1: the client is gone. */
static int
client_flush(struct client *cl)
{
	ssize_t n;

	while (cl->sent < cl->out.len) {
		n = chan_send_some(cl->fd, cl->out.data + cl->sent,
		    cl->out.len - cl->sent, &cl->giving, cl->giving != -1,
		    MSG_DONTWAIT);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return errno == EAGAIN ? 0 : -1;
		cl->sent += (size_t)n;
		fd_close(&cl->giving);
	}
	cl->out.len = cl->sent = 0;
	if (cl->out.cap > KEEP_BYTES)
		client_release_out(cl);
	return 0;
}

/* -1: the client is gone, or has nothing more to ask. */
static int
client_read(struct client *cl)
{
	struct buf *b = &cl->in.buf;
	int fds[CHAN_FDS_MAX];
	size_t nfds;
	ssize_t n;

	if (buf_reserve(b, READ_BYTES) == -1)
		return -1;
	n = chan_recv(
	    cl->fd, b->data + b->len, READ_BYTES, fds, &nfds, MSG_DONTWAIT);
	if (n == -1)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n == 0)
		return -1;
	b->len += (size_t)n;
	/* One a call, and of no use with most. */
	if (nfds > 0 && cl->given == -1)
		cl->given = fds[--nfds];
	while (nfds > 0)
		close(fds[--nfds]);
	return 0;
}

static void
client_begin_later(struct client *cl)
{
	struct epoll_event ev = {.data.ptr = cl};

	/* Without memory for it, a hang-up is noticed when the answer comes. */
	epoll_ctl(cl->control->hangups, EPOLL_CTL_ADD, cl->fd, &ev);
	cl->later->owner = cl;
}

/* Appends what its answer has to say, up to PIECES_BYTES. */
static int
client_write_later(struct client *cl)
{
	const struct answer_kind *kind = cl->later->kind;
	enum answer_written rc;

	do
		rc = kind->write(cl->later, &cl->out);
	while (rc == ANSWER_MORE && cl->out.len < PIECES_BYTES &&
	       kind->ready(cl->later));
	if (cl->later->gives > 0) {
		cl->giving = cl->later->gives;
		cl->later->gives = 0;
	}
	if (rc == ANSWER_LAST)
		client_end_later(cl);
	return rc == ANSWER_FAILED ? -1 : 0;
}

/* It has something to say, and its client would take it. */
static int
has_answer(const struct client *cl)
{
	return cl->later != NULL && cl->out.len == 0 &&
	       cl->later->kind->ready(cl->later);
}

/* Gives the connection to whoever answers. -1: it is theirs, or of no use: no
 * client of ours any more. */
static int
client_leave(struct client *cl)
{
	int rc = cl->later->kind->leave(
	    cl->later, cl->fd, cl->in.buf.data, cl->in.buf.len, &cl->out);

	client_end_later(cl);
	return rc == 0 ? client_flush(cl) : -1;
}

/* Says one piece of what there is to say: the next is for the next turn of the
 * loop, however fast the client is. -1: it is gone. */
static int
client_answer(struct client *cl)
{
	client_touch(cl);
	if (!has_answer(cl))
		return 0;
	if (cl->later->kind->leave != NULL)
		return client_leave(cl);
	return client_write_later(cl) == -1 ? -1 : client_flush(cl);
}

/* Serves one call, if a whole one is there. -1: the client has to go. */
static int
client_serve(struct client *cl)
{
	struct control *c = cl->control;
	struct call_extra extra = {.given = &cl->given};
	struct err e;
	json_t *msg;
	int rc;

	rc = varlink_take_value(
	    &cl->in, VARLINK_CALL_MAX, &extra.value, &msg, &e);
	if (rc == -1)
		log_info("control connection of uid %ld closed: %s",
		    (long)cl->peer.uid, e.text);
	if (rc == 1) {
		rc = verbs_call(
		    c->sup, &cl->peer, msg, &extra, &cl->out, &cl->later);
		json_decref(msg);
		fd_close(&cl->given);
		rc = rc == -1 ? -1 : 1;
	}
	buf_release(&extra.value);
	if (rc <= 0)
		return rc;
	if (cl->later == NULL)
		return client_flush(cl);
	client_begin_later(cl);
	return client_answer(cl);
}

static int
waits_for_sweep(const struct client *cl)
{
	return cl->later->kind->after_sweep && cl->control->sup->sweep.n > 0;
}

/* Watches for what its state asks for. */
static void
client_watch(struct client *cl)
{
	int events = LOOP_READ;

	if (cl->out.len > 0)
		events = LOOP_WRITE;
	else if (cl->later != NULL) {
		events = 0;
		if (has_answer(cl) && !waits_for_sweep(cl))
			loop_timer_start(&cl->turn, 0);
	} else if (varlink_pending(&cl->in)) {
		events = 0;
		loop_timer_start(&cl->turn, 0);
	}
	loop_io_set(&cl->io, events);
}

static int
client_handle(struct client *cl, int events)
{
	client_touch(cl);
	if ((events & LOOP_READ) && client_read(cl) == -1)
		return -1;
	if ((events & LOOP_WRITE) && client_flush(cl) == -1)
		return -1;
	if (cl->out.len > 0)
		return 0;
	return cl->later != NULL ? client_answer(cl) : client_serve(cl);
}

static void
client_step(struct client *cl, int events)
{
	if (client_handle(cl, events) == -1)
		client_free(cl);
	else
		client_watch(cl);
}

static void
client_cb(struct loop_io *io, int events)
{
	client_step(io->arg, events);
}

static void
client_turn_cb(struct loop_timer *t)
{
	client_step(t->arg, 0);
}

static void
hangups_cb(struct loop_io *io, int events)
{
	struct control *c = io->arg;
	struct epoll_event ev[HANGUPS_PER_TURN];
	int i, n;

	(void)events;
	n = epoll_wait(c->hangups, ev, HANGUPS_PER_TURN, 0);
	for (i = 0; i < n; i++)
		client_free(ev[i].data.ptr);
}

/* All that it takes at once: there is no next turn. */
static int
client_finish(struct client *cl)
{
	while (has_answer(cl))
		if (client_answer(cl) == -1)
			return -1;
	return 0;
}

/* Once around: an answered client goes to the end of the list. Returns whether
 * one waits for what a worker left behind to be gone too. */
static int
answer_ready(struct control *c, int finish)
{
	struct client *cl, *next;
	size_t n = c->nclients;
	int waiting = 0;

	for (cl = TAILQ_FIRST(&c->clients); n > 0; cl = next, n--) {
		next = TAILQ_NEXT(cl, link);
		if (!has_answer(cl))
			continue;
		if (!finish && waits_for_sweep(cl))
			waiting = 1;
		else if ((finish ? client_finish(cl) : client_answer(cl)) == -1)
			client_free(cl);
		else
			client_watch(cl);
	}
	return waiting;
}

static void
ready_cb(struct loop_timer *t)
{
	if (answer_ready(t->arg, 0))
		loop_timer_start(t, SWEPT_MS);
}

void
control_answer(struct answer *a)
{
	if (a->owner != NULL)
		client_step(a->owner, 0);
}

void
control_wake(struct control *c)
{
	if (c != NULL && !c->ready.active)
		loop_timer_start(&c->ready, 0);
}

/* Called in the midst of a worker's step, perhaps of one that a call has just
 * ordered: the answer is left to the next turn. */
void
control_worker_changed(struct control *c, struct worker *w)
{
	struct client *cl;

	if (c == NULL)
		return;
	TAILQ_FOREACH (cl, &c->clients, link)
		if (cl->later != NULL && cl->later->kind->look != NULL &&
		    cl->later->kind->look(cl->later, w))
			control_wake(c);
}

void
control_finish(struct control *c)
{
	if (c != NULL)
		answer_ready(c, 1);
}

/* Takes fd. NULL: no memory, or it is no socket of ours. */
static struct client *
client_new(struct control *c, int fd)
{
	struct client *cl = calloc(1, sizeof(*cl));

	if (cl == NULL || peer_of(fd, c->readers, &cl->peer) == -1) {
		free(cl);
		fd_close(&fd);
		return NULL;
	}
	if (c->nclients == CLIENTS_MAX)
		client_free(longest_idle(c));
	cl->control = c;
	cl->fd = fd;
	cl->given = cl->giving = -1;
	cl->active_at = loop_now(c->sup->loop);
	TAILQ_INSERT_TAIL(&c->clients, cl, link);
	c->nclients++;
	loop_io_init(c->sup->loop, &cl->io, fd, client_cb, cl);
	loop_timer_init(c->sup->loop, &cl->turn, client_turn_cb, cl);
	loop_io_set(&cl->io, LOOP_READ);
	return cl;
}

static void
say_unserved(void)
{
	log_warn("cannot serve a control connection: %s", strerror(errno));
}

void
control_adopt(struct control *c, int fd, const char *unread, size_t unread_len)
{
	struct client *cl = client_new(c, fd);

	if (cl == NULL) {
		say_unserved();
		return;
	}
	if (buf_add(&cl->in.buf, unread, unread_len) == -1)
		client_free(cl);
	else
		client_watch(cl);
}

/*
 * What to do about a failed accept: 1 try again, 0 leave it for now. Out of
 * descriptors, the spare one serves one client more, so that status and kill
 * work on; after that whoever has been idle must go.
 */
static int
accept_failed(struct control *c, int errnum)
{
	struct client *cl;

	if (errnum == EINTR || errnum == ECONNABORTED)
		return 1;
	if (errnum == EAGAIN)
		return 0;
	if (c->spare != -1) {
		fd_close(&c->spare);
		return 1;
	}
	if (!c->accept_failing)
		log_warn(
		    "cannot accept a control connection: %s", strerror(errnum));
	c->accept_failing = 1;
	cl = longest_idle(c);
	if (cl != NULL && cl->later == NULL &&
	    loop_now(c->sup->loop) - cl->active_at >= IDLE_MS)
		client_free(cl);
	loop_io_set(&c->accept_io, 0);
	loop_timer_start(&c->accept_pause, ACCEPT_PAUSE_MS);
	return 0;
}

static void
accept_cb(struct loop_io *io, int events)
{
	struct control *c = io->arg;
	int i, fd;

	(void)events;
	for (i = 0; i < ACCEPTS_PER_TURN; i++) {
		fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd == -1 && accept_failed(c, errno))
			continue;
		if (fd == -1)
			return;
		c->accept_failing = 0;
		if (client_new(c, fd) == NULL)
			say_unserved();
	}
}

static void
accept_pause_cb(struct loop_timer *t)
{
	struct control *c = t->arg;

	loop_io_set(&c->accept_io, LOOP_READ);
}

struct control *
control_new(struct supervisor *s, int listener)
{
	struct control *c = calloc(1, sizeof(*c));
	int flags = fcntl(listener, F_GETFL);

	if (c == NULL)
		return NULL;
	c->hangups = epoll_create1(EPOLL_CLOEXEC);
	/* A client that is gone before its accept must not block us. */
	if (c->hangups == -1 || flags == -1 ||
	    fcntl(listener, F_SETFL, flags | O_NONBLOCK) == -1) {
		fd_close(&c->hangups);
		free(c);
		return NULL;
	}
	c->sup = s;
	c->readers = peer_find_group(s->fleet.control_group);
	c->spare = spare_open();
	TAILQ_INIT(&c->clients);
	loop_timer_init(s->loop, &c->accept_pause, accept_pause_cb, c);
	loop_timer_init(s->loop, &c->ready, ready_cb, c);
	loop_timer_init(s->loop, &c->trim, trim_cb, c);
	loop_io_init(s->loop, &c->hangups_io, c->hangups, hangups_cb, c);
	loop_io_set(&c->hangups_io, LOOP_READ);
	loop_io_init(s->loop, &c->accept_io, listener, accept_cb, c);
	loop_io_set(&c->accept_io, LOOP_READ);
	return c;
}

void
control_free(struct control *c)
{
	if (c == NULL)
		return;
	loop_io_set(&c->accept_io, 0);
	loop_io_set(&c->hangups_io, 0);
	loop_timer_stop(&c->accept_pause);
	loop_timer_stop(&c->ready);
	while (!TAILQ_EMPTY(&c->clients))
		client_free(TAILQ_FIRST(&c->clients));
	loop_timer_stop(&c->trim);
	fd_close(&c->hangups);
	fd_close(&c->spare);
	free(c);
}
