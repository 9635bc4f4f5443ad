/* client: see client.h. */
#include "supervisor/client.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "ipc/chan.h"
#include "supervisor/discard.h"
#include "supervisor/supervisor.h"
#include "supervisor/verbs.h"

#define READ_BYTES 16384
#define PIECES_BYTES 16384 /* of an answer in pieces, sent together */
#define KEEP_BYTES 65536   /* an empty buffer over this is given back */
#define CALLS_AHEAD 2 /* `svctl kill` has a look, and acts without waiting */
#define TRIM_MS 1000  /* from a large answer until its memory is given back */

static void
end_later(struct client *cl)
{
	if (cl->later == NULL)
		return;
	epoll_ctl(cl->common->hangups, EPOLL_CTL_DEL, cl->fd, NULL);
	cl->later->kind->free(cl->later);
	cl->later = NULL;
}

static void
begin_later(struct client *cl)
{
	struct epoll_event ev = {.data.ptr = cl};

	/* Without memory for it, a hang-up is noticed when the answer comes. */
	epoll_ctl(cl->common->hangups, EPOLL_CTL_ADD, cl->fd, &ev);
	cl->later->owner = cl;
}

static void
release_out(struct client *cl)
{
	if (cl->out.cap > KEEP_BYTES)
		loop_timer_start(&cl->common->trim, TRIM_MS);
	buf_release(&cl->out);
}

static void
discard_given(struct client *cl)
{
	if (cl->given != -1)
		discard(&cl->given, 1);
	cl->given = -1;
}

struct client *
client_new(struct clients *common, int fd, gid_t readers)
{
	struct client *cl = calloc(1, sizeof(*cl));

	if (cl == NULL || peer_of(fd, readers, &cl->peer) == -1) {
		free(cl);
		fd_close(&fd);
		return NULL;
	}
	cl->common = common;
	cl->fd = fd;
	cl->given = cl->giving = -1;
	return cl;
}

void
client_free(struct client *cl)
{
	/* Closing it would do, but for a child that stands before its exec. */
	end_later(cl);
	fd_close(&cl->fd);
	discard_given(cl);
	fd_close(&cl->giving);
	varlink_in_release(&cl->in);
	release_out(cl);
	free(cl);
}

int
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
		release_out(cl);
	return 0;
}

int
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
	discard(fds, nfds);
	return 0;
}

/* Appends what its answer has to say, up to PIECES_BYTES. */
static int
write_later(struct client *cl)
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
		end_later(cl);
	return rc == ANSWER_FAILED ? -1 : 0;
}

/* Gives the connection to whoever answers. -1: it is theirs, or of no use: no
 * client of ours any more. */
static int
leave(struct client *cl)
{
	int rc = cl->later->kind->leave(
	    cl->later, cl->fd, cl->in.buf.data, cl->in.buf.len, &cl->out);

	end_later(cl);
	return rc == 0 ? client_flush(cl) : -1;
}

int
client_has_answer(const struct client *cl)
{
	return cl->later != NULL && cl->out.len == 0 &&
	       cl->later->kind->ready(cl->later);
}

int
client_answer(struct client *cl)
{
	if (!client_has_answer(cl))
		return 0;
	if (cl->later->kind->leave != NULL)
		return leave(cl);
	return write_later(cl) == -1 ? -1 : client_flush(cl);
}

int
client_serve(struct client *cl)
{
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
		rc = verbs_call(cl->common->sup, &cl->peer, msg, &extra,
		    &cl->out, &cl->later);
		json_decref(msg);
		discard_given(cl);
		rc = rc == -1 ? -1 : 1;
	}
	buf_release(&extra.value);
	if (rc <= 0)
		return rc;
	cl->served = 1;
	if (cl->later == NULL)
		return client_flush(cl);
	begin_later(cl);
	return 0;
}

int
client_wants_to_act(struct client *cl)
{
	struct json_slice method;
	size_t at = 0;
	int i;

	for (i = 0; i < CALLS_AHEAD; i++) {
		method = varlink_method(&cl->in, &at);
		if (method.at == NULL)
			return 0;
		if (verbs_act_by(method.at, method.len))
			return 1;
	}
	return 0;
}

int
client_is_idle(const struct client *cl)
{
	return (cl->later == NULL && cl->queue == NULL) || cl->out.len > 0;
}
