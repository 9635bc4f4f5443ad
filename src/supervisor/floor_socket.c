/* floor_socket: see floor_socket.h. */
#include "supervisor/floor_socket.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/proctree.h"
#include "base/sys.h"
#include "ipc/chan.h"
#include "ipc/proto_floor.h"
#include "supervisor/discard.h"
#include "supervisor/floor.h"
#include "supervisor/supervisor.h"
#include "supervisor/trace.h"

#define BATCH 64    /* messages read in one turn of the loop */
#define END_MS 1000 /* from the end of what it says to its own */

/* One message with what came along; each descriptor taken is -1. */
struct message {
	struct floor_msg m;
	int fds[CHAN_FDS_MAX];
	size_t nfds;
};

/* Descriptor `name` of the message, now the caller's; -1: none. */
static int
take_fd(struct message *msg, const char *name)
{
	int i = floor_get_fd(&msg->m, name), fd;

	if (i == -1 || (size_t)i >= msg->nfds)
		return -1;
	fd = msg->fds[i];
	msg->fds[i] = -1;
	return fd;
}

/* The slot, if this is the process that it has now. */
static struct worker *
worker_of(const struct floor_socket *fs)
{
	struct worker *w = fs->floor->slots[fs->slot];

	return w != NULL && w->rec.line == fs->token ? w : NULL;
}

static void
held_name(const struct floor_socket *fs, const char *kind,
    char out[KEEPER_NAME_MAX + 1])
{
	snprintf(out, KEEPER_NAME_MAX + 1, "%s:%.80s", kind, fs->suffix);
}

/* The keeper's descriptor by that name is fd from here on; -1: none. */
static void
hold(const struct floor_socket *fs, const char *kind, int fd)
{
	char name[KEEPER_NAME_MAX + 1];

	held_name(fs, kind, name);
	if (fd == -1)
		link_drop(&fs->floor->sup->link, name);
	else
		link_hold(&fs->floor->sup->link, name, fd);
}

static void
read_cb(struct loop_io *io, int events)
{
	(void)events;
	floor_socket_read(io->arg);
}

static int read_all(struct floor_socket *fs);

/* What holds a lock across the fork waits for ever. */
static void
deadline_cb(struct loop_timer *t)
{
	struct floor_socket *fs = t->arg;
	struct worker *w = worker_of(fs);
	char wait[32];
	struct err e;

	if (fs->ended) {
		if (w != NULL)
			worker_kill(w, &e);
		floor_socket_end(fs);
		return;
	}
	/* It may be we who were held up: the answer may be there. */
	if (read_all(fs) == -1) {
		floor_socket_read(fs);
		return;
	}
	if (w == NULL || w->rec.pid == 0 || fs->asked == 0 || t->active)
		return;
	units_format_duration(
	    w->conf->as_floor->fork_timeout, wait, sizeof(wait));
	snprintf(w->rec.fault, sizeof(w->rec.fault),
	    "a fork did not come to its end within %s: is a lock held across "
	    "it?",
	    wait);
	worker_record(w);
	log_error("%s: %s", w->conf->name, w->rec.fault);
	proctree_kill(w->rec.pid);
}

/* Takes fd. NULL: no memory, and it is closed. */
static struct floor_socket *
make(struct floor *f, uint64_t token, int slot, uint64_t generation, int fd)
{
	struct floor_socket *fs = calloc(1, sizeof(*fs));

	if (fs == NULL) {
		fd_close(&fd);
		return NULL;
	}
	*fs = (struct floor_socket){.floor = f,
	    .token = token,
	    .slot = slot,
	    .generation = generation,
	    .fd = fd,
	    .load = -1,
	    .late = -1};
	snprintf(fs->suffix, sizeof(fs->suffix), "%" PRIx64 ":%s:%d:%" PRIx64,
	    token, f->name, slot, generation);
	loop_io_init(f->sup->loop, &fs->io, fd, read_cb, fs);
	loop_timer_init(f->sup->loop, &fs->deadline, deadline_cb, fs);
	loop_io_set(&fs->io, LOOP_READ);
	LIST_INSERT_HEAD(&f->sockets, fs, link);
	return fs;
}

int
floor_socket_make(struct worker *w, int *end, struct err *e)
{
	struct floor_socket *fs;
	int pair[2];

	if (chan_pair(pair) == -1)
		return err_sys(e, errno, "cannot make a socket pair");
	fs = make(w->floor, w->rec.line, w->conf->instance, w->rec.generation,
	    pair[0]);
	if (fs == NULL) {
		fd_close(&pair[1]);
		return err_sys(e, ENOMEM, "preparing");
	}
	hold(fs, "floor", fs->fd);
	*end = pair[1];
	return 0;
}

int
floor_socket_adopt(struct supervisor *s, const char *held, int fd)
{
	char name[FLEET_NAME_MAX + 1], kind[8];
	uint64_t token, generation;
	struct floor_socket *fs;
	struct floor *f;
	int slot;

	_Static_assert(FLEET_NAME_MAX == 40, "%40s");
	if (sscanf(held, "%7[a-z]:%" SCNx64 ":%40[^:]:%d:%" SCNx64, kind,
		&token, name, &slot, &generation) != 5 ||
	    (f = floor_find(s, name)) == NULL || slot < 0 ||
	    slot >= FLOOR_SLOTS) {
		fd_close(&fd);
		return -1;
	}
	if (strcmp(kind, "floor") == 0) {
		fs = make(f, token, slot, generation, fd);
		if (fs != NULL)
			fs->unknown = FLOOR_ASKED_MAX;
		return fs == NULL ? -1 : 0;
	}
	LIST_FOREACH (fs, &f->sockets, link)
		if (fs->token == token)
			break;
	if (fs != NULL && strcmp(kind, "load") == 0 && fs->load == -1)
		fs->load = fd;
	else if (fs != NULL && strcmp(kind, "late") == 0 && fs->late == -1)
		fs->late = fd;
	else {
		fd_close(&fd);
		return -1;
	}
	return 0;
}

void
floor_socket_end(struct floor_socket *fs)
{
	loop_io_set(&fs->io, 0);
	loop_timer_stop(&fs->deadline);
	hold(fs, "floor", -1);
	if (fs->load != -1)
		hold(fs, "load", -1);
	if (fs->late != -1)
		hold(fs, "late", -1);
	fd_close(&fs->load);
	fd_close(&fs->late);
	fd_close(&fs->fd);
	LIST_REMOVE(fs, link);
	floor_wake(fs->floor);
	free(fs);
}

/* Is this the answer to a FORK of ours, or perhaps of a predecessor's? Then one
 * less is waited for. (Of one whose intermediate was killed there may be two.)
 * m NULL: it was lost. */
static int
answered(struct floor_socket *fs, const struct floor_msg *m)
{
	const struct worker *w = worker_of(fs);
	uint64_t token = m == NULL ? 0 : floor_get_number(m, "token");
	unsigned int i;

	for (i = 0; i < fs->asked && fs->tokens[i] != token; i++)
		if (m == NULL)
			break;
	if (i < fs->asked)
		fs->tokens[i] = fs->tokens[--fs->asked];
	else if (fs->unknown > 0)
		fs->unknown--;
	else
		return 0;
	if (fs->asked > 0 && w != NULL)
		loop_timer_start(
		    &fs->deadline, w->conf->as_floor->fork_timeout);
	else
		loop_timer_stop(&fs->deadline);
	floor_wake(fs->floor);
	return 1;
}

int
floor_socket_ask(struct floor_socket *fs)
{
	const struct worker *w = worker_of(fs);
	struct floor_packet p;
	uint64_t token;
	char data[64];

	if (w == NULL || fs->asked >= FLOOR_ASKED_MAX)
		return -1;
	floor_begin(&p, data, sizeof(data), "FORK");
	token = supervisor_new_token(fs->floor->sup);
	floor_add_number(&p, "token", token);
	if (chan_send(fs->fd, data, p.len, NULL, 0, MSG_DONTWAIT) == -1)
		return -1;
	fs->tokens[fs->asked++] = token;
	if (fs->asked == 1)
		loop_timer_start(
		    &fs->deadline, w->conf->as_floor->fork_timeout);
	return 0;
}

void
floor_socket_retire(struct floor_socket *fs)
{
	static const char packet[] = "RETIRE";

	chan_send(fs->fd, packet, sizeof(packet), NULL, 0, MSG_DONTWAIT);
}

/* What is told of the modules is for people, and kept as it came. */
static void
on_loaded(struct floor_socket *fs, struct message *msg)
{
	struct worker *w = worker_of(fs);
	size_t len = (size_t)(msg->m.end - msg->m.fields);
	uint64_t threads = floor_get_number(&msg->m, "threads");

	if (w == NULL || w->rec.state != WS_STARTING || w->rec.pid == 0)
		return;
	if (fs->load == -1) {
		fs->load = sys_memfd("svd-load");
		if (fs->load != -1 &&
		    write(fs->load, msg->m.fields, len) == (ssize_t)len)
			hold(fs, "load", fs->load);
	}
	if (fs->late == -1 && (fs->late = take_fd(msg, "late")) != -1)
		hold(fs, "late", fs->late);
	log_info("%s: loaded in %" PRIu64 " ms, generation %" PRIu64,
	    w->conf->name, floor_get_number(&msg->m, "ms"), fs->generation);
	if (threads > 1)
		log_warn("%s: %" PRIu64 " threads: a worker has none but its "
			 "own, and a lock that one of them holds is held in it "
			 "for ever",
		    w->conf->name, threads);
	/* Of an earlier generation. */
	fs->floor->halted[0] = '\0';
	worker_handle(w, EV_READY);
}

static void
log_lines(const char *name, const char *text)
{
	int len;

	for (; text != NULL && *text != '\0';
	     text += len + (text[len] != '\0')) {
		len = (int)strcspn(text, "\n");
		log_error("%s: %.*s", name, len, text);
	}
}

/* Loud, and once: the workers that wait for it only say that they do. */
static void
on_loadfail(struct floor_socket *fs, struct message *msg)
{
	struct worker *w = worker_of(fs);
	const char *what = floor_get(&msg->m, "what");
	const char *traceback = floor_get(&msg->m, "traceback");

	if (w == NULL || w->rec.state != WS_STARTING || w->rec.fault[0] != '\0')
		return;
	snprintf(w->rec.fault, sizeof(w->rec.fault), "%s",
	    what == NULL ? "cannot be loaded" : what);
	worker_record(w);
	trace_put(w, traceback);
	log_lines(w->conf->name, traceback);
	worker_expect_end(w);
}

/* By an intermediate, which may end, and be reaped, as we look. */
static int
is_forked_by(int pid, pid_t floor, pid_t keeper)
{
	pid_t parent = sys_parent(pid);

	return parent == keeper || parent == floor ||
	       sys_parent(parent) == floor || sys_parent(pid) == keeper;
}

static uid_t
owner_of(int pid)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	return stat(path, &st) == -1 ? (uid_t)-1 : st.st_uid;
}

static int
is_out_of_descriptors(int error)
{
	return error == EMFILE || error == ENFILE;
}

/*
 * What a floor says need not be true; what it makes us kill must at least be
 * its own. By now, or in a moment, the process is the keeper's child. Sets
 * errno where it could not be looked at.
 */
static int
is_its_own(const struct floor_socket *fs, int pid, int pidfd)
{
	const struct supervisor *s = fs->floor->sup;
	const struct worker *w = worker_of(fs);

	if (pid <= 1 || pid == getpid() || pid == s->link.keeper_pid ||
	    pid == s->output.logger || roster_by_pid(&s->roster, pid) != NULL)
		return 0;
	if (pidfd != -1 && sys_pidfd_pid(pidfd) != pid &&
	    access("/proc/self/fdinfo", F_OK) == 0)
		return 0;
	/* No /proc: a zombie would still be there. */
	if (sys_parent(pid) == 0 && !is_out_of_descriptors(errno))
		return kill(pid, 0) == 0;
	if (!is_forked_by(pid, w == NULL || w->rec.pid == 0 ? -1 : w->rec.pid,
		s->link.keeper_pid))
		return 0;
	return w == NULL || w->rec.pid == 0 || geteuid() != 0 ||
	       owner_of(w->rec.pid) == 0 ||
	       owner_of(pid) == owner_of(w->rec.pid);
}

/* Takes fd. */
static void
add_spare(struct floor *f, struct line_name *n, int fd)
{
	struct line *l;

	snprintf(n->floor, sizeof(n->floor), "%s", f->name);
	l = line_new(f->sup, n, fd);
	if (l == NULL) {
		floor_fork_failed(f, "out of memory");
		return;
	}
	link_born(&f->sup->link, n->pid);
	floor_add_spare(f, l);
}

static void
on_forked(struct floor_socket *fs, struct message *msg)
{
	struct supervisor *s = fs->floor->sup;
	int fd = take_fd(msg, "line"), pidfd = take_fd(msg, "pidfd");
	struct line_name n = {.slot = fs->slot,
	    .generation = fs->generation,
	    .pid = (int)floor_get_number(&msg->m, "pid"),
	    .token = supervisor_new_token(s)};
	char what[80];

	errno = 0;
	/* A predecessor may have come as far as that. */
	if (!answered(fs, &msg->m) || floors_know(s, n.pid))
		fd_close(&fd);
	else if (fd == -1)
		floor_fork_failed(fs->floor, "a process without a line");
	else if (!is_its_own(fs, n.pid, pidfd)) {
		snprintf(what, sizeof(what),
		    is_out_of_descriptors(errno)
			? "cannot look at process %d: %m"
			: "process %d is none of its own, and no worker",
		    n.pid);
		fd_close(&fd);
		floor_fork_failed(fs->floor, what);
	} else
		add_spare(fs->floor, &n, fd);
	fd_close(&pidfd);
}

static void
on_forkfail(struct floor_socket *fs, struct message *msg)
{
	const char *what = floor_get(&msg->m, "what");

	if (answered(fs, &msg->m))
		floor_fork_failed(
		    fs->floor, what == NULL ? "fork failed" : what);
}

static const struct {
	const char *verb;
	void (*fn)(struct floor_socket *fs, struct message *msg);
} verbs[] = {
    {"LOADED", on_loaded},
    {"LOADFAIL", on_loadfail},
    {"FORKED", on_forked},
    {"FORKFAIL", on_forkfail},
};

/* Looked at, obeyed, and only then taken. 1: there was one, 0: none now, -1:
 * there will be none any more. */
static int
read_one(struct floor_socket *fs)
{
	static char packet[FLOOR_PACKET_MAX];
	struct message msg = {.nfds = 0};
	const char *lost;
	ssize_t n;
	size_t i;

	n = chan_recv(fs->fd, packet, sizeof(packet), msg.fds, &msg.nfds,
	    MSG_PEEK | MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n == 0 || (n == -1 && errno != EMSGSIZE))
		return -1;
	if (n == -1) {
		/* Too long; or our descriptors are used up, and what it told
		 * of ends at once. */
		lost = "a message was lost: it was too long, or svd has no "
		       "descriptors left";
		if (answered(fs, NULL))
			floor_fork_failed(fs->floor, lost);
		else
			log_warn("floor:%s: %s", fs->floor->name, lost);
	} else if (floor_parse(packet, (size_t)n, &msg.m) == 0)
		for (i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
			if (strcmp(msg.m.verb, verbs[i].verb) == 0)
				verbs[i].fn(fs, &msg);
	for (i = 0; i < msg.nfds; i++)
		fd_close(&msg.fds[i]);
	discard_message(fs->fd);
	return 1;
}

/* As read_one() did for the last one. */
static int
read_all(struct floor_socket *fs)
{
	int i, rc = 1;

	for (i = 0; i < BATCH && rc == 1; i++)
		rc = read_one(fs);
	return rc;
}

/* A floor without its socket is of no use. As a rule it is about to end, and
 * its status will say why. */
static void
await_end(struct floor_socket *fs)
{
	fs->ended = 1;
	fs->asked = 0;
	loop_io_set(&fs->io, 0);
	loop_timer_start(&fs->deadline, END_MS);
}

void
floor_socket_read(struct floor_socket *fs)
{
	const struct worker *w = worker_of(fs);

	if (fs->ended || read_all(fs) != -1)
		return;
	if (w != NULL && w->rec.pid != 0 && w->rec.state != WS_STOPPING)
		await_end(fs);
	else
		floor_socket_end(fs);
}

void
floor_socket_finish(struct floor_socket *fs)
{
	if (fs->ended || read_all(fs) == -1)
		floor_socket_end(fs);
}
