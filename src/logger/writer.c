/* writer: see writer.h. */
#include "logger/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"
#include "logger/code.h"
#include "logger/delivery.h"
#include "logger/forward.h"
#include "logger/ring.h"
#include "logger/sink.h"
#include "logger/streams.h"
#include "logger/terminals.h"

#define PAUSE_NS 50000L /* for more to come, while more comes */
#define TRIM_MS 50      /* of quiet, then memory is given back */

struct writing {
	struct cursors_head *head;
	cursor_u64 *sleeps;
	int wake_fd, main_fd;
	struct delivery *list;
	size_t n;
	int64_t next; /* the first retry; 0: none */
	int untrimmed;
	int moved; /* since the last pause */
};

static delivery_fn *const steps[] = {
    [OUTPUT_FILE] = sink_step,
    [OUTPUT_STDERR] = sink_step,
    [OUTPUT_SYSLOG] = forward_step,
    [OUTPUT_JOURNAL] = forward_step,
};

static void
wake_main(const struct writing *w)
{
	eventfd_write(w->main_fd, 1);
}

/*
 * Main's wish to hear of it is kept until there is much room again. Looked at
 * after the delivery is noted: main looks at that after its wish.
 */
static int
is_room_for_main(const struct delivery *d)
{
	return d->c->pos - d->c->done <= RING_GO_ON;
}

/* One round over all: 1 if any got on. */
static int
turn(struct writing *w, int64_t now)
{
	uint64_t troubles = w->head->troubles;
	int rc, moved = 0, room = 0;
	size_t i;

	w->next = 0;
	for (i = 0; i < w->n; i++) {
		struct delivery *d = &w->list[i];

		if (!delivery_is_due(d))
			continue;
		if (d->retry_at <= now) {
			rc = steps[d->r->kind](d);
			moved |= rc == 1;
			room |= rc == 1 && is_room_for_main(d);
			if (rc == 0)
				delivery_rests(d);
			if (rc != -1)
				continue;
		}
		if (w->next == 0 || d->retry_at < w->next)
			w->next = d->retry_at;
	}
	if ((room && atomic_exchange(&w->head->main_waits, 0) != 0) ||
	    troubles != w->head->troubles)
		wake_main(w);
	w->untrimmed |= moved;
	w->moved |= moved;
	return moved;
}

/* Is there something to do that does not wait for its time? */
static int
is_anything_due(const struct writing *w, int64_t now)
{
	size_t i;

	for (i = 0; i < w->n; i++)
		if (delivery_is_due(&w->list[i]) && w->list[i].retry_at <= now)
			return 1;
	return 0;
}

static void
trim_all(struct writing *w)
{
	size_t i;

	for (i = 0; i < w->n; i++)
		delivery_trim(&w->list[i]);
	code_leave();
	w->untrimmed = 0;
}

/*
 * While data keeps coming main need not wake us for each piece of it: we look
 * again by ourselves, once after each time that there was some.
 */
static void
pause_for_more(struct writing *w)
{
	struct timespec t = {.tv_nsec = PAUSE_NS};

	w->moved = 0;
	nanosleep(&t, NULL);
}

/*
 * Whoever looks at `sleeps` after adding to a ring wakes us; whoever did so
 * before has added to what we look at now.
 */
static void
rest(struct writing *w)
{
	struct pollfd p = {.fd = w->wake_fd, .events = POLLIN};
	int64_t now = sys_now_ms(), wait = w->untrimmed ? TRIM_MS : -1;
	eventfd_t count;

	*w->sleeps = 1;
	if (!is_anything_due(w, now)) {
		if (w->next != 0 && (wait == -1 || w->next - now < wait))
			wait = w->next > now ? w->next - now : 0;
		if (poll(&p, 1, (int)wait) == 0 && w->untrimmed)
			trim_all(w);
	}
	*w->sleeps = 0;
	eventfd_read(w->wake_fd, &count);
}

/*
 * A predecessor that was killed while its disk stalled is not gone before the
 * disk is back: its locks tell. POSIX locks, as they end with the process.
 */
static int
wait_for_predecessor(const struct logger *lg, struct delivery *d)
{
	struct flock fl = {.l_type = F_WRLCK,
	    .l_whence = SEEK_SET,
	    .l_start = (off_t)cursors_offset(&lg->cursors, d->c),
	    .l_len = sizeof(struct cursor)};
	int rc;

	/* Not waiting first: a stall that is none should not be seen. */
	if (fcntl(lg->cursors.fd, F_SETLK, &fl) == 0) {
		delivery_busy(d, 0);
		return 0;
	}
	delivery_busy(d, 1);
	do
		rc = fcntl(lg->cursors.fd, F_SETLKW, &fl);
	while (rc == -1 && errno == EINTR);
	delivery_busy(d, 0);
	return rc;
}

static void
take(struct logger *lg, struct ring *r, struct delivery *d)
{
	char name[KEEPER_NAME_MAX + 1];
	int fd = -1;

	snprintf(name, sizeof(name), "sink:%s", r->c->key);
	if (r->kind == OUTPUT_STDERR)
		fd = STDERR_FILENO;
	else if (r->kind == OUTPUT_FILE)
		fd = (int)names_get(&lg->held, name, -1);
	*d = (struct delivery){.lg = lg, .r = r, .c = r->c, .fd = fd};
}

static void
take_all(struct logger *lg, struct writer *w, struct writing *writing)
{
	struct ring *r;

	writing->list = calloc(w->nrings + 1, sizeof(*writing->list));
	if (writing->list == NULL)
		_exit(1);
	TAILQ_FOREACH (r, &lg->all_rings, all) {
		struct delivery *d = &writing->list[writing->n];

		if (r->writer != w || writing->n == w->nrings)
			continue;
		take(lg, r, d);
		if (wait_for_predecessor(lg, d) == -1) {
			log_error("cannot lock the cursors: %m");
			_exit(1);
		}
		writing->n++;
	}
}

_Noreturn void
writer_run(struct logger *lg, struct writer *w, pid_t main_pid)
{
	struct writing writing = {.head = lg->cursors.head,
	    .sleeps = &lg->cursors.head->writer_sleeps[w - lg->writers],
	    .wake_fd = w->wake_fd,
	    .main_fd = lg->wake_fd};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != main_pid)
		_exit(0);
	prctl(PR_SET_NAME, "svd: writer");
	terminals_leave(lg);
	streams_leave(lg);
	take_all(lg, w, &writing);
	for (;;) {
		if (turn(&writing, sys_now_ms()))
			continue;
		if (writing.moved)
			pause_for_more(&writing);
		else
			rest(&writing);
	}
}
