/* watchdog: see watchdog.h. */
#include "supervisor/watchdog.h"

#include <stdio.h>

#include "base/log.h"
#include "supervisor/dump_log.h"
#include "supervisor/supervisor.h"
#include "supervisor/worker.h"

#define USEC_PER_MS 1000
#define TIME_SIZE 32
/* What fires later than a quarter of the period, or this, in ms, finds svd or
 * all of the machine just back. */
#define LATE_MIN 20

#define SAY_MS 10000 /* between two warnings of one worker */

/* rec.watchdog: what the process itself has said. */
enum {
	OWN_NONE = 0,
	OWN_OFF = -1
};

int64_t
watchdog_period(const struct worker *w)
{
	if (w->rec.watchdog == OWN_OFF)
		return 0;
	return w->rec.watchdog == OWN_NONE ? w->conf->watchdog
	                                   : w->rec.watchdog;
}

static int
is_watched(const struct worker *w)
{
	return w->rec.state == WS_RUNNING && watchdog_period(w) != 0;
}

/* What is silent for this long is late, though not too late. */
static int64_t
patience(int64_t period)
{
	return period - period / 3;
}

static void
arm(struct worker *w, int64_t due)
{
	struct watchdog *wd = &w->watchdog;
	int64_t wait = due - loop_now(w->sup->loop);

	wd->due = due;
	loop_timer_start(&wd->timer, wait > 0 ? wait : 0);
}

static void
forget_sample(struct worker *w)
{
	hang_sample_free(w->watchdog.since);
	w->watchdog.since = NULL;
}

/* A whole period from now on. */
static void
begin_period(struct worker *w)
{
	forget_sample(w);
	w->watchdog.from = loop_now(w->sup->loop);
	arm(w, w->watchdog.from + patience(watchdog_period(w)));
}

/* Another one without a heartbeat, if it has not had too many. */
static int
extend(struct worker *w)
{
	if (w->watchdog.extended == WATCHDOG_EXTENSIONS)
		return 0;
	w->watchdog.extended++;
	begin_period(w);
	return 1;
}

/* It lives, and what is wrong with it is to be seen; in the log, lest it is
 * filled by who flaps, not too often of one kind: 1. */
static int
show(struct worker *w, const char *error, const char *why, int64_t *said_at)
{
	struct watchdog *wd = &w->watchdog;
	int64_t now = loop_now(w->sup->loop);

	wd->shown = 1;
	snprintf(w->error, sizeof(w->error), "%s", error);
	if (*said_at != 0 && now - *said_at < SAY_MS)
		return 0;
	*said_at = now;
	wd->said = 1;
	log_warn("%s: %s (%s)", w->conf->name, error, why);
	return 1;
}

static void
miss(struct worker *w, const char *fault, const char *why)
{
	if (w->conf->watchdog_mode == WATCHDOG_KILL) {
		log_warn("%s: %s (%s)", w->conf->name, fault, why);
		worker_overdue(w, OVERDUE_HEARTBEAT, fault);
		return;
	}
	w->watchdog.warned = 1;
	if (show(w, fault, why, &w->watchdog.miss_said_at))
		dump_then(w, NULL);
}

/* Whether it had a chance, and that in words. */
static enum hang_verdict
examine(struct worker *w, char text[HANG_TEXT_SIZE])
{
	struct hang_sample *now = hang_sample_take(w);
	struct hang_span span;

	hang_sample_compare(w->watchdog.since, now, &span);
	hang_sample_free(now);
	forget_sample(w);
	return hang_judge(&span, text);
}

/* Who had no chance has as long again. */
static int
is_spared(struct worker *w, const char *period, const char *why)
{
	char error[RECORD_FAULT_MAX];

	if (!extend(w))
		return 0;
	snprintf(error, sizeof(error),
	    "no heartbeat within %s: starved of CPU, it has as long again",
	    period);
	show(w, error, why, &w->watchdog.starved_said_at);
	return 1;
}

static void
judge(struct worker *w)
{
	char fault[RECORD_FAULT_MAX], why[HANG_TEXT_SIZE], period[TIME_SIZE];
	int is_starved = examine(w, why) == HANG_STARVED;

	units_format_duration(watchdog_period(w), period, sizeof(period));
	if (is_starved && is_spared(w, period, why))
		return;
	if (is_starved)
		snprintf(fault, sizeof(fault),
		    "no heartbeat within %s, nor in %d times that, starved "
		    "of CPU",
		    period, WATCHDOG_EXTENSIONS);
	else
		snprintf(
		    fault, sizeof(fault), "no heartbeat within %s", period);
	miss(w, fault, why);
}

static int
was_away(const struct watchdog *wd, int64_t period, int64_t now)
{
	int64_t late = period / 4;

	return now - wd->due > (late > LATE_MIN ? late : LATE_MIN);
}

static void
look(struct worker *w)
{
	struct watchdog *wd = &w->watchdog;
	int64_t period = watchdog_period(w), now = loop_now(w->sup->loop);

	if (now - wd->from >= patience(period) && was_away(wd, period, now) &&
	    extend(w))
		return;
	if (now - wd->from < period)
		forget_sample(w);
	if (now - wd->from < patience(period))
		arm(w, wd->from + patience(period));
	else if (now - wd->from < period) {
		wd->since = hang_sample_take(w);
		arm(w, wd->from + period);
	} else
		judge(w);
}

static void
watchdog_cb(struct loop_timer *t)
{
	struct worker *w = t->arg;

	/* It may have said what is yet to be read. */
	if (is_watched(w))
		notify_read(w);
	if (is_watched(w) && !t->active)
		look(w);
}

void
watchdog_init(struct worker *w)
{
	loop_timer_init(w->sup->loop, &w->watchdog.timer, watchdog_cb, w);
}

void
watchdog_release(struct worker *w)
{
	loop_timer_stop(&w->watchdog.timer);
	forget_sample(w);
}

void
watchdog_begin(struct worker *w)
{
	struct watchdog *wd = &w->watchdog;

	watchdog_end(w);
	wd->heard = 0;
	wd->last = loop_now(w->sup->loop);
	/* Whether an earlier svd's process has a way to this one is not known
	 * before it is heard. */
	if (is_watched(w) && !w->rec.adopted)
		begin_period(w);
}

void
watchdog_end(struct worker *w)
{
	struct watchdog *wd = &w->watchdog;

	watchdog_release(w);
	wd->extended = 0;
	wd->said = 0;
	wd->warned = 0;
	if (wd->shown) {
		wd->shown = 0;
		worker_explain(w);
	}
}

static void
is_back(struct worker *w)
{
	struct watchdog *wd = &w->watchdog;
	char silent[TIME_SIZE];

	units_format_duration(
	    loop_now(w->sup->loop) - wd->last, silent, sizeof(silent));
	if (wd->said)
		log_info(
		    "%s: a heartbeat again, after %s", w->conf->name, silent);
	watchdog_end(w);
}

void
watchdog_heartbeat(struct worker *w)
{
	struct watchdog *wd = &w->watchdog;

	if (wd->shown)
		is_back(w);
	wd->heard = 1;
	wd->last = wd->from = loop_now(w->sup->loop);
	wd->extended = 0;
	if (!wd->timer.active && is_watched(w))
		begin_period(w);
}

void
watchdog_set(struct worker *w, uint64_t usec)
{
	int64_t own = OWN_OFF;

	if (usec != 0 && usec != UINT64_MAX) {
		if (usec > (uint64_t)INT64_MAX - USEC_PER_MS)
			usec = (uint64_t)INT64_MAX - USEC_PER_MS;
		own = (int64_t)((usec + USEC_PER_MS - 1) / USEC_PER_MS);
		if (own < FLEET_WATCHDOG_MIN)
			own = FLEET_WATCHDOG_MIN;
	}
	if (own == w->rec.watchdog)
		return;
	w->rec.watchdog = own;
	worker_record(w);
	if (w->rec.state == WS_RUNNING)
		watchdog_begin(w);
}

void
watchdog_trigger(struct worker *w)
{
	if (fsm_step(w->rec.state, EV_OVERDUE)->kind == FSM_GO &&
	    w->rec.pid != 0 && !w->watchdog.warned)
		miss(w, "it asked to be ended", "WATCHDOG=trigger");
}

const char *
watchdog_text(const struct worker *w, char out[WATCHDOG_TEXT_SIZE])
{
	int64_t ago = loop_now(w->sup->loop) - w->watchdog.last;
	char last[TIME_SIZE], period[TIME_SIZE];

	if (!is_watched(w))
		return NULL;
	units_format_duration(ago, last, sizeof(last));
	units_format_duration(watchdog_period(w), period, sizeof(period));
	snprintf(out, WATCHDOG_TEXT_SIZE,
	    w->watchdog.heard ? "a heartbeat %s ago, expected within %s"
			      : "no heartbeat for %s, expected within %s",
	    last, period);
	return out;
}
