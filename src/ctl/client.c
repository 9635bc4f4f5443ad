/* client: see client.h. */
#include "ctl/client.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"
#include "ipc/chan.h"

#define RETRY_MS 20
#define READ_BYTES 65536

void
client_init(struct client *c, const char *path)
{
	*c = (struct client){
	    .path = path, .fd = -1, .output = -1, .giving = -1, .given = -1};
}

void
client_close(struct client *c)
{
	fd_close(&c->fd);
	fd_close(&c->given);
	buf_release(&c->value);
	varlink_in_release(&c->in);
}

static enum client_result
timed_out(struct err *e)
{
	err_set(e, "the daemon does not answer");
	return CLIENT_TIMEOUT;
}

static enum client_result
lost(struct client *c, struct err *e)
{
	client_close(c);
	err_set(e, "the connection was lost before the answer");
	return CLIENT_LOST;
}

static enum client_result
no_memory(struct err *e)
{
	err_set(e, "out of memory");
	return CLIENT_CONFUSED;
}

/* Milliseconds for poll(2); 0 once the deadline has come. */
static int
time_left(int64_t deadline)
{
	int64_t left;

	if (deadline == CLIENT_NEVER)
		return -1;
	left = deadline - sys_now_ms();
	if (left <= 0)
		return 0;
	return left > INT_MAX ? INT_MAX : (int)left;
}

static enum client_result
wait_for(const struct client *c, short events, int64_t deadline, struct err *e)
{
	/* Of the output, only errors: its reader is gone. */
	struct pollfd p[] = {
	    {.fd = c->fd, .events = events}, {.fd = c->output}};
	int n;

	while ((n = poll(p, 2, time_left(deadline))) == -1 && errno == EINTR)
		continue;
	if (n == 0)
		return timed_out(e);
	if (p[1].revents & (POLLERR | POLLHUP))
		return CLIENT_UNREAD;
	return CLIENT_REPLY;
}

int
client_pause(int64_t deadline)
{
	const struct timespec t = {.tv_nsec = RETRY_MS * 1000000L};

	nanosleep(&t, NULL);
	return time_left(deadline) != 0;
}

static enum client_result
connect_failed(struct client *c, int errnum, struct err *e)
{
	client_close(c);
	err_sys(e, errnum, "cannot connect to '%s'", c->path);
	return errnum == EACCES || errnum == EPERM ? CLIENT_DENIED
	                                           : CLIENT_ABSENT;
}

static enum client_result
client_connect(struct client *c, int64_t deadline, struct err *e)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct ucred cred = {0};
	socklen_t len = sizeof(cred);

	client_close(c);
	if (strlen(c->path) >= sizeof(addr.sun_path))
		return connect_failed(c, ENAMETOOLONG, e);
	memcpy(addr.sun_path, c->path, strlen(c->path));
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd == -1)
		return connect_failed(c, errno, e);
	while (connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)) == -1) {
		if (errno == EINTR)
			continue;
		/* The queue is full: nobody has accepted for a while. */
		if (errno != EAGAIN)
			return connect_failed(c, errno, e);
		if (!client_pause(deadline))
			return timed_out(e);
	}
	getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	c->peer = cred.pid;
	return CLIENT_REPLY;
}

static enum client_result
send_all(
    struct client *c, const struct buf *out, int64_t deadline, struct err *e)
{
	enum client_result r;
	size_t sent = 0;
	ssize_t n;

	while (sent < out->len) {
		n = chan_send_some(c->fd, out->data + sent, out->len - sent,
		    &c->giving, c->giving != -1 && sent == 0, 0);
		if (n >= 0) {
			sent += (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return lost(c, e);
		if ((r = wait_for(c, POLLOUT, deadline, e)) != CLIENT_REPLY)
			return r;
	}
	return CLIENT_REPLY;
}

static enum client_result
send_call(struct client *c, const char *method, json_t *parameters, int flags,
    int64_t deadline, struct err *e)
{
	struct buf out = {0};
	enum client_result r = CLIENT_REPLY;

	if (c->fd == -1)
		r = client_connect(c, deadline, e);
	if (r != CLIENT_REPLY)
		goto out;
	if (varlink_write_call(&out, method, json_incref(parameters), flags) ==
	    -1)
		r = no_memory(e);
	else
		r = send_all(c, &out, deadline, e);
out:
	/* Half a call, or half a connection, is of no use to the next try. */
	if (r != CLIENT_REPLY)
		client_close(c);
	buf_release(&out);
	return r;
}

enum client_result
client_send(struct client *c, const char *method, json_t *parameters,
    int64_t deadline, struct err *e)
{
	return send_call(c, method, parameters, 0, deadline, e);
}

enum client_result
client_send_more(struct client *c, const char *method, json_t *parameters,
    int64_t deadline, struct err *e)
{
	return send_call(c, method, parameters, VARLINK_MORE, deadline, e);
}

enum client_result
client_send_upgrade(struct client *c, const char *method, json_t *parameters,
    int64_t deadline, struct err *e)
{
	return send_call(c, method, parameters, VARLINK_UPGRADE, deadline, e);
}

/* One read. CLIENT_REPLY: there is more than before. */
static enum client_result
receive_some(struct client *c, int64_t deadline, struct err *e)
{
	struct buf *b = &c->in.buf;
	enum client_result r;
	int fds[CHAN_FDS_MAX];
	size_t nfds = 0;
	ssize_t n;

	if (buf_reserve(b, READ_BYTES) == -1)
		return no_memory(e);
	if ((r = wait_for(c, POLLIN, deadline, e)) != CLIENT_REPLY)
		return r;
	n = chan_recv(c->fd, b->data + b->len, READ_BYTES, fds, &nfds, 0);
	if (nfds > 0 && c->given == -1)
		c->given = fds[--nfds];
	while (nfds > 0)
		close(fds[--nfds]);
	if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR))
		return lost(c, e);
	if (n > 0)
		b->len += (size_t)n;
	return CLIENT_REPLY;
}

enum client_result
client_receive(
    struct client *c, int64_t deadline, json_t **reply, struct err *e)
{
	enum client_result r;
	int taken;

	for (;;) {
		taken = c->takes_value
		            ? varlink_take_value(&c->in, VARLINK_REPLY_MAX,
				  &c->value, reply, e)
		            : varlink_take_rows(
				  &c->in, VARLINK_REPLY_MAX, c->rows, reply, e);
		if (taken == 1)
			return CLIENT_REPLY;
		if (taken == -1)
			return CLIENT_CONFUSED;
		r = receive_some(c, deadline, e);
		if (r != CLIENT_REPLY)
			return r;
	}
}

enum client_result
client_call(struct client *c, const char *method, json_t *parameters,
    json_t *again, int64_t deadline, json_t **reply, struct err *e)
{
	enum client_result r;

	c->repeated = 0;
	for (;;) {
		r = client_send(c, method, parameters, deadline, e);
		if (r == CLIENT_REPLY)
			r = client_receive(c, deadline, reply, e);
		if (r != CLIENT_LOST)
			return r;
		if (!client_pause(deadline))
			return timed_out(e);
		c->repeated = 1;
		if (again != NULL &&
		    json_object_update(parameters, again) == -1)
			return no_memory(e);
	}
}

/* A connection ends with whoever could have accepted it: the supervisor, and
 * while there is none, the keeper. */
enum client_result
client_wait_gone(struct client *c, int64_t deadline, struct err *e)
{
	pid_t holder = c->peer;
	enum client_result r;

	for (;;) {
		r = CLIENT_REPLY;
		if (c->fd == -1)
			r = client_connect(c, deadline, e);
		if (r == CLIENT_REPLY && c->peer != holder)
			return CLIENT_ABSENT;
		while (r == CLIENT_REPLY)
			r = receive_some(c, deadline, e);
		if (r != CLIENT_LOST)
			return r;
		if (!client_pause(deadline))
			return timed_out(e);
	}
}
