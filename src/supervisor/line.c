/* line: see line.h. */
#include "supervisor/line.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/sys.h"
#include "ipc/chan.h"
#include "ipc/proto_birth.h"
#include "ipc/proto_floor.h"
#include "supervisor/channel.h"
#include "supervisor/discard.h"
#include "supervisor/prepare.h"
#include "supervisor/privilege.h"
#include "supervisor/readiness.h"
#include "supervisor/supervisor.h"
#include "supervisor/trace.h"

#define PACKET_MAX 1024 /* bytes of START */
#define FINISH_MAX 512  /* messages */

int
line_parse_name(const char *held, struct line_name *n)
{
	_Static_assert(FLEET_NAME_MAX == 40, "%40s");
	/* A floor's name has no colon. */
	return sscanf(held, "line:%" SCNx64 ":%d:%40[^:]:%d:%" SCNx64,
		   &n->token, &n->pid, n->floor, &n->slot, &n->generation) == 5
	           ? 0
	           : -1;
}

static void
read_cb(struct loop_io *io, int events)
{
	struct line *l = io->arg;

	(void)events;
	/* What it says later is only read once it is dead. */
	if (line_read(l) == -1 || l->worker == NULL ||
	    !worker_in_set_up(l->worker))
		loop_io_set(&l->io, 0);
}

struct line *
line_new(struct supervisor *s, const struct line_name *n, int fd)
{
	struct line *l = calloc(1, sizeof(*l));
	int pidfd;

	if (l == NULL) {
		fd_close(&fd);
		return NULL;
	}
	l->sup = s;
	l->token = n->token;
	l->slot = n->slot;
	l->generation = n->generation;
	l->pid = n->pid;
	l->fd = fd;
	snprintf(l->name, sizeof(l->name), "line:%" PRIx64 ":%d:%s:%d:%" PRIx64,
	    n->token, n->pid, n->floor, n->slot, n->generation);
	loop_io_init(s->loop, &l->io, fd, read_cb, l);
	/* The keeper's child, not acknowledged: the pid is its own. */
	pidfd = sys_pidfd_open(l->pid);
	identity_take(l->pid, pidfd, &l->id);
	fd_close(&pidfd);
	link_hold(&s->link, l->name, fd);
	return l;
}

void
line_end(struct line *l)
{
	link_drop_later(&l->sup->link, l->name);
	supervisor_wake(l->sup);
	loop_io_set(&l->io, 0);
	fd_close(&l->fd);
	if (l->worker != NULL)
		l->worker->line = NULL;
	free(l);
}

int
line_is_dead(const struct line *l)
{
	char byte;

	return recv(l->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != -1 ||
	       errno != EAGAIN;
}

static int
add(struct buf *b, const char *key, const char *value)
{
	return buf_addf(b, "%s=%s%c", key, value, 0);
}

static int
add_list(struct buf *b, const char *key, char *const *list)
{
	for (; list != NULL && *list != NULL; list++)
		if (add(b, key, *list) == -1)
			return -1;
	return 0;
}

/* Has it that user already, as its floor has? */
static int
has_user(const struct line *l, const struct set_up *to)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d", l->pid);
	return to->uid != 0 && stat(path, &st) == 0 && st.st_uid == to->uid;
}

static int
add_user(struct buf *b, const struct line *l, const struct set_up *to)
{
	size_t i;

	if (!to->set_user || has_user(l, to))
		return 0;
	if (buf_addf(b, "uid=%u%cgid=%u%c", (unsigned int)to->uid, 0,
		(unsigned int)to->gid, 0) == -1)
		return -1;
	for (i = 0; i < to->ngroups; i++)
		if (buf_addf(b, "group=%u%c", (unsigned int)to->groups[i], 0) ==
		    -1)
			return -1;
	return 0;
}

/* The memfd with all that START says; -1. */
static int
make_fields(const struct line *l, const struct preparation *p)
{
	const struct worker_conf *c = l->worker->conf;
	struct buf b = {0};
	int fd = -1, rc;

	rc = add(&b, "name", c->name) == -1 ||
	     buf_addf(&b, "instance=%d%c", c->instance, 0) == -1 ||
	     add(&b, "entry", c->entry) == -1 ||
	     add_list(&b, "arg", c->args) == -1 ||
	     add_list(&b, "env", p->envp) == -1 ||
	     buf_addf(&b, "umask=%o%c", c->umask, 0) == -1 ||
	     add(&b, "directory", c->directory) == -1 ||
	     (p->job.to.takes_terminal && add(&b, "tty", "yes") == -1) ||
	     add_user(&b, l, &p->job.to) == -1;
	if (!rc)
		fd = sys_memfd("svd-start");
	if (fd != -1 && write(fd, b.data, b.len) != (ssize_t)b.len)
		fd_close(&fd);
	buf_release(&b);
	return fd;
}

static int
send_start(struct line *l, const struct preparation *p, struct err *e)
{
	struct floor_packet packet;
	char data[PACKET_MAX];
	int fds[1 + SET_UP_FDS], i, n = 1, rc = 0;

	fds[0] = make_fields(l, p);
	if (fds[0] == -1)
		return err_sys(e, errno, "preparing");
	floor_begin(&packet, data, sizeof(data), "START");
	floor_add(&packet, "fd", "fields");
	for (i = 0; i < 3; i++) {
		/* Nothing to put there means svd's own. */
		fds[n++] = p->job.to.fds[i] == -1 ? i : p->job.to.fds[i];
		floor_add_number(&packet, "fd", (uint64_t)i);
	}
	for (; i < SET_UP_FDS; i++)
		if (p->job.to.fds[i] != -1) {
			fds[n++] = p->job.to.fds[i];
			floor_add_number(&packet, "fd", (uint64_t)i);
		}
	/* Whoever has ended meanwhile is heard of otherwise. */
	if (chan_send(l->fd, data, packet.len, fds, (size_t)n, MSG_DONTWAIT) ==
		-1 &&
	    errno != EPIPE && errno != ECONNRESET)
		rc = err_sys(e, errno, "cannot send its start");
	fd_close(&fds[0]);
	return rc;
}

int
line_start(struct line *l, struct err *e)
{
	static struct preparation p;
	struct worker *w = l->worker;
	int fifos[OUTPUT_STREAMS], rc = -1;
	struct spawn_request r = {.conf = w->conf,
	    .token = l->token,
	    .pid = l->pid,
	    .store = w->store,
	    .generation = w->rec.generation};

	if (channel_lend(w, &r.pass, e) == -1 ||
	    readiness_prepare(w, &r.ready, e) == -1 ||
	    notify_lend(w, &r.notify, e) == -1 ||
	    input_open(w, &r.input, e) == -1)
		goto out;
	if (output_open(w, fifos, e) == -1)
		goto out;
	r.fifos = fifos;
	if (prepare(&p, &w->sup->spawner, &r, e) == 0 &&
	    privilege_give(w->conf, &p.job.to, l->pid, e) == 0)
		rc = send_start(l, &p, e);
	prepare_release(&p);
	output_close(fifos);
out:
	input_close(&r.input);
	input_close(&r.ready);
	return rc;
}

void
line_watch(struct line *l)
{
	loop_io_set(&l->io, LOOP_READ);
}

static void
on_started(struct worker *w, const struct floor_msg *m)
{
	(void)m;
	if (worker_in_set_up(w) && w->rec.fault[0] == '\0')
		readiness_begin(w);
	channel_lent(w);
}

static void
on_startfail(struct worker *w, const struct floor_msg *m)
{
	struct birth b = {.token = w->rec.token,
	    .stage = (uint16_t)floor_get_number(m, "stage"),
	    .detail = (uint16_t)floor_get_number(m, "detail"),
	    .error = (int32_t)floor_get_number(m, "errno")};
	char fault[RECORD_FAULT_MAX];

	births_describe(&b, w, fault, sizeof(fault));
	if (b.error != 0)
		worker_set_up_failed(w, w->rec.token, fault);
	else
		w->stage = birth_stage_name(b.stage);
}

/* It is about to end of this. */
static void
on_exception(struct worker *w, const struct floor_msg *m)
{
	const char *what = floor_get(m, "what");

	if (w->rec.fault[0] != '\0' || worker_in_set_up(w))
		return;
	snprintf(w->rec.fault, sizeof(w->rec.fault), "%s",
	    what == NULL ? "an exception" : what);
	w->rec.raised = 1;
	trace_put(w, floor_get(m, "traceback"));
	worker_record(w);
}

static const struct {
	const char *verb;
	void (*fn)(struct worker *w, const struct floor_msg *m);
} verbs[] = {
    {"STARTED", on_started},
    {"STARTFAIL", on_startfail},
    {"EXCEPTION", on_exception},
};

int
line_read(struct line *l)
{
	static char packet[FLOOR_PACKET_MAX];
	struct floor_msg m;
	ssize_t n;
	size_t i;

	/* Looked at, obeyed, and only then taken. */
	n = chan_recv(
	    l->fd, packet, sizeof(packet), NULL, NULL, MSG_PEEK | MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n == 0 || (n == -1 && errno != EMSGSIZE))
		return -1;
	if (n > 0 && l->worker != NULL &&
	    floor_parse(packet, (size_t)n, &m) == 0)
		for (i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
			if (strcmp(m.verb, verbs[i].verb) == 0)
				verbs[i].fn(l->worker, &m);
	discard_message(l->fd);
	return 1;
}

void
line_finish(struct line *l)
{
	int i;

	/* What a socket can hold; what comes on and on is nobody's business. */
	for (i = 0; i < FINISH_MAX && line_read(l) == 1; i++)
		;
}
