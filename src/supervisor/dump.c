/* dump: see dump.h. What the child does is in dump_child.c. */
#include "supervisor/dump.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

#include "supervisor/adopted.h"
#include "supervisor/channel.h"
#include "supervisor/dump_child.h"
#include "supervisor/helper.h"
#include "supervisor/supervisor.h"

#define READ_BYTES 65536
#define KILLED "cut off: it was killed"
#define CROWD_MS 200 /* for each, while others wait for their turn */
#define TIME_SIZE 40
#define REQUEST_SIZE 256

struct dump {
	struct dump_job job;
	LIST_ENTRY(dump) link; /* of those that run */
	const struct worker *worker;
	struct helper *helper; /* or NULL */
	struct loop_timer deadline;
	struct buf text;
	TAILQ_ENTRY(dump) turn; /* of those that wait for others' ends */
	enum {
		DUMP_NEW,
		DUMP_WAITS,
		DUMP_RUNS,
		DUMP_OVER
	} state;
	int64_t ms, begun;
	int crowded; /* it has to make room for others */
	int gives_way;
	char cut[ERR_TEXT_MAX];
	void (*done)(void *arg);
	void *arg;
};

static int
known_times(const struct worker *w, struct buf *out)
{
	const struct worker_record *r = &w->rec;
	int64_t now = loop_now(w->sup->loop);
	char since[TIME_SIZE], left[TIME_SIZE];

	if (buf_addf(out,
		"%s: %s since %s, wanted %s, process %d, generation "
		"%llu",
		w->conf->name, worker_state_name(r->state),
		units_format_time(r->since_rt, since, sizeof(since)),
		r->want_up ? "up" : "down", r->pid,
		(unsigned long long)r->generation) == -1)
		return -1;
	if (r->deadline > now && buf_addf(out, ", deadline in %s",
				     units_format_duration(r->deadline - now,
					 left, sizeof(left))) == -1)
		return -1;
	return buf_addf(
	    out, "%s%s\n", w->error[0] == '\0' ? "" : ": ", w->error);
}

/* What svd itself knows of it: the first lines. -1: no memory. */
static int
say_known(const struct worker *w, struct buf *out)
{
	char watchdog[WATCHDOG_TEXT_SIZE], text[REQUEST_SIZE];
	const char *channel = channel_text(w);

	if (known_times(w, out) == -1 ||
	    (watchdog_text(w, watchdog) != NULL &&
		buf_addf(out, "    watchdog: %s\n", watchdog) == -1) ||
	    (channel != NULL &&
		buf_addf(out, "    channel: %s\n", channel) == -1))
		return -1;
	if (w->channel == NULL)
		return 0;
	return buf_addf(out, "    channel: %s\n",
	    requests_text(&w->channel->requests, loop_now(w->sup->loop), text,
		sizeof(text)));
}

static void
leave(struct dump *d)
{
	if (d->state == DUMP_WAITS)
		TAILQ_REMOVE(&d->worker->sup->dumps_waiting, d, turn);
	if (d->state == DUMP_RUNS)
		LIST_REMOVE(d, link);
	d->state = DUMP_OVER;
}

static void
finish(struct dump *d, const char *cut)
{
	loop_timer_stop(&d->deadline);
	leave(d);
	helper_end(d->helper);
	d->helper = NULL;
	snprintf(d->cut, sizeof(d->cut), "%s", cut);
	if (cut[0] != '\0')
		buf_addf(&d->text, "%s\n", cut);
	d->done(d->arg);
}

/* Takes what is there. 1: there may be more later, 0: that was all, -1: it is
 * too much. */
static int
take(struct dump *d, int in)
{
	ssize_t n;

	for (;;) {
		if (d->text.len >= DUMP_TEXT_MAX ||
		    buf_reserve(&d->text, READ_BYTES) == -1)
			return -1;
		n = read(in, d->text.data + d->text.len, READ_BYTES - 1);
		if (n <= 0)
			return n == -1;
		d->text.len += (size_t)n;
		d->text.data[d->text.len] = '\0';
	}
}

static int
heard(int in, void *arg)
{
	struct dump *d = arg;

	switch (take(d, in)) {
	case 1:
		return 0;
	case 0:
		d->helper = NULL;
		finish(d, d->gives_way ? KILLED : "");
		return -1;
	default:
		finish(d, "cut off: it is too long");
		return 0;
	}
}

static void
deadline_cb(struct loop_timer *t)
{
	struct dump *d = t->arg;
	char wait[TIME_SIZE], cut[ERR_TEXT_MAX];
	const char *why = "";

	if (d->state == DUMP_WAITS)
		why = ", in which others were looked at";
	else if (d->crowded)
		why = ", as others are to be looked at";
	units_format_duration(
	    d->crowded ? CROWD_MS : d->ms, wait, sizeof(wait));
	snprintf(cut, sizeof(cut), "cut off after %s%s", wait, why);
	finish(d, d->gives_way ? KILLED : cut);
}

static struct dump *
dump_new(struct worker *w, int64_t ms, void (*done)(void *arg), void *arg)
{
	struct dump *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->worker = w;
	if (say_known(w, &d->text) == -1) {
		dump_free(d);
		return NULL;
	}
	d->job.pid = w->rec.pid;
	d->job.until = loop_now(w->sup->loop) + ms;
	d->ms = ms;
	d->done = done;
	d->arg = arg;
	loop_timer_init(w->sup->loop, &d->deadline, deadline_cb, d);
	return d;
}

/* Somebody waits: who is at work for a log has to come to an end. Not so who is
 * asked for by somebody, and has more time for that. */
static void
make_room(struct supervisor *s)
{
	int64_t now = loop_now(s->loop), left;
	struct dump *d;

	LIST_FOREACH (d, &s->dumps, link) {
		if (d->crowded || d->ms > DUMP_MS ||
		    d->begun + CROWD_MS >= d->job.until)
			continue;
		left = d->begun + CROWD_MS - now;
		d->crowded = 1;
		loop_timer_start(&d->deadline, left > 0 ? left : 0);
	}
}

static void gone(struct supervisor *s);

static int
start(struct dump *d, struct err *e)
{
	struct supervisor *s = d->worker->sup;
	const struct helper_task t = {.run = dump_child,
	    .heard = heard,
	    .arg = d,
	    .end_signal = SIGTERM,
	    .running = &s->dumpers,
	    .max = DUMPS_MAX,
	    .gone = gone};

	d->begun = loop_now(s->loop);
	d->helper = helper_start(s, &t, e);
	if (d->helper == NULL)
		return -1;
	d->state = DUMP_RUNS;
	LIST_INSERT_HEAD(&s->dumps, d, link);
	return 0;
}

/* One is gone: whoever waits has its turn. */
static void
gone(struct supervisor *s)
{
	struct dump *d;
	struct err e;

	while (s->dumpers < DUMPS_MAX &&
	       (d = TAILQ_FIRST(&s->dumps_waiting)) != NULL) {
		TAILQ_REMOVE(&s->dumps_waiting, d, turn);
		d->state = DUMP_NEW;
		if (start(d, &e) == -1)
			finish(d, e.text);
	}
	if (!TAILQ_EMPTY(&s->dumps_waiting))
		make_room(s);
}

static int
can_be_dumped(const struct worker *w, struct err *e)
{
	if (w->rec.pid == 0) {
		err_set(e, "'%s' has no process", w->conf->name);
		return 0;
	}
	if (adopted_is(w) && w->adopted == NULL) {
		err_set(
		    e, "process %d cannot be proven to be its own", w->rec.pid);
		return 0;
	}
	return 1;
}

struct dump *
dump_begin(struct worker *w, int64_t ms, void (*done)(void *arg), void *arg,
    struct err *e)
{
	struct supervisor *s = w->sup;
	struct dump *d;

	if (!can_be_dumped(w, e))
		return NULL;
	d = dump_new(w, ms, done, arg);
	if (d == NULL) {
		err_set(e, "out of memory");
		return NULL;
	}
	if (s->dumpers >= DUMPS_MAX) {
		d->state = DUMP_WAITS;
		TAILQ_INSERT_TAIL(&s->dumps_waiting, d, turn);
		make_room(s);
	} else if (start(d, e) == -1) {
		dump_free(d);
		return NULL;
	}
	loop_timer_start(&d->deadline, ms);
	return d;
}

void
dump_give_way(const struct worker *w)
{
	struct dump *d;

	LIST_FOREACH (d, &w->sup->dumps, link)
		if (d->worker == w) {
			d->gives_way = 1;
			helper_hurry(d->helper);
		}
	TAILQ_FOREACH (d, &w->sup->dumps_waiting, turn)
		if (d->worker == w) {
			d->gives_way = 1;
			loop_timer_start(&d->deadline, 0);
		}
}

int
dump_over(const struct dump *d)
{
	return d->state == DUMP_OVER;
}

const char *
dump_cut(const struct dump *d)
{
	return d->cut;
}

const char *
dump_text(const struct dump *d)
{
	return d->text.data;
}

void
dump_free(struct dump *d)
{
	if (d == NULL)
		return;
	if (d->done != NULL)
		loop_timer_stop(&d->deadline);
	leave(d);
	helper_end(d->helper);
	buf_release(&d->text);
	free(d);
}
