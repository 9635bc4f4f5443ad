/* writers: see writers.h. */
#include "logger/writers.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"
#include "logger/mounts.h"
#include "logger/writer.h"

#define DIES_MS 200  /* then it hangs in a system call, and sends nothing */
#define AGAIN_MS 100 /* until one that ended early is started again */
#define EARLY_MS 1000
#define CHECK_MS 1000 /* after a wake-up: are they behind? */

static void
place_of(const struct ring *r, char *out, size_t size)
{
	/* Of one that was left over only the open file is known. */
	if (r->kind == OUTPUT_FILE && r->path != NULL)
		mounts_find(r->path, out, size);
	else
		snprintf(out, size, "%s",
		    output_kind_name((enum output_kind)r->kind));
}

struct writer *
writers_find(struct logger *lg, const struct ring *r)
{
	char place[PATH_MAX];
	struct writer *w;
	size_t i;

	place_of(r, place, sizeof(place));
	for (i = 0; i < lg->nwriters; i++)
		if (strcmp(lg->writers[i].place, place) == 0)
			return &lg->writers[i];
	/* With that many file systems the last one has several. */
	if (lg->nwriters == CURSORS_WRITERS)
		return &lg->writers[CURSORS_WRITERS - 1];
	w = &lg->writers[lg->nwriters];
	*w = (struct writer){.place = strdup(place),
	    .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	if (w->place == NULL || w->wake_fd == -1) {
		log_error("cannot make a writer: %s", strerror(errno));
		free(w->place);
		return NULL;
	}
	lg->nwriters++;
	return w;
}

void
writers_changed(struct logger *lg, struct writer *w)
{
	(void)lg;
	w->changed = 1;
}

void
writers_touch(struct logger *lg, const struct ring *r)
{
	(void)lg;
	if (r->writer != NULL)
		r->writer->touched = 1;
}

static void
enter(struct writer *w, enum writer_state state, int64_t deadline)
{
	w->state = state;
	w->deadline = deadline;
}

/* Files are to be there from the start on, and may have to be exchanged;
 * everything else can wait for something to deliver. */
static int
has_work(const struct logger *lg, const struct writer *w)
{
	const struct ring *r;

	TAILQ_FOREACH (r, &lg->all_rings, all)
		if (r->writer == w &&
		    (r->kind == OUTPUT_FILE || r->c->done != r->c->pos))
			return 1;
	return 0;
}

static void
start(struct logger *lg, struct writer *w, int64_t now)
{
	pid_t main_pid = getpid(), pid;

	enter(w, WRITER_NONE, 0);
	w->changed = 0;
	if (!has_work(lg, w))
		return;
	pid = fork();
	if (pid == 0)
		writer_run(lg, w, main_pid);
	if (pid == -1) {
		log_error("cannot start a writer: %s", strerror(errno));
		enter(w, WRITER_WAITS, now + AGAIN_MS);
		return;
	}
	w->pid = pid;
	w->started = now;
	enter(w, WRITER_RUNS, 0);
}

static void
wake(struct logger *lg, struct writer *w, int64_t now)
{
	w->touched = 0;
	if (lg->check_at == 0)
		lg->check_at = now + CHECK_MS;
	if (atomic_exchange(
		&lg->cursors.head->writer_sleeps[w - lg->writers], 0) != 0)
		eventfd_write(w->wake_fd, 1);
}

static void
begin(struct writer *w)
{
	enter(w, WRITER_BARRIER, 0);
	w->asked = 0;
}

/* It is begun anew once it is gone. */
static void
change(struct writer *w, int64_t now)
{
	w->changed = 0;
	if (w->state == WRITER_RUNS) {
		kill(w->pid, SIGKILL);
		enter(w, WRITER_DIES, now + DIES_MS);
	}
}

/* Before another one begins, main must have what the last one gave to hold. */
static void
ask_for_barrier(struct logger *lg)
{
	struct keeper_msg ping = {.type = KM_PING};
	size_t i;
	int any = 0;

	if (lg->barrier)
		return;
	for (i = 0; i < lg->nwriters; i++)
		if (lg->writers[i].state == WRITER_BARRIER)
			any = lg->writers[i].asked = 1;
	if (!any)
		return;
	lg->barrier = 1;
	link_send(&lg->link, &ping, -1);
}

void
writers_tend(struct logger *lg, int64_t now)
{
	size_t i;

	for (i = 0; i < lg->nwriters; i++) {
		struct writer *w = &lg->writers[i];

		if (w->state == WRITER_NONE && (w->changed || w->touched) &&
		    has_work(lg, w))
			begin(w);
		if (w->changed)
			change(w, now);
		if (w->deadline != 0 && now >= w->deadline)
			begin(w);
		if (w->touched && w->state == WRITER_RUNS)
			wake(lg, w, now);
		w->touched &= w->state != WRITER_NONE;
	}
	ask_for_barrier(lg);
}

void
writers_pong(struct logger *lg, int64_t now)
{
	size_t i;

	lg->barrier = 0;
	for (i = 0; i < lg->nwriters; i++)
		if (lg->writers[i].state == WRITER_BARRIER &&
		    lg->writers[i].asked)
			start(lg, &lg->writers[i], now);
}

int
writers_reaped(struct logger *lg, pid_t pid, int status, int64_t now)
{
	struct writer *w;
	size_t i;

	for (i = 0; i < lg->nwriters && lg->writers[i].pid != pid; i++)
		;
	if (i == lg->nwriters)
		return 0;
	w = &lg->writers[i];
	w->pid = 0;
	if (w->state == WRITER_DIES) {
		w->deadline = now;
	} else if (w->state == WRITER_RUNS) {
		log_warn("the writer for '%s' (pid %d) ended: %s %d", w->place,
		    (int)pid, WIFSIGNALED(status) ? "signal" : "status",
		    WIFSIGNALED(status) ? WTERMSIG(status)
					: WEXITSTATUS(status));
		enter(w, WRITER_WAITS,
		    now - w->started < EARLY_MS ? now + AGAIN_MS : now);
	}
	return 1;
}

/* One that hangs in a system call does not come back from there. */
int
writers_are_settled(const struct logger *lg)
{
	size_t i;

	for (i = 0; i < lg->nwriters; i++)
		if (lg->writers[i].changed ||
		    lg->writers[i].state == WRITER_DIES)
			return 0;
	return 1;
}

int64_t
writers_deadline(const struct logger *lg)
{
	int64_t d = 0;
	size_t i;

	for (i = 0; i < lg->nwriters; i++)
		if (lg->writers[i].deadline != 0 &&
		    (d == 0 || lg->writers[i].deadline < d))
			d = lg->writers[i].deadline;
	return d;
}
