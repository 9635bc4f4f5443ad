/* notify: see notify.h. */
#include "supervisor/notify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/logline.h"
#include "ipc/notify_text.h"
#include "supervisor/discard.h"
#include "supervisor/main_pid.h"
#include "supervisor/prepare.h"
#include "supervisor/stored.h"
#include "supervisor/supervisor.h"

#define PREFIX "notify:"
#define USEC_PER_MS 1000
#define HOLD_BATCH 64   /* sockets that the keeper is told of at once */
#define BATCH 16        /* workers in one turn of the loop */
#define TURN_MAX 8      /* messages of each of them */
#define WINDOW_MS 100   /* in which a worker may say so much: */
#define WINDOW_MAX 64   /* messages; then it waits, if it says more */
#define FINISH_MAX 1024 /* messages: more than a socket holds */

static void
held_name(const struct worker *w, char out[KEEPER_NAME_MAX + 1])
{
	snprintf(out, KEEPER_NAME_MAX + 1, PREFIX "%s", w->rec.name);
}

/* Floors are of svd's own kind, and have a socket for what they say. */
static int
is_wanted(const struct worker *w)
{
	return w->conf->as_floor == NULL && !w->sup->init_mode &&
	       w->sup->runtime_dir != NULL;
}

static void
path_of(const struct worker *w, char path[NOTIFY_PATH_SIZE])
{
	notify_socket_path(w->sup->runtime_dir, w->rec.name, path);
}

/* --- what is said --- */

/* In this order where one message says several. */
static const struct {
	unsigned int says;
	enum said said;
} words[] = {
    {SAYS_RELOADING, SAID_RELOADING},
    {SAYS_READY, SAID_READY},
    {SAYS_STOPPING, SAID_STOPPING},
};

static int
take_words(struct worker *w, const struct notify_text *n)
{
	int before = w->rec.said;
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (n->says & words[i].says)
			w->rec.said = words[i].said;
	return w->rec.said != before;
}

/* At least so long from now on, until it is ready or has ended. Of the grace of
 * one that hangs nothing more is given. */
static int
take_extension(struct worker *w, const struct notify_text *n)
{
	int64_t until = loop_now(w->sup->loop) + n->extend_usec / USEC_PER_MS;
	enum worker_state state = w->rec.state;
	/* The fleet's end waits for it: not for ever. */
	int64_t last =
	    w->rec.since + w->conf->stop_timeout * NOTIFY_STOP_EXTENSION;

	if (state == WS_STOPPING && until > last)
		until = last;

	if (n->extend_usec == -1 || until <= w->rec.deadline ||
	    w->rec.deadline == 0 || w->rec.overdue != OVERDUE_NO ||
	    (state != WS_STARTING && state != WS_STOPPING))
		return 0;
	w->rec.deadline = until;
	worker_arm(w);
	return 1;
}

/* One from a floor has said STARTED before, elsewhere. */
static void
on_ready(struct worker *w)
{
	if (w->conf->ready.kind != READY_NOTIFY)
		return;
	if (w->line != NULL)
		line_finish(w->line);
	if (w->rec.state == WS_STARTING && w->rec.started &&
	    w->rec.fault[0] == '\0')
		worker_handle(w, EV_READY);
}

static int
take_status(struct worker *w, const struct notify_text *n)
{
	char status[RECORD_STATUS_MAX];

	if (n->status == NULL)
		return 0;
	logline_clean(status, sizeof(status), n->status, n->status_len);
	if (strcmp(status, w->rec.status) == 0)
		return 0;
	memset(w->rec.status, 0, sizeof(w->rec.status));
	memcpy(w->rec.status, status, strlen(status));
	return 1;
}

static int
take_errno(struct worker *w, const struct notify_text *n)
{
	if (n->error == 0 || n->error == w->rec.said_errno)
		return 0;
	w->rec.said_errno = n->error;
	return 1;
}

static void
warn(struct worker *w, const char *what)
{
	if (!w->notify.warned)
		log_warn("%s: a message of its by sd_notify is left out: %s",
		    w->conf->name, what);
	w->notify.warned = 1;
}

static void
take_main_pid(struct worker *w, const struct notify_text *n, pid_t sender)
{
	struct err e;

	if (n->main_pid != 0 && main_pid_take(w, n->main_pid, sender, &e) == -1)
		warn(w, e.text);
}

static void
obey(struct worker *w, const struct notify_text *n, pid_t sender)
{
	/* Of a life that is over. */
	if (w->rec.pid == 0)
		return;
	take_main_pid(w, n, sender);
	if (take_status(w, n) | take_errno(w, n) | take_words(w, n) |
	    take_extension(w, n))
		worker_record(w);
	if (n->says & SAYS_FDSTORE)
		stored_add(w, n->fdname);
	if ((n->says & SAYS_FDSTOREREMOVE) && n->fdname[0] != '\0')
		stored_remove(w, n->fdname);
	if (n->says & SAYS_READY)
		on_ready(w);
	if (n->watchdog_usec != -1)
		watchdog_set(w, (uint64_t)n->watchdog_usec);
	if (n->says & SAYS_WATCHDOG)
		watchdog_heartbeat(w);
	/* The last, as it may end it. */
	if (n->says & SAYS_WATCHDOG_TRIGGER)
		watchdog_trigger(w);
}

/* Without the descriptors that came along: what is not received need not be
 * closed, which may take as long as its sender likes. */
static ssize_t
peek(int fd, char *text, size_t size, int *flags, pid_t *sender)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec iov = {.iov_base = text, .iov_len = size};
	struct msghdr mh = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(fd, &mh, MSG_PEEK | MSG_DONTWAIT);
	struct cmsghdr *cm = n == -1 ? NULL : CMSG_FIRSTHDR(&mh);
	struct ucred from = {.pid = 0};

	if (cm != NULL && cm->cmsg_level == SOL_SOCKET &&
	    cm->cmsg_type == SCM_CREDENTIALS)
		memcpy(&from, CMSG_DATA(cm), sizeof(from));
	*sender = from.pid;
	*flags = mh.msg_flags;
	return n;
}

/* Before the keeper closes it, who would wait for what lingers there. */
static void
empty(int fd)
{
	char byte;

	shutdown(fd, SHUT_RD); /* nobody sends there any more */
	while (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != -1)
		discard_message(fd);
}

/* 1: there was one; 0: there is none now. */
static int
read_one(struct worker *w, int obeyed)
{
	static char text[NOTIFY_TEXT_MAX];
	struct notify_text n;
	const char *what;
	pid_t sender;
	ssize_t len;
	int flags;

	len = peek(w->notify.fd, text, sizeof(text), &flags, &sender);
	if (len == -1)
		return 0;
	what = flags & MSG_TRUNC ? "it is too long"
	                         : notify_text_parse(text, (size_t)len, &n);
	if (what != NULL)
		warn(w, what);
	else if (obeyed) {
		w->notify.reading = 1;
		obey(w, &n, sender);
		w->notify.reading = 0;
	}
	/* Closes what came along, too: that is all there is to a BARRIER. */
	discard_message(w->notify.fd);
	return 1;
}

static void
read_all(struct worker *w, int obeyed)
{
	int i;

	/* In the midst of what it says, which is still to be taken. */
	if (w->notify.reading)
		return;
	for (i = 0; w->notify.fd != -1 && i < FINISH_MAX; i++)
		if (!read_one(w, obeyed))
			break;
}

void
notify_read(struct worker *w)
{
	read_all(w, 1);
}

void
notify_begin(struct worker *w)
{
	read_all(w, 0);
	w->notify.warned = 0;
	w->rec.said = SAID_NOTHING;
	w->rec.said_errno = 0;
	w->rec.status[0] = '\0';
}

/* --- whom it comes from --- */

static void
watch(struct worker *w)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = w};

	if (w->sup->notify.listening && w->notify.fd != -1 &&
	    epoll_ctl(w->sup->notify.epoll, EPOLL_CTL_ADD, w->notify.fd, &ev) ==
		-1)
		log_error(
		    "%s: cannot hear it: %s", w->conf->name, strerror(errno));
	w->notify.paused = 0;
}

static void
unwatch(struct worker *w)
{
	if (w->sup->notify.listening && w->notify.fd != -1 && !w->notify.paused)
		epoll_ctl(
		    w->sup->notify.epoll, EPOLL_CTL_DEL, w->notify.fd, NULL);
}

/* Who says more than anybody could read waits, and holds up nobody else. */
static int
is_too_much(struct worker *w)
{
	struct notify_sockets *n = &w->sup->notify;
	int64_t window = loop_now(w->sup->loop) / WINDOW_MS;

	if (w->notify.window != window) {
		w->notify.window = window;
		w->notify.said = 0;
	}
	if (w->notify.said++ < WINDOW_MAX)
		return 0;
	unwatch(w);
	w->notify.paused = 1;
	if (!n->pause.active)
		loop_timer_start(&n->pause, WINDOW_MS);
	return 1;
}

static void
pause_cb(struct loop_timer *t)
{
	struct supervisor *s = t->arg;
	struct worker *w;
	size_t i;

	ROSTER_EACH (&s->roster, i, w)
		if (w->notify.paused)
			watch(w);
}

static void
io_cb(struct loop_io *io, int events)
{
	struct epoll_event ready[BATCH];
	struct supervisor *s = io->arg;
	struct worker *w;
	int i, j, n;

	(void)events;
	n = epoll_wait(s->notify.epoll, ready, BATCH, 0);
	for (i = 0; i < n; i++) {
		w = ready[i].data.ptr;
		for (j = 0; j < TURN_MAX && !is_too_much(w); j++)
			if (!read_one(w, 1))
				break;
	}
}

/* --- the sockets --- */

void
notify_worker_init(struct worker *w)
{
	w->notify = (struct worker_notify){.fd = -1};
}

void
notify_worker_release(struct worker *w)
{
	unwatch(w);
	fd_close(&w->notify.fd);
}

static void
let_go(struct worker *w)
{
	char name[KEEPER_NAME_MAX + 1];

	if (w->notify.fd == -1)
		return;
	held_name(w, name);
	empty(w->notify.fd);
	notify_worker_release(w);
	link_drop(&w->sup->link, name);
}

/* Is what has its path its own? What else is there is of somebody who wants
 * to be there. */
static int
is_there(struct worker *w, struct notify_lent *at)
{
	ino_t inode = notify_socket_find(at->path, &at->owner);

	if (w->notify.inode == 0)
		w->notify.inode = inode;
	return inode != 0 && inode == w->notify.inode;
}

void
notify_forget(struct worker *w)
{
	struct notify_lent at;

	if (w->notify.fd == -1)
		return;
	path_of(w, at.path);
	if (is_there(w, &at))
		unlink(at.path);
	let_go(w);
}

/* Of two ids that are too long the short names may be one. */
static int
is_taken(const struct worker *w, const char *path)
{
	char other[NOTIFY_PATH_SIZE];
	struct worker *v;
	size_t i;

	if (strcmp(strrchr(path, '/') + 1, w->rec.name) == 0)
		return 0;
	ROSTER_EACH (&w->sup->roster, i, v) {
		if (v == w || v->notify.fd == -1)
			continue;
		path_of(v, other);
		if (strcmp(other, path) == 0)
			return 1;
	}
	return 0;
}

/* -1: *e begins with the stage of a birth. */
static int
make(struct worker *w, const char *path, struct err *e)
{
	if (is_taken(w, path))
		return err_set(e, "notify: '%s' is another's", path);
	if (w->notify.fd != -1)
		empty(w->notify.fd);
	notify_worker_release(w);
	w->notify.fd = notify_socket_make(w->sup->runtime_dir, path, e);
	if (w->notify.fd == -1)
		return -1;
	w->notify.fd = fd_raise(w->notify.fd);
	w->notify.inode = 0;
	watch(w);
	return 0;
}

/* Would it be of no use without its socket? */
static int
is_needed(const struct worker *w)
{
	return w->conf->ready.kind == READY_NOTIFY || w->conf->watchdog != 0;
}

int
notify_lend(struct worker *w, struct notify_lent *lent, struct err *e)
{
	char name[KEEPER_NAME_MAX + 1];

	lent->path[0] = '\0';
	if (!is_wanted(w))
		return 0;
	path_of(w, lent->path);
	if (w->notify.fd != -1 && is_there(w, lent))
		return 0;
	if (make(w, lent->path, e) == -1) {
		lent->path[0] = '\0';
		if (is_needed(w))
			return -1;
		if (!w->notify.missing)
			log_warn("%s: %s", w->conf->name, e->text);
		w->notify.missing = 1;
		return 0;
	}
	w->notify.missing = 0;
	lent->owner = geteuid();
	held_name(w, name);
	link_hold(&w->sup->link, name, w->notify.fd);
	return 0;
}

void
notify_adopt(struct supervisor *s)
{
	struct link *l = &s->link;
	struct link_held *h;
	struct worker *w;
	size_t i;

	for (i = 0; i < l->nheld; i++) {
		h = &l->held[i];
		if (h->fd == -1 ||
		    strncmp(h->name, PREFIX, strlen(PREFIX)) != 0)
			continue;
		w = roster_by_id(&s->roster, h->name + strlen(PREFIX));
		if (w == NULL || !is_wanted(w)) {
			empty(h->fd);
			link_drop(l, h->name);
			fd_close(&h->fd);
			continue;
		}
		fd_close(&w->notify.fd); /* the last one counts */
		w->notify.fd = fd_raise(h->fd);
		h->fd = -1;
	}
}

/* Sockets on their way to the keeper. */
struct batch {
	char text[HOLD_BATCH][KEEPER_NAME_MAX + 1];
	const char *names[HOLD_BATCH];
	int fds[HOLD_BATCH];
	size_t n;
};

static void
batch_send(struct supervisor *s, struct batch *b)
{
	if (b->n > 0)
		link_hold_many(&s->link, b->names, b->fds, b->n);
	b->n = 0;
}

/* In the place of those that died with their keeper, too: the processes that
 * an earlier svd has left go on to know them by their names. What fails is said
 * once, and each birth tries again. */
static void
make_missing(struct supervisor *s)
{
	struct batch b = {.n = 0};
	char path[NOTIFY_PATH_SIZE];
	struct worker *w;
	struct err e;
	size_t i;

	ROSTER_EACH (&s->roster, i, w) {
		if (w->notify.fd != -1 || !is_wanted(w))
			continue;
		if (b.n == HOLD_BATCH)
			batch_send(s, &b);
		path_of(w, path);
		if (make(w, path, &e) == -1) {
			log_error("%s: %s", w->conf->name, e.text);
			break;
		}
		if (w->rec.pid != 0 && prepare_give(w->conf, path, &e) == -1)
			log_error("%s: %s", w->conf->name, e.text);
		held_name(w, b.text[b.n]);
		b.names[b.n] = b.text[b.n];
		b.fds[b.n++] = w->notify.fd;
	}
	batch_send(s, &b);
}

void
notify_listen(struct supervisor *s)
{
	struct notify_sockets *n = &s->notify;
	struct worker *w;
	size_t i;

	if (n->listening || s->init_mode || s->runtime_dir == NULL ||
	    !s->resumed || s->control == NULL)
		return;
	n->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (n->epoll == -1) {
		log_error(
		    "cannot hear what workers notify: %s", strerror(errno));
		return;
	}
	n->listening = 1;
	loop_io_init(s->loop, &n->io, n->epoll, io_cb, s);
	loop_timer_init(s->loop, &n->pause, pause_cb, s);
	loop_io_set(&n->io, LOOP_READ);
	ROSTER_EACH (&s->roster, i, w)
		watch(w);
	if (s->link.life == 1)
		notify_sockets_remove(s->runtime_dir);
	make_missing(s);
}

void
notify_finish(struct supervisor *s)
{
	if (s->notify.listening)
		notify_sockets_remove(s->runtime_dir);
}
