/* peer: see peer.h. */
#include "logger/peer.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/chan.h"
#include "ipc/proto_logger.h"
#include "logger/problems.h"
#include "logger/readers.h"
#include "logger/writers.h"

#define BATCH 32 /* messages at once */

static unsigned char packet[PL_PACKET_MAX];

static void
say_here(struct logger *lg)
{
	struct pl_msg m = {.type = PL_HERE, .pid = getpid()};

	/* Where it is full, the supervisor asks: it says HELLO. */
	chan_send(
	    lg->pair, packet, pl_encode(&m, packet), NULL, 0, MSG_DONTWAIT);
}

void
peer_open(struct logger *lg)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &lg->pair};

	if (lg->pair != -1)
		return;
	lg->pair = (int)names_take(&lg->held, "pair:logger", -1);
	if (lg->pair == -1)
		return;
	if (epoll_ctl(lg->epoll, EPOLL_CTL_ADD, lg->pair, &ev) == -1)
		log_error("cannot hear the supervisor: %s", strerror(errno));
	say_here(lg);
}

static void
on_hello(struct logger *lg, const struct pl_msg *m, const int *fds, size_t nfds,
    int64_t now)
{
	(void)m;
	(void)fds;
	(void)nfds;
	(void)now;
	say_here(lg);
	problems_tell_all(lg);
}

/* Borrowed: whoever answers has copies. */
static void
on_logs(struct logger *lg, const struct pl_msg *m, const int *fds, size_t nfds,
    int64_t now)
{
	readers_start(lg, m, fds, nfds, now);
}

/* Every writer looks at its files. */
static void
on_reopen(struct logger *lg, const struct pl_msg *m, const int *fds,
    size_t nfds, int64_t now)
{
	size_t i;

	(void)m;
	(void)fds;
	(void)nfds;
	(void)now;
	lg->cursors.head->reopen++;
	for (i = 0; i < lg->nwriters; i++)
		lg->writers[i].touched = 1;
}

static void (*const obey[PL_TYPES])(struct logger *lg, const struct pl_msg *m,
    const int *fds, size_t nfds, int64_t now) = {
    [PL_HELLO] = on_hello,
    [PL_LOGS] = on_logs,
    [PL_ATTACH] = on_logs,
    [PL_REOPEN] = on_reopen,
};

/* 0: there is none. */
static int
read_one(struct logger *lg, int64_t now)
{
	int fds[CHAN_FDS_MAX];
	struct pl_msg m;
	size_t nfds;
	ssize_t n;

	n = chan_recv(
	    lg->pair, packet, sizeof(packet), fds, &nfds, MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n == 0)
		_exit(1); /* both ends are the keeper's, which is gone */
	if (n == -1) {
		log_error("cannot hear the supervisor: %s", strerror(errno));
		return 0;
	}
	if (pl_decode(packet, (size_t)n, &m) == -1 || obey[m.type] == NULL ||
	    pl_carries_fd(m.type) != (nfds > 0))
		log_warn("the supervisor's message is not understood");
	else
		obey[m.type](lg, &m, fds, nfds, now);
	while (nfds > 0)
		close(fds[--nfds]);
	return 1;
}

void
peer_read(struct logger *lg, int64_t now)
{
	int i;

	for (i = 0; i < BATCH && read_one(lg, now); i++)
		;
}
