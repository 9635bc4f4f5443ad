/* readiness: see readiness.h. */
#include "supervisor/readiness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "core/backoff.h"
#include "supervisor/adopted.h"
#include "supervisor/aside.h"
#include "supervisor/probe.h"
#include "supervisor/supervisor.h"

#define HELD "ready:"
#define FIRST_WAIT_MS 10 /* between two tries of an address; then doubled */
#define LAST_WAIT_MS 1000
#define COMMAND_WAIT_MS 1000 /* from the end of a command */
#define COMMAND_MS 10000     /* that it may take */
#define LATE_MS 100          /* then it may be we who were held up: */
#define SPARE_MS 1000        /* it has as much more, once */
#define READ_BYTES 4096      /* in one turn of the loop */
#define READ_MAX_BYTES 65536 /* without a newline */

struct readiness {
	struct worker *w;
	enum ready_kind kind;
	int fd; /* READY_FD: our end, or -1 */
	size_t nread;
	struct loop_io io;
	struct loop_timer again; /* the next try; the longest time of a command
	                          */
	struct probe *probe;     /* of an address; or NULL */
	int64_t wait;            /* until the try after the next one */
	int resumed;             /* a predecessor has begun it */
	int asking;              /* by a command that is of this life of w */
	int spared;
	char said[RECORD_FAULT_MAX]; /* why it is not ready yet, "" if that is
	                                not known */
};

static void
held_name(const struct worker *w, char out[KEEPER_NAME_MAX + 1])
{
	snprintf(out, KEEPER_NAME_MAX + 1, HELD "%s", w->rec.name);
}

static void
say(struct readiness *r, const char *text)
{
	snprintf(
	    r->said, sizeof(r->said), "%.*s", (int)sizeof(r->said) - 1, text);
}

/* --- its own word: a newline --- */

static void
unwatch(struct readiness *r, const char *why)
{
	say(r, why);
	loop_io_set(&r->io, 0);
}

/* Copies what is in the pipe, and leaves it there. -1: it cannot be looked at
 * now, errno. */
static ssize_t
peek(int fd, char *bytes, size_t size)
{
	int ends[2], error;
	ssize_t n;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1)
		return -1;
	n = tee(fd, ends[1], size, SPLICE_F_NONBLOCK);
	error = errno;
	if (n > 0)
		n = read(ends[0], bytes, (size_t)n);
	close(ends[0]);
	close(ends[1]);
	errno = error;
	return n;
}

/* What does not count is taken; what does goes with the pipe, once it is on
 * record. 1: there may be more. */
static int
read_some(struct readiness *r)
{
	char bytes[READ_BYTES];
	ssize_t n = peek(r->fd, bytes, sizeof(bytes));

	if (n == -1 && errno == EAGAIN)
		return 0;
	if (n == -1) {
		unwatch(r, strerror(errno));
		loop_timer_start(&r->again, LAST_WAIT_MS);
		return 0;
	}
	if (n == 0) {
		unwatch(r, "closed without one");
		return 0;
	}
	if (memchr(bytes, '\n', (size_t)n) != NULL) {
		worker_handle(r->w, EV_READY);
		return 0;
	}
	n = read(r->fd, bytes, (size_t)n);
	r->nread += n > 0 ? (size_t)n : 0;
	if (r->nread < READ_MAX_BYTES)
		return n > 0;
	unwatch(r, "none in 64 KiB");
	return 0;
}

static void
io_cb(struct loop_io *io, int events)
{
	(void)events;
	read_some(io->arg);
}

void
readiness_listen(struct worker *w)
{
	struct readiness *r = w->readiness;

	if (r == NULL || r->fd == -1 || !w->rec.started ||
	    w->rec.state != WS_STARTING)
		return;
	while (r->io.events != 0 && read_some(r))
		;
}

static void
begin_fd(struct readiness *r)
{
	if (r->fd == -1)
		say(r, "its descriptor went with an earlier svd");
	else {
		say(r, "");
		loop_io_set(&r->io, LOOP_READ);
	}
}

static void
begin_notify(struct readiness *r)
{
	if (r->w->rec.said == SAID_READY)
		worker_handle(r->w, EV_READY);
}

/* --- asking others --- */

static void
begin_asking(struct readiness *r)
{
	r->wait = FIRST_WAIT_MS;
	/* A predecessor's command is as good as one of ours. */
	r->asking = r->resumed && r->w->rec.ready_pid != 0;
	loop_timer_start(&r->again, r->asking ? COMMAND_MS : 0);
}

static void
probe_done(struct probe *p, const char *error)
{
	struct readiness *r = p->arg;

	if (error == NULL) {
		worker_handle(r->w, EV_READY);
		return;
	}
	say(r, error);
	loop_timer_start(&r->again, r->wait);
	r->wait = r->wait * 2 < LAST_WAIT_MS ? r->wait * 2 : LAST_WAIT_MS;
}

static void
try_address(struct readiness *r)
{
	probe_start(r->probe, &r->w->conf->ready);
}

/* It still runs: too long, or it is what an earlier life of w has left. */
static void
try_command(struct readiness *r)
{
	struct worker *w = r->w;
	struct err e;

	if (w->rec.ready_pid != 0) {
		if (r->asking)
			say(r, "took longer than 10 s");
		loop_timer_start(&r->again, COMMAND_WAIT_MS);
		aside_kill(w, ASIDE_READY);
		return;
	}
	say(r, "");
	r->asking = 1;
	if (aside_spawn(w, ASIDE_READY, &e) == 0)
		loop_timer_start(&r->again, COMMAND_MS);
	else {
		say(r, e.text);
		loop_timer_start(&r->again, COMMAND_WAIT_MS);
	}
}

void
readiness_command_failed(struct worker *w, const char *fault)
{
	if (w->readiness != NULL)
		say(w->readiness, fault);
}

int
readiness_command_ended(struct worker *w, const struct death *d)
{
	struct readiness *r = w->readiness;
	char text[RECORD_FAULT_MAX];

	if (w->rec.state != WS_STARTING || !w->rec.started)
		return 0;
	/* A successor may hear of it before it asks by itself. */
	if (d->code == 0 && (r == NULL || r->asking)) {
		worker_handle(w, EV_READY);
		return 1;
	}
	if (r == NULL)
		return 0;
	if (r->asking && r->said[0] == '\0')
		say(r, death_describe(d, text, sizeof(text)));
	loop_timer_start(&r->again, r->asking ? COMMAND_WAIT_MS : 0);
	r->asking = 0;
	return 0;
}

static const struct {
	void (*begin)(struct readiness *r);
	void (*try)(struct readiness *r); /* again; NULL: never */
} forms[READY_KINDS] = {
    [READY_NOTIFY] = {begin_notify, NULL},
    [READY_FD] = {begin_fd, begin_fd},
    [READY_TCP] = {begin_asking, try_address},
    [READY_UNIX] = {begin_asking, try_address},
    [READY_HTTP] = {begin_asking, try_address},
    [READY_COMMAND] = {begin_asking, try_command},
};

static void
again_cb(struct loop_timer *t)
{
	struct readiness *r = t->arg;

	/* Another stanza ends it soon, but may be in force already. */
	if (r->kind == r->w->conf->ready.kind)
		forms[r->kind].try(r);
}

/* --- its life --- */

/* NULL: no memory. */
static struct readiness *
readiness_new(struct worker *w)
{
	struct readiness *r = calloc(1, sizeof(*r));
	enum ready_kind kind = w->conf->ready.kind;
	int asks = forms[kind].try == try_address;

	if (r == NULL)
		return NULL;
	if (asks && (r->probe = malloc(sizeof(*r->probe))) == NULL) {
		free(r);
		return NULL;
	}
	r->w = w;
	r->kind = kind;
	r->fd = -1;
	loop_io_init(w->sup->loop, &r->io, -1, io_cb, r);
	loop_timer_init(w->sup->loop, &r->again, again_cb, r);
	if (asks)
		probe_init(r->probe, w->sup->loop, probe_done, r);
	w->readiness = r;
	return r;
}

/* Takes fd. */
static void
set_fd(struct readiness *r, int fd)
{
	r->fd = fd;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	loop_io_init(r->w->sup->loop, &r->io, fd, io_cb, r);
}

/* To be read from as well: so whoever writes there lives on when svd is killed
 * whole. Else what the pipe was made with. */
static int
open_end(const struct readiness *r)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", r->fd);
	return open(path, O_RDWR | O_CLOEXEC);
}

static int
make_pipe(struct readiness *r, int *end, struct err *e)
{
	char name[KEEPER_NAME_MAX + 1];
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) == -1)
		return err_sys(e, errno, "streams: cannot make a pipe");
	set_fd(r, ends[0]);
	held_name(r->w, name);
	link_hold(&r->w->sup->link, name, r->fd);
	*end = open_end(r);
	if (*end == -1)
		*end = ends[1];
	else
		fd_close(&ends[1]);
	return 0;
}

int
readiness_prepare(struct worker *w, int *end, struct err *e)
{
	enum ready_kind kind = w->conf->ready.kind;
	struct readiness *r;

	*end = 0;
	/* What a birth had that did not take place. One from a floor may be
	 * told of its pipe a second time. */
	if (w->conf->floor == NULL ||
	    (w->readiness != NULL && w->readiness->kind != kind))
		readiness_end(w);
	if (kind == READY_EXEC)
		return 0;
	r = w->readiness != NULL ? w->readiness : readiness_new(w);
	if (r == NULL)
		return err_sys(e, ENOMEM, "preparing");
	if (kind != READY_FD)
		return 0;
	if (r->fd == -1)
		return make_pipe(r, end, e);
	*end = open_end(r);
	return *end != -1 ? 0
	                  : err_sys(e, errno, "streams: cannot open its pipe");
}

/* Nobody is left who could say so. */
static int
is_beyond_knowing(const struct worker *w)
{
	int lost = w->conf->ready.kind == READY_NOTIFY ||
	           (w->conf->ready.kind == READY_FD && w->readiness == NULL);

	return adopted_is(w) && w->rec.deadline == 0 && lost;
}

/* A reload may have given it more, and its supervisor not have come to record
 * that. */
static void
give_time(struct worker *w)
{
	int64_t deadline = w->rec.born + w->conf->start_timeout;

	if (w->conf->start_timeout == 0)
		w->rec.deadline = 0;
	else if (w->rec.deadline < deadline)
		w->rec.deadline = deadline;
}

void
readiness_begin(struct worker *w)
{
	int resumed = w->rec.started;

	if (w->conf->ready.kind == READY_EXEC) {
		worker_handle(w, EV_READY);
		return;
	}
	if (!w->rec.started) {
		w->rec.started = 1;
		worker_handle(w, EV_BORN);
	} else {
		give_time(w);
		worker_arm(w);
	}
	if (is_beyond_knowing(w))
		worker_handle(w, EV_READY);
	else if (w->readiness == NULL && readiness_new(w) == NULL)
		log_error("%s: out of memory: nobody asks whether it is ready",
		    w->conf->name);
	else {
		w->readiness->resumed = resumed;
		forms[w->readiness->kind].begin(w->readiness);
	}
}

void
readiness_end(struct worker *w)
{
	struct readiness *r = w->readiness;
	char name[KEEPER_NAME_MAX + 1];

	aside_kill(w, ASIDE_READY);
	if (r == NULL)
		return;
	loop_io_set(&r->io, 0);
	loop_timer_stop(&r->again);
	if (r->probe != NULL)
		probe_stop(r->probe);
	if (r->fd != -1) {
		held_name(w, name);
		link_drop(&w->sup->link, name);
	}
	fd_close(&r->fd);
	w->readiness = NULL;
	free(r->probe);
	free(r);
}

void
readiness_take_timeout(struct worker *w, int64_t was)
{
	int64_t is = w->conf->start_timeout;

	if (w->rec.state != WS_STARTING || !w->rec.started || is == was)
		return;
	if (is == 0)
		w->rec.deadline = 0;
	else if (was == 0)
		w->rec.deadline = w->rec.born + is;
	else
		w->rec.deadline += is - was;
	worker_record(w);
	worker_arm(w);
}

void
readiness_overdue(struct worker *w)
{
	struct readiness *r = w->readiness;
	char fault[RECORD_FAULT_MAX], waited[32], text[RECORD_FAULT_MAX];

	if (r != NULL && !r->spared &&
	    loop_now(w->sup->loop) - w->rec.deadline > LATE_MS) {
		r->spared = 1;
		loop_timer_start(&w->deadline, SPARE_MS);
		if (r->probe != NULL)
			try_address(r);
		return;
	}
	units_format_duration(
	    w->rec.deadline - w->rec.born, waited, sizeof(waited));
	snprintf(fault, sizeof(fault), "not ready within %s, waiting for %s",
	    waited, readiness_text(w, text, sizeof(text)));
	if (!adopted_is(w)) {
		worker_overdue(w, OVERDUE_START, fault);
		return;
	}
	/* What it may have said went with an earlier svd. */
	log_warn("%s: %s: it is taken for ready", w->conf->name, fault);
	worker_handle(w, EV_READY);
}

const char *
readiness_text(const struct worker *w, char *out, size_t size)
{
	const struct ready_conf *c = &w->conf->ready;
	const char *said = w->readiness == NULL ? "" : w->readiness->said;
	const char *colon = *said == '\0' ? "" : ": ";

	switch (c->kind) {
	case READY_EXEC:
		snprintf(out, size, "its process %d to be ready", w->rec.pid);
		break;
	case READY_NOTIFY:
		snprintf(out, size, "READY=1 from its process %d", w->rec.pid);
		break;
	case READY_FD:
		snprintf(out, size,
		    "a newline from its process %d on SVD_READY_FD%s%s",
		    w->rec.pid, colon, said);
		break;
	case READY_COMMAND:
		snprintf(
		    out, size, "command %.60s%s%s", c->argv[0], colon, said);
		break;
	case READY_HTTP:
		snprintf(out, size, "%.60s%s%s", c->target, colon, said);
		break;
	default:
		snprintf(out, size, "%s:%.107s%s%s", ready_kind_name(c->kind),
		    c->target, colon, said);
	}
	return out;
}

/* Whether its birth took place may only be known once all births are read. */
void
readiness_adopt(struct supervisor *s)
{
	struct link_held *h;
	struct readiness *r;
	struct worker *w;
	size_t i;

	for (i = 0; i < s->link.nheld; i++) {
		h = &s->link.held[i];
		if (h->fd == -1 || strncmp(h->name, HELD, strlen(HELD)) != 0)
			continue;
		w = roster_by_id(&s->roster, h->name + strlen(HELD));
		r = w == NULL || w->rec.state != WS_STARTING ||
		            w->conf->ready.kind != READY_FD ||
		            w->readiness != NULL
		        ? NULL
		        : readiness_new(w);
		if (r != NULL)
			set_fd(r, h->fd);
		else {
			link_drop(&s->link, h->name);
			fd_close(&h->fd);
		}
		h->fd = -1;
	}
}
