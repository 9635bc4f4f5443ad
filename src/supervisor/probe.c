/* probe: see probe.h. */
#include "supervisor/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"

#define DRAIN_BYTES 65536
#define STATUS_BYTES 13 /* "HTTP/1.1 200\n" */

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un un;
};

/* 127.0.0.1 and ::1 for a host without a name; types of a socket for a path. */
static const int unix_types[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM};

#define NTYPES ((int)(sizeof(unix_types) / sizeof(*unix_types)))

static socklen_t
make_address(const struct probe *p, union address *a)
{
	int is_local = p->at.host[0] == '\0';

	memset(a, 0, sizeof(*a));
	if (p->kind == READY_UNIX) {
		a->un.sun_family = AF_UNIX;
		memcpy(a->un.sun_path, p->at.path, sizeof(p->at.path));
		return sizeof(a->un);
	}
	if (p->is_v6 || p->place > 0) {
		a->v6.sin6_family = AF_INET6;
		a->v6.sin6_port = htons((uint16_t)p->port);
		inet_pton(
		    AF_INET6, is_local ? "::1" : p->at.host, &a->v6.sin6_addr);
		return sizeof(a->v6);
	}
	a->v4.sin_family = AF_INET;
	a->v4.sin_port = htons((uint16_t)p->port);
	inet_pton(
	    AF_INET, is_local ? "127.0.0.1" : p->at.host, &a->v4.sin_addr);
	return sizeof(a->v4);
}

/* A connection within one machine may get the port that it looks for as its
 * own, and then reaches itself. It must not stand in the way of who is to
 * listen there. */
static int
is_itself(int fd)
{
	struct linger now = {.l_onoff = 1};
	union address here, there;
	socklen_t m = sizeof(here), n = sizeof(there);

	memset(&here, 0, sizeof(here));
	memset(&there, 0, sizeof(there));
	if (getsockname(fd, &here.any, &m) == -1 ||
	    getpeername(fd, &there.any, &n) == -1 ||
	    here.any.sa_family == AF_UNIX ||
	    memcmp(&here, &there, sizeof(here)) != 0)
		return 0;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	return 1;
}

static void
close_place(struct probe *p)
{
	loop_io_set(&p->io, 0);
	fd_close(&p->fd);
}

void
probe_stop(struct probe *p)
{
	close_place(p);
	loop_timer_stop(&p->limit);
}

static void
end(struct probe *p, const char *error)
{
	probe_stop(p);
	p->done(p, error);
}

/* The next place may do better, if there is one. Where nobody is at any of them
 * the first one's reason is told, which is what people mean. */
static void try_place(struct probe *p);

static void
fail(struct probe *p, const char *why, int next)
{
	if (p->place == 0 || !next)
		snprintf(p->error, sizeof(p->error), "%s", why);
	if (!next || p->place + 1 == p->nplaces) {
		end(p, p->error);
		return;
	}
	p->place++;
	close_place(p);
	try_place(p);
}

static void
fail_to_connect(struct probe *p, int error)
{
	fail(p, strerror(error), p->kind != READY_UNIX || error == EPROTOTYPE);
}

/* What else there is of a short answer: who sends it would hear of a reset. */
static void
drain(const struct probe *p)
{
	char bytes[512];
	size_t n = 0;
	ssize_t got;

	while (n < DRAIN_BYTES &&
	       (got = recv(p->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		n += (size_t)got;
}

/* 0: it goes on. */
static int
skip_interim(const char *text, size_t len)
{
	const char *end = text + len, *p = text;

	/* An empty line ends the headers. */
	while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		p++;
		if (p < end && *p == '\r')
			p++;
		if (p < end && *p == '\n')
			return (int)(p + 1 - text);
	}
	return 0;
}

/* 100 to 599 of "HTTP/1.1 200 OK", 0, -1. */
static int
first_status(const char *text, size_t len)
{
	static const char form[] = "HTTP/1.d ddd";
	size_t i;
	int status = 0;

	for (i = 0; i < sizeof(form) - 1 && i < len; i++) {
		if (form[i] != 'd' && text[i] != form[i])
			return -1;
		if (form[i] == 'd' && (text[i] < '0' || text[i] > '9'))
			return -1;
		if (i >= sizeof("HTTP/1.d ") - 1)
			status = status * 10 + text[i] - '0';
	}
	if (len < STATUS_BYTES)
		return 0;
	if (strchr(" \r\n", text[i]) == NULL || text[i] == '\0' ||
	    status < 100 || status > 599)
		return -1;
	return status;
}

int
probe_http_status(const char *text, size_t len)
{
	int status, skip;

	for (;;) {
		status = first_status(text, len);
		/* 101 would be the last that is said in HTTP. */
		if (status < 100 || status >= 200 || status == 101)
			return status;
		skip = skip_interim(text, len);
		if (skip == 0)
			return 0;
		text += skip;
		len -= (size_t)skip;
	}
}

static void
judge(struct probe *p, int status)
{
	if (status == -1) {
		fail(p, "what answers does not speak HTTP", 0);
		return;
	}
	drain(p);
	if (status >= 200 && status <= 399) {
		end(p, NULL);
		return;
	}
	/* Somebody is there: the other place is nobody's business. */
	snprintf(p->error, sizeof(p->error), "answered %d", status);
	end(p, p->error);
}

static void
read_answer(struct probe *p)
{
	ssize_t n = recv(p->fd, p->buffer + p->len, sizeof(p->buffer) - p->len,
	    MSG_DONTWAIT);
	int status;

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == -1) {
		fail(p, strerror(errno), 0);
		return;
	}
	if (n == 0) {
		fail(p, "closed without an answer", 0);
		return;
	}
	p->len += (size_t)n;
	status = probe_http_status(p->buffer, p->len);
	if (status != 0)
		judge(p, status);
	else if (p->len == sizeof(p->buffer))
		fail(p, "its answer has no end", 0);
}

static void
send_request(struct probe *p)
{
	ssize_t n = send(p->fd, p->buffer + p->sent, p->len - p->sent,
	    MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
		loop_io_set(&p->io, LOOP_WRITE);
		return;
	}
	if (n == -1) {
		fail(p, strerror(errno), 0);
		return;
	}
	p->sent += (size_t)n;
	if (p->sent < p->len) {
		loop_io_set(&p->io, LOOP_WRITE);
		return;
	}
	/* The answer takes the place of what was asked. */
	p->sent = 0;
	p->len = 0;
	loop_io_set(&p->io, LOOP_READ);
}

static void
connected(struct probe *p)
{
	if (is_itself(p->fd))
		fail_to_connect(p, ECONNREFUSED);
	else if (p->kind == READY_HTTP)
		send_request(p);
	else
		end(p, NULL);
}

static void
io_cb(struct loop_io *io, int events)
{
	struct probe *p = io->arg;
	socklen_t len = sizeof(int);
	int error = 0;

	if (!(events & LOOP_WRITE)) {
		read_answer(p);
		return;
	}
	if (p->sent > 0) {
		send_request(p);
		return;
	}
	if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		error = errno;
	if (error != 0)
		fail_to_connect(p, error);
	else
		connected(p);
}

static void
limit_cb(struct loop_timer *t)
{
	struct probe *p = t->arg;
	char text[40];

	snprintf(text, sizeof(text), "no answer within %d s", PROBE_MS / 1000);
	end(p, p->place == 0 ? text : p->error);
}

static void
try_place(struct probe *p)
{
	union address a;
	socklen_t len = make_address(p, &a);
	int type = p->kind == READY_UNIX ? unix_types[p->place] : SOCK_STREAM;

	p->fd = socket(a.any.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd == -1) {
		fail_to_connect(p, errno);
		return;
	}
	loop_io_init(p->loop, &p->io, p->fd, io_cb, p);
	if (connect(p->fd, &a.any, len) == 0)
		connected(p);
	else if (errno == EINPROGRESS)
		loop_io_set(&p->io, LOOP_WRITE);
	else
		fail_to_connect(p, errno);
}

/* It fits: a target has READY_TARGET_MAX bytes. */
static void
make_request(struct probe *p, const struct ready_address *a)
{
	_Static_assert(PROBE_BUFFER_BYTES > READY_TARGET_MAX + 256,
	    "a request fits into its buffer");

	p->len = (size_t)snprintf(p->buffer, sizeof(p->buffer),
	    "GET %s%s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: svd/" SVD_VERSION
	    "\r\nAccept: */*\r\nConnection: close\r\n\r\n",
	    *a->path == '/' ? "" : "/", a->path, a->named_len, a->named);
}

void
probe_init(struct probe *p, struct loop *l, probe_done_fn *done, void *arg)
{
	*p = (struct probe){.loop = l, .done = done, .arg = arg, .fd = -1};
	loop_io_init(l, &p->io, -1, io_cb, p);
	loop_timer_init(l, &p->limit, limit_cb, p);
}

void
probe_start(struct probe *p, const struct ready_conf *conf)
{
	struct ready_address a;
	struct err e;

	if (p->fd != -1)
		return;
	p->kind = conf->kind;
	p->place = 0;
	p->nplaces = 1;
	p->len = p->sent = 0;
	if (p->kind == READY_UNIX) {
		p->nplaces = NTYPES;
		snprintf(p->at.path, sizeof(p->at.path), "%s", conf->target);
	} else if (ready_parse_address(p->kind, conf->target, &a, &e) == 0) {
		p->nplaces = a.host[0] == '\0' ? 2 : 1;
		p->port = a.port;
		p->is_v6 = a.is_v6;
		memcpy(p->at.host, a.host, sizeof(p->at.host));
		if (p->kind == READY_HTTP)
			make_request(p, &a);
	}
	loop_timer_start(&p->limit, PROBE_MS);
	try_place(p);
}
