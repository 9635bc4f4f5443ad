/* logger: see logger.h. The main process: its loop, and the keeper's word. */
#include "logger/logger.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/sys.h"
#include "logger/code.h"
#include "logger/context.h"
#include "logger/copier.h"
#include "logger/peer.h"
#include "logger/problems.h"
#include "logger/readers.h"
#include "logger/ring.h"
#include "logger/rings.h"
#include "logger/streams.h"
#include "logger/table.h"
#include "logger/terminals.h"
#include "logger/writers.h"

#define EVENTS 128
#define RECLAIM 1024  /* places of outputs that have left */
#define FLUSH_MS 4000 /* the keeper waits a little longer */
#define READERS_MS 500
#define CHECK_MS 1000    /* from the start to a look at who is behind */
#define FEW (32 * 1024)  /* bytes; less in a turn is worth a pause ... */
#define KEEPS_NS 300000L /* between two moves, while it keeps coming */
#define PAUSE_MIN_NS 20000L
#define PAUSE_NS 100000L /* ... for more to come, while more comes */

/* --- what the keeper says ------------------------------------------------- */

static void
take_handed(struct logger *lg, int64_t now)
{
	struct link *l = &lg->link;
	size_t i;

	for (i = 0; i < l->nheld; i++) {
		int fd = l->held[i].fd;

		l->held[i].fd = -1;
		if (fd != -1 && !terminals_handed(lg, l->held[i].name, fd))
			streams_handed(lg, l->held[i].name, fd);
	}
	/* Thousands at the start, a few later. */
	free(l->held);
	l->held = NULL;
	l->nheld = l->held_cap = 0;
	peer_open(lg);
	table_update(lg, now);
}

static void
begin_quit(struct logger *lg, int64_t now)
{
	if (lg->quit_at != 0)
		return;
	lg->quit_at = now + FLUSH_MS;
	lg->cursors.head->quitting = 1;
	/* All that is there by now; who goes on writing waits for room. */
	streams_begin_to_drain(lg);
	lg->drained = streams_drain(lg, now);
}

static void
obey_keeper(struct logger *lg, int64_t now)
{
	static unsigned char packet[KEEPER_PACKET_MAX];
	struct keeper_msg m, pong = {.type = KM_PONG};
	int rc;

	while ((rc = link_receive(&lg->link, packet, &m)) == 1) {
		switch (m.type) {
		case KM_PING:
			link_send(&lg->link, &pong, -1);
			break;
		case KM_PONG:
			take_handed(lg, now);
			writers_pong(lg, now);
			break;
		case KM_QUIT:
			begin_quit(lg, now);
			break;
		default:
			break;
		}
	}
	take_handed(lg, now);
	if (rc == -1)
		_exit(1); /* the keeper is gone */
}

/* --- the loop ------------------------------------------------------------- */

static void
obey_signals(struct logger *lg, int64_t now)
{
	struct signalfd_siginfo si;
	int status;
	pid_t pid;

	while (read(lg->signal_fd, &si, sizeof(si)) > 0)
		if (si.ssi_signo == SIGIO)
			streams_look_at_pieces(lg);
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (!writers_reaped(lg, pid, status, now))
			readers_reaped(lg, pid);
}

static int
is_stream(const struct logger *lg, const void *what)
{
	return what != &lg->link && what != &lg->pair && what != &lg->wake_fd &&
	       what != &lg->signal_fd && what != lg->readers;
}

static void
dispatch(struct logger *lg, void *what, int64_t now)
{
	eventfd_t count;

	if (what == &lg->link)
		obey_keeper(lg, now);
	else if (what == &lg->pair)
		peer_read(lg, now);
	else if (what == &lg->wake_fd)
		eventfd_read(lg->wake_fd, &count);
	else if (what == &lg->signal_fd)
		obey_signals(lg, now);
	else if (what == lg->readers)
		readers_look(lg);
}

/* Streams first: what others say may be the end of a stream. */
static void
dispatch_all(struct logger *lg, const struct epoll_event *events, int n)
{
	int64_t now = sys_now_ms();
	int i;

	for (i = 0; i < n; i++)
		if (is_stream(lg, events[i].data.ptr))
			streams_ready(lg, events[i].data.ptr);
	for (i = 0; i < n; i++)
		dispatch(lg, events[i].data.ptr, now);
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/* ms for epoll_wait. */
static int
time_to_wait(const struct logger *lg, int more, int64_t now)
{
	int64_t d = earlier(lg->check_at, lg->partial_at);

	d = earlier(earlier(d, lg->again_at), lg->copy_at);
	d = earlier(earlier(d, lg->early_until), lg->open_at);
	d = earlier(d, lg->table_at);
	d = earlier(earlier(d, lg->quit_at), writers_deadline(lg));
	if (more)
		return 0;
	if (d == 0)
		return -1;
	return d <= now ? 0 : d - now > INT_MAX ? INT_MAX : (int)(d - now);
}

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/*
 * At full speed each small write would wake us, and we the writer, for a few
 * bytes; and where the worker is on our processor, it would go no further than
 * to the next one. While data keeps coming a pause of a moment makes of many
 * such turns one; but none so long that a FIFO is full, and its worker waits,
 * before it ends.
 */
static void
pause_for_more(const struct logger *lg)
{
	static int64_t last; /* when something was moved */
	struct timespec t = {.tv_nsec = PAUSE_NS};
	int64_t now, since;

	if (lg->moved == 0)
		return;
	now = now_ns();
	since = now - last;
	last = now;
	if (lg->moved >= FEW || since > KEEPS_NS)
		return;
	since = since * FEW / (int64_t)lg->moved;
	if (since < t.tv_nsec)
		t.tv_nsec = since;
	if (t.tv_nsec >= PAUSE_MIN_NS)
		nanosleep(&t, NULL);
}

static int
is_waiting_for_writers(const struct logger *lg)
{
	return !TAILQ_EMPTY(&lg->blocked) || !TAILQ_EMPTY(&lg->uncopied) ||
	       lg->nleaving > 0 || lg->quit_at != 0;
}

static int
is_done(const struct logger *lg)
{
	return lg->drained && rings_are_done(lg);
}

/* 0: all is delivered, or will not be. */
static int
go_on_quitting(struct logger *lg, int64_t now)
{
	struct ring *r;

	if (!lg->drained)
		lg->drained = streams_drain(lg, now);
	TAILQ_FOREACH (r, &lg->all_rings, all)
		if (r->kind == OUTPUT_LOG)
			copier_copy(lg, r, now);
		else
			writers_touch(lg, r);
	readers_finish(lg);
	/* Whoever reads logs is not waited for as long as a disk is. */
	if (is_done(lg) && readers_count(lg) == 0)
		return 0;
	if (is_done(lg) && lg->quit_at > now + READERS_MS)
		lg->quit_at = now + READERS_MS;
	if (now < lg->quit_at)
		return 1;
	TAILQ_FOREACH (r, &lg->all_rings, all)
		if (r->c->done != r->c->pos)
			log_error("%llu bytes of '%s' could not be written",
			    (unsigned long long)(r->c->pos - r->c->done),
			    r->path != NULL ? r->path : r->name);
	return 0;
}

/* Outputs come and go with their workers. */
static void
reclaim(struct logger *lg)
{
	if (lg->cursors.removed >= RECLAIM && writers_are_settled(lg) &&
	    readers_count(lg) == 0)
		cursors_reclaim(&lg->cursors);
}

static int
turn(struct logger *lg)
{
	struct epoll_event events[EVENTS];
	int64_t now = sys_now_ms();
	int more, n;

	lg->moved = 0;
	if (lg->table_at != 0 && now >= lg->table_at)
		table_update(lg, now);
	peer_go_on(lg, now);
	copier_go_on(lg, now);
	copier_end_lines(lg, now);
	streams_end_lines(lg, now);
	more = streams_turn(lg, now);
	/* Said before looking: who gets on after that wakes us. */
	if (is_waiting_for_writers(lg)) {
		lg->cursors.head->main_waits = 1;
		more |= streams_can_go_on(lg) || copier_can_go_on(lg);
	}
	rings_let_go(lg);
	if (lg->check_at != 0 && now >= lg->check_at) {
		rings_give_back(lg);
		code_leave();
	}
	problems_check(lg, now);
	if (lg->quit_at != 0 && !go_on_quitting(lg, now))
		return 0;
	writers_tend(lg, now);
	reclaim(lg);
	pause_for_more(lg);
	now = sys_now_ms();
	n = epoll_wait(lg->epoll, events, EVENTS, time_to_wait(lg, more, now));
	dispatch_all(lg, events, n);
	return 1;
}

/* --- start ---------------------------------------------------------------- */

static int
watch(struct logger *lg, int fd, void *what)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = what};

	return epoll_ctl(lg->epoll, EPOLL_CTL_ADD, fd, &ev);
}

static int
make_descriptors(struct logger *lg, struct err *e)
{
	lg->epoll = epoll_create1(EPOLL_CLOEXEC);
	lg->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	lg->signal_fd = sys_signalfd(SIG_BIT(SIGCHLD) | SIG_BIT(SIGIO));
	if (lg->epoll == -1 || lg->wake_fd == -1 || lg->signal_fd == -1 ||
	    pipe2(lg->scratch, O_CLOEXEC | O_NONBLOCK) == -1 ||
	    watch(lg, lg->link.sock, &lg->link) == -1 ||
	    watch(lg, lg->wake_fd, &lg->wake_fd) == -1 ||
	    watch(lg, lg->signal_fd, &lg->signal_fd) == -1)
		return err_sys(e, errno, "cannot make descriptors");
	return 0;
}

/* Limits that are meant for small programs: many descriptors, and positions in
 * rings that only ever grow. */
static void
raise_limits(void)
{
	static const int which[] = {RLIMIT_NOFILE, RLIMIT_FSIZE};
	struct rlimit l;
	size_t i;

	for (i = 0; i < sizeof(which) / sizeof(*which); i++) {
		if (getrlimit((__rlimit_resource_t)which[i], &l) == -1)
			continue;
		l.rlim_cur = l.rlim_max;
		setrlimit((__rlimit_resource_t)which[i], &l);
	}
}

/* After a keeper's death nothing is held, but what was kept is there. */
static void
find_ring(struct logger *lg, const char *key)
{
	char name[KEEPER_NAME_MAX + 1];
	int fd;

	snprintf(name, sizeof(name), "ring:%s", key);
	if (names_get(&lg->held, name, -1) != -1)
		return;
	fd = store_find(&lg->store, key);
	if (fd == -1)
		return;
	link_hold(&lg->link, name, fd);
	if (names_put(&lg->held, name, fd) == -1)
		fd_close(&fd);
}

static int
open_cursors(struct logger *lg, struct err *e)
{
	int fd = (int)names_take(&lg->held, STORE_CURSORS, -1);
	int is_new = fd == -1;
	size_t i;

	/* What there is was of no use to whoever launched us. */
	if (is_new)
		store_clear(&lg->store, 0);
	if (is_new)
		fd = store_make(&lg->store, STORE_CURSORS);
	if (cursors_open(&lg->cursors, fd, e) == -1)
		return -1;
	if (is_new)
		link_hold(&lg->link, STORE_CURSORS, lg->cursors.fd);
	for (i = 0; i < lg->cursors.n; i++) {
		if (lg->cursors.list[i].key[0] == '\0')
			continue;
		find_ring(lg, lg->cursors.list[i].key);
		if (names_put(&lg->entries, lg->cursors.list[i].key,
			(intptr_t)&lg->cursors.list[i]) == -1)
			return err_sys(e, ENOMEM, "cursors");
	}
	lg->cursors.head->quitting = 0;
	lg->troubles = lg->cursors.head->troubles;
	return 0;
}

/* Held, or left by an earlier svd, or new: then nothing is known. */
static void
open_marks(struct logger *lg)
{
	int fd = (int)names_take(&lg->held, STORE_MARKS, -1);
	int is_held = fd != -1;

	if (fd == -1)
		fd = store_find(&lg->store, STORE_MARKS);
	if (fd == -1)
		fd = store_make(&lg->store, STORE_MARKS);
	if (!is_held && fd != -1)
		link_hold(&lg->link, STORE_MARKS, fd);
	marks_open(&lg->marks, fd, &lg->cursors);
}

/* Before the table is looked at, all that is held must be known. */
static int
keep_held(struct logger *lg)
{
	const struct link *l = &lg->link;
	size_t i;

	for (i = 0; i < l->nheld; i++)
		if (!terminals_handed(lg, l->held[i].name, l->held[i].fd) &&
		    names_put(&lg->held, l->held[i].name, l->held[i].fd) == -1)
			return -1;
	lg->link.nheld = 0;
	return 0;
}

static int
init(struct logger *lg, const struct logger_options *o, struct err *e)
{
	int64_t now = sys_now_ms();

	lg->pair = lg->outputs_fd = -1;
	TAILQ_INIT(&lg->all_rings);
	TAILQ_INIT(&lg->uncopied);
	TAILQ_INIT(&lg->all_streams);
	TAILQ_INIT(&lg->unused_streams);
	TAILQ_INIT(&lg->terminals);
	TAILQ_INIT(&lg->ready);
	TAILQ_INIT(&lg->blocked);
	TAILQ_INIT(&lg->pieces);
	if (link_open(&lg->link, o->keeper_fd, e) == -1)
		return -1;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != lg->link.keeper_pid)
		return err_set(e, "the keeper is gone");
	raise_limits();
	if (make_descriptors(lg, e) == -1)
		return -1;
	if (keep_held(lg) == -1)
		return err_sys(e, ENOMEM, "held descriptors");
	store_open(&lg->store, o->runtime_dir);
	if (open_cursors(lg, e) == -1)
		return -1;
	open_marks(lg);
	take_handed(lg, now);
	/* Only who knows it can tell what has left: rather begin anew. */
	if (lg->table_at != 0)
		return err_set(e, "cannot begin without the table of outputs");
	table_adopt_left_over(lg, now);
	terminals_drop_left_over(lg);
	/* Of troubles that last from an earlier life nobody tells anew. */
	lg->check_at = now + CHECK_MS;
	return 0;
}

int
logger_main(const struct logger_options *o)
{
	static struct logger lg;
	struct keeper_msg ready = {.type = KM_READY};
	struct err e;

	log_init("logger", (enum log_level)o->log_level);
	sys_signals_default(SIG_ALL);
	sys_signals_ignore(SIG_BIT(SIGINT) | SIG_BIT(SIGQUIT) |
			   SIG_BIT(SIGHUP) | SIG_BIT(SIGTSTP) |
			   SIG_BIT(SIGTTIN) | SIG_BIT(SIGTTOU) |
			   SIG_BIT(SIGPIPE) | SIG_BIT(SIGXFSZ));
	sys_sigmask(SIG_BIT(SIGCHLD) | SIG_BIT(SIGIO));
	/* What is large is had for a moment: it is to be given back. */
	mallopt(M_MMAP_THRESHOLD, 32 * 1024);
	/* A pause of 100 us is to be no longer. */
	prctl(PR_SET_TIMERSLACK, 1000);
	if (init(&lg, o, &e) == -1) {
		log_error("%s", e.text);
		return 1;
	}
	link_send(&lg.link, &ready, -1);
	while (turn(&lg))
		;
	/* What is not delivered is left where it is. */
	if (rings_are_done(&lg))
		store_clear(&lg.store, 1);
	return 0;
}
