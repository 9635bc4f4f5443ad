/* peer: see peer.h. */
#include "logger/peer.h"

#include <errno.h>
#include <jansson.h>
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

#define BATCH 32      /* messages at once */
#define EARLY_MS 2000 /* that a call waits, and all that come behind it */

static unsigned char packet[PL_PACKET_MAX]; /* to answer, too */

/* What is being obeyed, or waits. */
static unsigned char received[PL_PACKET_MAX];
static struct {
	struct pl_msg m; /* within received */
	int fds[CHAN_FDS_MAX];
	size_t nfds;
} got;

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
receive(struct logger *lg)
{
	ssize_t n;

	n = chan_recv(lg->pair, received, sizeof(received), got.fds, &got.nfds,
	    MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n == 0)
		_exit(1); /* both ends are the keeper's, which is gone */
	if (n == -1) {
		log_error("cannot hear the supervisor: %s", strerror(errno));
		return 0;
	}
	if (pl_decode(received, (size_t)n, &got.m) == -1)
		got.m = (struct pl_msg){.type = 0};
	return 1;
}

static void
obey_it(struct logger *lg, int64_t now)
{
	if (obey[got.m.type] == NULL ||
	    pl_carries_fd(got.m.type) != (got.nfds > 0))
		log_warn("the supervisor's message is not understood");
	else
		obey[got.m.type](lg, &got.m, got.fds, got.nfds, now);
	while (got.nfds > 0)
		close(got.fds[--got.nfds]);
}

/* The table that a call is meant for; 0: any. */
static uint64_t
table_of(const struct pl_msg *m)
{
	json_t *p;
	json_int_t table;

	if (m->type != PL_LOGS && m->type != PL_ATTACH)
		return 0;
	p = json_loads(m->text, 0, NULL);
	table = json_integer_value(json_object_get(p, "table"));
	json_decref(p);
	return table < 0 ? 0 : (uint64_t)table;
}

static void
hear(struct logger *lg, int hears)
{
	struct epoll_event ev = {
	    .events = hears ? EPOLLIN : 0, .data.ptr = &lg->pair};

	epoll_ctl(lg->epoll, EPOLL_CTL_MOD, lg->pair, &ev);
}

/* The table comes by the keeper, calls do not: whom the one that is meant says
 * nothing of would be shown nothing. */
static int
is_early(struct logger *lg, int64_t now)
{
	lg->early = table_of(&got.m);
	if (lg->early <= lg->outputs.number)
		return 0;
	lg->early_until = now + EARLY_MS;
	hear(lg, 0);
	return 1;
}

void
peer_go_on(struct logger *lg, int64_t now)
{
	if (lg->early_until == 0 ||
	    (lg->early > lg->outputs.number && now < lg->early_until))
		return;
	lg->early_until = 0;
	hear(lg, 1);
	obey_it(lg, now);
}

void
peer_read(struct logger *lg, int64_t now)
{
	int i;

	for (i = 0; i < BATCH && lg->early_until == 0 && receive(lg); i++)
		if (!is_early(lg, now))
			obey_it(lg, now);
}
