/*
 * control: see control.h. Who is connected, and whose turn it is.
 *
 * A connection is in one of these states, told by what is watched of it:
 *
 *	reading	  nothing to answer: LOOP_READ
 *	writing	  its reply is not sent yet: LOOP_WRITE
 *	queued	  it has asked for something, or has room for more of its
 *		  answer: it has its turn behind those that came before, for one
 *		  call, or one piece
 *	waiting	  its answer comes later: only its hang-up counts. The loop
 *		  knows no such event (a readable one would be ready for ever
 *		  where the client has sent more), so an epoll set of our own
 *		  watches for it, and the loop watches that.
 *
 * Who wants to act does not queue behind those who look: such a call is obeyed
 * when it is read, and answered when there is an answer. What is read comes
 * before all else in a turn of the loop; then the first calls of connections,
 * which are people's as a rule; and behind all else, what comes again and
 *again, or in pieces. For either queue there is a limited time. So `svctl kill`
 *waits for a turn or two, whatever a hundred others ask.
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
#include "supervisor/client.h"
#include "supervisor/supervisor.h"

#define CLIENTS_MAX 256
#define ACCEPTS_PER_TURN 16
#define HANGUPS_PER_TURN 16
#define ACCEPT_PAUSE_MS 100
#define QUEUE_MS 1   /* for those in a queue, in a turn of the loop */
#define SWEPT_MS 1   /* between two looks whether a sweep is over */
#define IDLE_MS 1000 /* may be closed for want of descriptors */

/* Whose turn is to come. */
struct turns {
	struct client_queue clients;
	struct loop_timer timer;
};

struct control {
	struct clients common;
	struct supervisor *sup;
	gid_t readers; /* control_group, or PEER_NO_GROUP */
	struct loop_io accept_io;
	struct loop_timer accept_pause;
	int accept_failing; /* said so already */
	int spare;          /* given up to serve when descriptors run out */
	struct loop_io hangups_io;
	struct loop_timer ready; /* some later answer has something to say */
	struct client_queue clients; /* the longest idle first */
	size_t nclients;
	struct turns newcomers, others;
};

static int
spare_open(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Of what an answer was made of, free() gives back only the end of the heap. */
static void
trim_cb(struct loop_timer *t)
{
	(void)t;
	malloc_trim(0);
}

static void
queue(struct client *cl)
{
	struct control *c = cl->control;
	struct turns *t =
	    cl->served || cl->later != NULL ? &c->others : &c->newcomers;

	if (cl->queue != NULL)
		return;
	cl->queue = &t->clients;
	TAILQ_INSERT_TAIL(&t->clients, cl, turn_link);
	if (!t->timer.active)
		loop_timer_start(&t->timer, 0);
}

static void
unqueue(struct client *cl)
{
	if (cl->queue != NULL)
		TAILQ_REMOVE(cl->queue, cl, turn_link);
	cl->queue = NULL;
}

static void
part_with(struct client *cl)
{
	struct control *c = cl->control;

	unqueue(cl);
	TAILQ_REMOVE(&c->clients, cl, link);
	c->nclients--;
	loop_io_set(&cl->io, 0);
	client_free(cl);
	if (c->spare == -1)
		c->spare = spare_open();
}

static void
touch(struct client *cl)
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
		if (client_is_idle(cl))
			return cl;
	return TAILQ_FIRST(&c->clients);
}

static int
waits_for_sweep(const struct client *cl)
{
	return cl->later->kind->after_sweep && cl->common->sup->sweep.n > 0;
}

/* Watches for what its state asks for. */
static void
watch(struct client *cl)
{
	int events = LOOP_READ;

	if (cl->out.len > 0)
		events = LOOP_WRITE;
	else if (cl->later != NULL) {
		events = 0;
		if (client_has_answer(cl) && !waits_for_sweep(cl))
			queue(cl);
	} else if (varlink_pending(&cl->in)) {
		events = 0;
		queue(cl);
	}
	loop_io_set(&cl->io, events);
}

static void
settle(struct client *cl, int rc)
{
	if (rc == -1)
		part_with(cl);
	else
		watch(cl);
}

/* Says what it can say now; the rest is for its turns. */
static void
answer_now(struct client *cl)
{
	touch(cl);
	settle(cl, client_answer(cl));
}

/* Obeys what it has asked for, and what is known at once is said at once. */
static int
obey_one(struct client *cl, int acts)
{
	cl->acts = acts;
	if (client_serve(cl) == -1)
		return -1;
	return cl->acts ? client_answer(cl) : 0;
}

/* Nothing is in the way of its next call, and that is to act. */
static int
goes_on_to_act(struct client *cl)
{
	return cl->out.len == 0 && cl->later == NULL && client_wants_to_act(cl);
}

/* With what it says in the same breath. */
static int
obey(struct client *cl, int acts)
{
	int rc = obey_one(cl, acts);

	if (rc == 0 && goes_on_to_act(cl))
		rc = obey_one(cl, 1);
	return rc;
}

/* A message that is none has no turn to wait for. */
static int
read_call(struct client *cl)
{
	int acts;

	if (client_read(cl) == -1)
		return -1;
	acts = client_wants_to_act(cl);
	return !acts && varlink_pending(&cl->in) ? 0 : obey(cl, acts);
}

static void
client_cb(struct loop_io *io, int events)
{
	struct client *cl = io->arg;

	touch(cl);
	if (events & LOOP_READ) {
		settle(cl, read_call(cl));
		return;
	}
	loop_io_set(&cl->io, 0);
	queue(cl);
}

/* One call, or one piece. */
static void
take_turn(struct client *cl)
{
	int rc;

	touch(cl);
	rc = client_flush(cl);
	if (rc == 0 && cl->out.len == 0)
		rc = cl->later != NULL ? client_answer(cl)
		                       : obey(cl, client_wants_to_act(cl));
	settle(cl, rc);
}

/* Those that are there now: who comes back has its next turn in the next turn
 * of the loop. */
static void
turns_cb(struct loop_timer *t)
{
	struct turns *turns = t->arg;
	int64_t begun = loop_now(t->loop);
	struct client *cl, *last;
	int done = 0;

	last = TAILQ_LAST(&turns->clients, client_queue);
	while (!done && (cl = TAILQ_FIRST(&turns->clients)) != NULL) {
		done = cl == last;
		unqueue(cl);
		take_turn(cl);
		if (loop_now(t->loop) - begun >= QUEUE_MS)
			break;
	}
	if (!TAILQ_EMPTY(&turns->clients))
		loop_timer_start(t, 0);
}

static void
turns_init(struct turns *t, struct loop *l)
{
	TAILQ_INIT(&t->clients);
	loop_timer_init(l, &t->timer, turns_cb, t);
}

static void
hangups_cb(struct loop_io *io, int events)
{
	struct control *c = io->arg;
	struct epoll_event ev[HANGUPS_PER_TURN];
	int i, n;

	(void)events;
	n = epoll_wait(c->common.hangups, ev, HANGUPS_PER_TURN, 0);
	for (i = 0; i < n; i++)
		part_with(ev[i].data.ptr);
}

/* Returns whether one waits for what a worker left behind to be gone too. */
static int
answer_ready(struct control *c)
{
	struct client *cl, *next;
	size_t n = c->nclients;
	int waiting = 0;

	/* Once around: an answered client goes to the end of the list. */
	for (cl = TAILQ_FIRST(&c->clients); n > 0; cl = next, n--) {
		next = TAILQ_NEXT(cl, link);
		if (!client_has_answer(cl))
			continue;
		if (waits_for_sweep(cl))
			waiting = 1;
		else if (cl->acts)
			answer_now(cl);
		else
			queue(cl);
	}
	return waiting;
}

static void
ready_cb(struct loop_timer *t)
{
	if (answer_ready(t->arg))
		loop_timer_start(t, SWEPT_MS);
}

void
control_answer(struct answer *a)
{
	if (a->owner != NULL)
		answer_now(a->owner);
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

int
control_has_clients(const struct control *c)
{
	return c != NULL && c->nclients > 0;
}

/* All that each takes at once: there is no next turn. */
void
control_finish(struct control *c)
{
	struct client *cl, *next;
	int rc;

	if (c == NULL)
		return;
	for (cl = TAILQ_FIRST(&c->clients); cl != NULL; cl = next) {
		next = TAILQ_NEXT(cl, link);
		for (rc = 0; rc == 0 && client_has_answer(cl);)
			rc = client_answer(cl);
		settle(cl, rc);
	}
}

/* Takes fd. NULL: no memory, or it is no socket of ours. */
static struct client *
welcome(struct control *c, int fd)
{
	struct client *cl = client_new(&c->common, fd, c->readers);

	if (cl == NULL)
		return NULL;
	if (c->nclients == CLIENTS_MAX)
		part_with(longest_idle(c));
	cl->control = c;
	cl->active_at = loop_now(c->sup->loop);
	TAILQ_INSERT_TAIL(&c->clients, cl, link);
	c->nclients++;
	loop_io_init(c->sup->loop, &cl->io, fd, client_cb, cl);
	loop_io_first(&cl->io);
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
	struct client *cl = welcome(c, fd);

	if (cl == NULL) {
		say_unserved();
		return;
	}
	if (buf_add(&cl->in.buf, unread, unread_len) == -1)
		part_with(cl);
	else
		watch(cl);
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
	if (cl != NULL && client_is_idle(cl) &&
	    loop_now(c->sup->loop) - cl->active_at >= IDLE_MS)
		part_with(cl);
	loop_io_set(&c->accept_io, 0);
	loop_timer_start(&c->accept_pause, ACCEPT_PAUSE_MS);
	return 0;
}

static void
accept_cb(struct loop_io *io, int events)
{
	struct control *c = io->arg;
	struct client *cl;
	int i, fd;

	(void)events;
	for (i = 0; i < ACCEPTS_PER_TURN; i++) {
		fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd == -1 && accept_failed(c, errno))
			continue;
		if (fd == -1)
			return;
		c->accept_failing = 0;
		if ((cl = welcome(c, fd)) == NULL)
			say_unserved();
		else /* its call came with it, as a rule */
			settle(cl, read_call(cl));
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
	c->common.hangups = epoll_create1(EPOLL_CLOEXEC);
	/* A client that is gone before its accept must not block us. */
	if (c->common.hangups == -1 || flags == -1 ||
	    fcntl(listener, F_SETFL, flags | O_NONBLOCK) == -1) {
		fd_close(&c->common.hangups);
		free(c);
		return NULL;
	}
	c->sup = c->common.sup = s;
	c->readers = peer_find_group(s->fleet.control_group);
	c->spare = spare_open();
	statuses_init(&s->statuses);
	TAILQ_INIT(&c->clients);
	loop_timer_init(s->loop, &c->accept_pause, accept_pause_cb, c);
	loop_timer_init(s->loop, &c->ready, ready_cb, c);
	loop_timer_init(s->loop, &c->common.trim, trim_cb, c);
	turns_init(&c->newcomers, s->loop);
	loop_timer_first(&c->newcomers.timer);
	turns_init(&c->others, s->loop);
	loop_timer_last(&c->others.timer);
	loop_io_init(s->loop, &c->hangups_io, c->common.hangups, hangups_cb, c);
	loop_io_set(&c->hangups_io, LOOP_READ);
	loop_io_init(s->loop, &c->accept_io, listener, accept_cb, c);
	loop_io_first(&c->accept_io);
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
		part_with(TAILQ_FIRST(&c->clients));
	loop_timer_stop(&c->newcomers.timer);
	loop_timer_stop(&c->others.timer);
	loop_timer_stop(&c->common.trim);
	fd_close(&c->common.hangups);
	fd_close(&c->spare);
	free(c);
}
