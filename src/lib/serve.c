/*
 * serve: a worker's end of its channel, see svd/worker.h and svd-channel(7).
 * Stands alone: it is linked into other people's programs.
 */
#include "lib/svd/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ipc/frame.h"

#define SEEN_MAX 1024 /* requests that are known again */
#define RAISED_MAX 4096
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

struct answer {
	enum frame_type type; /* 0: none yet */
	char *value;
	size_t len;
};

/* A request as it came. */
struct incoming {
	struct frame frame;
	int fd;        /* of its value, or -1 */
	size_t mapped; /* bytes at frame.value, to be unmapped */
};

static struct {
	int fd;         /* -1: ended, or there is none */
	int opened;     /* it was looked whether there is one */
	int in_loop;    /* svd was told so */
	uint64_t *seen; /* the last SEEN_MAX ids */
	size_t nseen;
	unsigned char packet[FRAME_PACKET_MAX + 1]; /* and a NUL */
} channel = {.fd = -1};

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static void
end_channel(void)
{
	close(channel.fd);
	channel.fd = -1;
}

/* -1 and errno; EPIPE: the channel has ended. */
static int
send_packet(const struct frame *f, const void *value, size_t len, int fd)
{
	unsigned char head[FRAME_HEAD_BYTES];
	struct iovec iov[2] = {{head, sizeof(head)}, {(void *)value, len}};
	struct msghdr mh = {.msg_iov = iov, .msg_iovlen = 2};
	union control c;
	ssize_t n;

	frame_put_head(f, head);
	if (fd != -1) {
		memset(&c, 0, sizeof(c));
		mh.msg_control = c.bytes;
		mh.msg_controllen = sizeof(c.bytes);
		c.align.cmsg_level = SOL_SOCKET;
		c.align.cmsg_type = SCM_RIGHTS;
		c.align.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&c.align), &fd, sizeof(fd));
	}
	do
		n = sendmsg(channel.fd, &mh, MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	if (n == -1 && errno == ECONNRESET)
		errno = EPIPE;
	return n == -1 ? -1 : 0;
}

static int
send_frame(enum frame_type type, uint64_t id, const char *value, size_t len)
{
	const struct frame f = {.type = type, .id = id, .value_len = len};

	return send_packet(&f, value, len, -1);
}

static int
write_all(int fd, const char *data, size_t len)
{
	ssize_t n;

	for (; len > 0; data += n, len -= (size_t)n) {
		n = write(fd, data, len);
		if (n == -1 && errno != EINTR)
			return -1;
		n = n == -1 ? 0 : n;
	}
	return 0;
}

/* What has no room in a packet. */
static int
send_large(uint64_t id, const char *value, size_t len)
{
	const struct frame f = {.type = FRAME_RESULT,
	    .flags = FRAME_IN_MEMFD,
	    .id = id,
	    .value_len = len};
	int fd = memfd_create("svd-value", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int rc = -1, saved;

	if (fd != -1 && write_all(fd, value, len) == 0 &&
	    fcntl(fd, F_ADD_SEALS, SEALS) == 0)
		rc = send_packet(&f, NULL, 0, fd);
	saved = errno;
	if (fd != -1)
		close(fd);
	errno = saved;
	return rc;
}

/* Finds it once; its number is of no use to what this process may execute. */
static int
open_channel(void)
{
	const char *text = getenv(FRAME_ENV);
	int type = 0;
	socklen_t len = sizeof(type);
	long fd;

	if (channel.opened || text == NULL)
		return channel.fd;
	channel.opened = 1;
	fd = strtol(text, NULL, 10);
	if (fd <= 0 || fd > INT_MAX ||
	    getsockopt((int)fd, SOL_SOCKET, SO_TYPE, &type, &len) == -1 ||
	    type != SOCK_SEQPACKET)
		return -1;
	unsetenv(FRAME_ENV);
	fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	channel.seen = calloc(SEEN_MAX, sizeof(*channel.seen));
	if (channel.seen == NULL)
		return -1;
	channel.fd = (int)fd;
	send_frame(FRAME_IMPORTED, 0, NULL, 0);
	return channel.fd;
}

int
svd_channel_fd(void)
{
	return open_channel();
}

/* --- requests --- */

/* The descriptor that came along, or -1. */
static int
take_fd(struct msghdr *mh)
{
	struct cmsghdr *cm = CMSG_FIRSTHDR(mh);
	int fd = -1;

	if (cm != NULL && cm->cmsg_level == SOL_SOCKET &&
	    cm->cmsg_type == SCM_RIGHTS && cm->cmsg_len == CMSG_LEN(sizeof(fd)))
		memcpy(&fd, CMSG_DATA(cm), sizeof(fd));
	return fd;
}

/* 1: a request; 0: none now; -1: there will be no more. */
static int
receive(struct incoming *in, int flags)
{
	struct iovec iov = {channel.packet, FRAME_PACKET_MAX};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	union control c;
	ssize_t n;

	mh.msg_control = c.bytes;
	mh.msg_controllen = sizeof(c.bytes);
	do
		n = recvmsg(channel.fd, &mh, flags | MSG_CMSG_CLOEXEC);
	while (n == -1 && errno == EINTR && !(flags & MSG_DONTWAIT));
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	*in = (struct incoming){.fd = n <= 0 ? -1 : take_fd(&mh)};
	/* Of another version svd may be, but it does not speak to us then. */
	if (n <= 0 || frame_parse(channel.packet, (size_t)n, in->fd != -1,
			  &in->frame) != NULL) {
		if (in->fd != -1)
			close(in->fd);
		return -1;
	}
	channel.packet[n] = '\0';
	return 1;
}

/* With a NUL behind it: a page of nothing, where it fills its last one. */
static int
map_value(struct incoming *in)
{
	size_t len = in->frame.value_len;
	char *at;

	at = mmap(NULL, len + 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return -1;
	in->frame.value = at;
	in->mapped = len + 1;
	return mmap(at, len, PROT_READ, MAP_PRIVATE | MAP_FIXED, in->fd, 0) ==
	               MAP_FAILED
	           ? -1
	           : 0;
}

static void
release(struct incoming *in)
{
	if (in->mapped > 0)
		munmap((void *)in->frame.value, in->mapped);
	if (in->fd != -1)
		close(in->fd);
}

/* A supervisor that was killed may have asked it before. */
static int
is_new(uint64_t id)
{
	size_t i, n = channel.nseen < SEEN_MAX ? channel.nseen : SEEN_MAX;

	for (i = 0; i < n; i++)
		if (channel.seen[i] == id)
			return 0;
	channel.seen[channel.nseen++ % SEEN_MAX] = id;
	return 1;
}

/* --- answers --- */

static int
set_answer(struct answer *a, enum frame_type type, char *value, size_t len)
{
	if (a->type != 0) {
		free(value);
		errno = EALREADY;
		return -1;
	}
	if (value == NULL)
		return -1;
	*a = (struct answer){type, value, len};
	return 0;
}

int
svd_answer(struct svd_request *q, const char *json, size_t len)
{
	char *copy;

	if (len > FRAME_VALUE_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	copy = malloc(len == 0 ? 1 : len);
	if (copy != NULL)
		memcpy(copy, json, len);
	return set_answer(q->answer, FRAME_RESULT, copy, len);
}

/* As a JSON string; what is not printable ASCII is bytes of UTF-8, or '?'. */
static char *
put_string(char *out, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	*out++ = '"';
	for (; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			*out++ = '\\';
		if (*p == '\n')
			out = stpcpy(out, "\\n");
		else
			*out++ = *p < ' ' || *p >= 0x7f ? '?' : (char)*p;
	}
	*out++ = '"';
	return out;
}

int
svd_raise(struct svd_request *q, const char *type, const char *message)
{
	char *text, *end;
	size_t len = strlen(type) + 2 * strlen(message);

	if (len > RAISED_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	text = malloc(2 * len + 128);
	if (text == NULL)
		return -1;
	end = put_string(stpcpy(text, "{\"type\":"), type);
	end = put_string(stpcpy(end, ",\"message\":"), message);
	end = put_string(stpcpy(end, ",\"args\":["), message);
	end = stpcpy(end, "],\"traceback\":null}");
	return set_answer(
	    q->answer, FRAME_EXCEPTION, text, (size_t)(end - text));
}

static svd_handler *
find_method(const struct svd_service *s, const char *name)
{
	const struct svd_method *m = s->methods;

	for (; m != NULL && m->name != NULL; m++)
		if (strcmp(m->name, name) == 0)
			return m->fn;
	return NULL;
}

static void
answer_null(struct svd_request *q)
{
	svd_answer(q, "null", 4);
}

static svd_handler *
find_handler(
    const struct svd_service *s, enum frame_type type, const char *name)
{
	switch (type) {
	case FRAME_RUN:
		return s->run;
	case FRAME_CALL:
		return find_method(s, name);
	case FRAME_STORE:
		return s->store;
	case FRAME_LOAD:
		return s->load;
	case FRAME_PING:
		return answer_null;
	default:
		return NULL;
	}
}

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int
is_late(uint64_t deadline_ms)
{
	return deadline_ms != 0 && now_ms() > deadline_ms;
}

static void
handle(const struct svd_service *s, struct incoming *in, struct answer *a)
{
	char name[FRAME_NAME_MAX + 1];
	struct svd_request q = {.name = name,
	    .value_len = in->frame.value_len,
	    .arg = s->arg,
	    .answer = a};
	svd_handler *fn;

	memcpy(name, in->frame.name, in->frame.name_len);
	name[in->frame.name_len] = '\0';
	fn = find_handler(s, in->frame.type, name);
	if (is_late(in->frame.deadline_ms))
		svd_raise(&q, "TimeoutError", "not begun before its deadline");
	else if (fn == NULL)
		svd_raise(&q, "LookupError",
		    in->frame.type == FRAME_CALL ? "there is no such method"
						 : "not to be had here");
	else if (in->fd != -1 && map_value(in) == -1)
		svd_raise(&q, "MemoryError", "no room for the value");
	else {
		q.value = in->frame.value;
		fn(&q);
	}
}

/* Why it could not be sent is a better answer than none. */
static int
send_answer(uint64_t id, const struct answer *a)
{
	static const char why[] =
	    "{\"type\":\"OSError\",\"message\":\"the answer cannot be sent\","
	    "\"args\":[],\"traceback\":null}";
	int rc;

	if (a->type == 0)
		return send_frame(FRAME_RESULT, id, "null", 4);
	rc = a->len > FRAME_INLINE_MAX
	         ? send_large(id, a->value, a->len)
	         : send_frame(a->type, id, a->value, a->len);
	if (rc == -1 && errno != EPIPE)
		rc = send_frame(FRAME_EXCEPTION, id, why, strlen(why));
	return rc;
}

static int
dispatch(const struct svd_service *s, int flags)
{
	struct answer a = {.value = NULL};
	struct incoming in;
	int rc;

	if (open_channel() == -1) {
		errno =
		    channel.opened && channel.seen != NULL ? EPIPE : ENOTCONN;
		return -1;
	}
	if (!channel.in_loop)
		send_frame(FRAME_LOOP, 0, NULL, 0);
	channel.in_loop = 1;
	rc = receive(&in, flags);
	if (rc == 1) {
		if (!is_new(in.frame.id))
			rc = send_frame(FRAME_ANSWERED, in.frame.id, NULL, 0);
		else {
			handle(s, &in, &a);
			rc = send_answer(in.frame.id, &a);
		}
		release(&in);
		free(a.value);
		rc = rc == -1 ? -1 : 1;
	}
	if (rc == -1) {
		end_channel();
		errno = EPIPE;
	}
	return rc;
}

int
svd_dispatch(const struct svd_service *s)
{
	return dispatch(s, MSG_DONTWAIT);
}

/* --- heartbeats --- */

/* Waits for fd, or where that is -1 for ever, and says on time that this loop
 * turns: what is asked has nine tenths of the watchdog at least. 0: no
 * heartbeat is expected, and it has not waited. */
static int
wait_alive(int fd, uint64_t *last)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t now = now_ms(), wait = svd_heartbeat_ms();

	if (wait == 0)
		return 0;
	if (now - *last >= wait / 5) {
		*last = now;
		svd_heartbeat();
	}
	wait = *last + wait > now ? *last + wait - now : 0;
	poll(&p, 1, wait > INT_MAX ? INT_MAX : (int)wait);
	return 1;
}

int
svd_serve(const struct svd_service *s)
{
	uint64_t last = 0;
	int rc = dispatch(s, MSG_DONTWAIT); /* says that it is in its loop */

	while (rc != -1)
		rc = dispatch(
		    s, wait_alive(channel.fd, &last) ? MSG_DONTWAIT : 0);
	if (errno != EPIPE)
		return -1;
	for (;;)
		if (!wait_alive(-1, &last))
			pause();
}
