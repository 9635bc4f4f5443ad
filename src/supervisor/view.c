/* view: see view.h. Names and units are those of svctl(8). */
#include "supervisor/view.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/backoff.h"
#include "ipc/json_text.h"
#include "ipc/varlink.h"
#include "supervisor/channel.h"
#include "supervisor/pick.h"
#include "supervisor/readiness.h"
#include "supervisor/floor_rows.h"
#include "supervisor/supervisor.h"
#include "supervisor/trace.h"

#define TIME_SIZE 40
#define TOLD_KILL 2 /* worker_record.told */
#define TEXT_SIZE 160
#define REASON_SIZE (RECORD_FAULT_MAX + 64)

const char view_types[] =
    "# How a process ended. code and signal are null where it did not end so;\n"
    "# known is false where nobody saw its status.\n"
    "type Exit (code: ?int, signal: ?int, reason: string, at: string,\n"
    "  known: bool)\n"
    "\n"
    "# One instance. state is STOPPED, WAITING, STARTING, RUNNING, BACKOFF,\n"
    "# STOPPING, EXITED or FAILED, want is up or down, pid 0 is none; uptime\n"
    "# and next_start are seconds. The last six only where `long` asks for\n"
    "# them: what it has said of itself by sd_notify(3); and, null where they\n"
    "# cannot be had, of its process (not of those that it has made), its\n"
    "# resident memory, its proportional share of that, the private and the\n"
    "# shared part; processor time.\n"
    "type Worker (name: string, state: string, want: string, ready: bool,\n"
    "  pid: int, generation: int, since: string, uptime: float,\n"
    "  restarts: int, next_start: ?float, last_exit: ?Exit,\n"
    "  floor: ?string, error: ?string, status: ?string, rss_kb: ?int,\n"
    "  pss_kb: ?int, private_kb: ?int, shared_kb: ?int, cpu_ms: ?int)\n"
    "\n"
    "# One worker of an earlier svd. outcome is kept (it had no process),\n"
    "# adopted, gone or refused; reason says more.\n"
    "type Reattached (name: string, outcome: string, pid: int,\n"
    "  reason: string)\n"
    "\n"
    "# One death; uptime is seconds.\n"
    "type Death (at: string, reason: string, code: ?int, signal: ?int,\n"
    "  uptime: float, generation: int)\n"
    "\n"
    "# Why an instance is as it is; deaths has the newest last, traceback is\n"
    "# what is known beyond error, or of the last of these. Of a floor, one\n"
    "# generation, with its state as in Floor. said is what it has last said "
    "by\n"
    "# sd_notify(3) of where it is: ready, reloading or stopping; errno what\n"
    "# ails it, as text.\n"
    "type Reason (name: string, state: string, want: string, pid: int,\n"
    "  since: string, waiting_for: ?string, until: ?string,\n"
    "  next_start: ?float, deaths: []Death, error: ?string,\n"
    "  traceback: ?string, channel: ?string, watchdog: ?string,\n"
    "  status: ?string, said: ?string, errno: ?string)\n"
    "\n"
    "# An instance that is to start by itself and is not ready.\n"
    "type Unready (name: string, state: string, reason: string)\n";

static json_t *
seconds(int64_t ms)
{
	return json_real((double)(ms > 0 ? ms : 0) / 1000.);
}

static json_t *
number_unless(int value, int none)
{
	return value == none ? json_null() : json_integer(value);
}

static const char *
want_name(const struct worker *w)
{
	return w->rec.want_up ? "up" : "down";
}

/* The exit status counts only for what was born and not killed. */
static json_t *
death_code(const struct death *d)
{
	if (d->signal != 0 || death_is_unborn(d))
		return json_null();
	return number_unless(d->code, -1);
}

static int
death_known(const struct death *d)
{
	return d->code != -1 || d->signal != 0 || death_is_unborn(d);
}

int
view_exit(const struct death *d, struct buf *out)
{
	char reason[REASON_SIZE], at[TIME_SIZE];
	int none = d->signal != 0 || death_is_unborn(d);

	if (d->at == 0)
		return buf_adds(out, "null");
	death_describe(d, reason, sizeof(reason));
	units_format_time(d->at_rt, at, sizeof(at));
	if (json_text_int_unless(out, "{\"code\":", none ? -1 : d->code, -1) ==
		-1 ||
	    json_text_int_unless(out, ",\"signal\":", d->signal, 0) == -1 ||
	    json_text_string(out, ",\"reason\":", reason) == -1 ||
	    json_text_string(out, ",\"at\":", at) == -1 ||
	    json_text_bool(out, ",\"known\":", death_known(d)) == -1)
		return -1;
	return buf_adds(out, "}");
}

static int
has_next_start(const struct worker *w)
{
	return w->rec.state == WS_BACKOFF && w->rec.deadline != 0;
}

/* Where nothing worse is wrong: that its birth cannot be recorded, its output,
 * its floor. */
static const char *
error_of(const struct worker *w)
{
	const char *problem = output_problem(w);

	if (w->error[0] == '\0' && w->rec.state == WS_STARTING &&
	    w->rec.pid == 0 && state_trouble(&w->sup->state) != NULL)
		problem = state_trouble(&w->sup->state);

	if (w->error[0] != '\0')
		return w->error;
	if (problem == NULL)
		problem = floor_failure_for(w);
	return problem == NULL ? "" : problem;
}

static int
add_next_start(
    const struct supervisor *s, const struct worker *w, struct buf *out)
{
	static const char key[] = ",\"next_start\":";

	if (!has_next_start(w))
		return json_text_string(out, key, NULL);
	return json_text_seconds(out, key, w->rec.deadline - loop_now(s->loop));
}

int
view_worker(const struct supervisor *s, const struct worker *w, struct buf *out)
{
	const struct worker_record *r = &w->rec;
	int64_t age = r->pid == 0 ? 0 : loop_now(s->loop) - r->born;
	char since[TIME_SIZE];

	units_format_time(r->since_rt, since, sizeof(since));
	if (json_text_string(out, "{\"name\":", w->conf->name) == -1 ||
	    json_text_string(out, ",\"state\":", worker_state_name(r->state)) ==
		-1 ||
	    json_text_string(out, ",\"want\":", want_name(w)) == -1 ||
	    json_text_bool(out, ",\"ready\":", worker_ready(w)) == -1 ||
	    json_text_int(out, ",\"pid\":", r->pid) == -1 ||
	    json_text_int(out, ",\"generation\":", (int64_t)r->generation) ==
		-1 ||
	    json_text_string(out, ",\"since\":", since) == -1 ||
	    json_text_seconds(out, ",\"uptime\":", age) == -1 ||
	    json_text_int(out, ",\"restarts\":", (int64_t)r->restarts) == -1 ||
	    add_next_start(s, w, out) == -1 ||
	    buf_adds(out, ",\"last_exit\":") == -1 ||
	    view_exit(&r->last, out) == -1)
		return -1;
	if (json_text_string(out, ",\"floor\":", w->conf->floor) == -1 ||
	    json_text_string(out, ",\"error\":", error_of(w)) == -1)
		return -1;
	return buf_add(out, "}", 1);
}

static json_t *
view_death(const struct death *d)
{
	char reason[REASON_SIZE], at[TIME_SIZE];

	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:I}", "at",
	    units_format_time(d->at_rt, at, sizeof(at)), "reason",
	    varlink_string(death_describe(d, reason, sizeof(reason))), "code",
	    death_code(d), "signal", number_unless(d->signal, 0), "uptime",
	    seconds(d->uptime), "generation", (json_int_t)d->generation);
}

/* The last deaths, the newest last. */
static json_t *
view_deaths(const struct worker *w)
{
	json_t *deaths = json_array();
	size_t i, n = w->history.n;
	struct death d;

	if (n > WORKER_HISTORY_MIN)
		n = WORKER_HISTORY_MIN;
	for (i = n; deaths != NULL && i > 0; i--) {
		history_get(&w->history, i - 1, &d);
		if (json_array_append_new(deaths, view_death(&d)) == -1) {
			json_decref(deaths);
			return NULL;
		}
	}
	return deaths;
}

static int64_t
time_left(const struct worker *w, int64_t now)
{
	return w->rec.deadline > now ? w->rec.deadline - now : 0;
}

static void
starting_text(const struct worker *w, char *out)
{
	if (floor_waits(w))
		floor_waiting_text(w, out, TEXT_SIZE);
	else if (w->rec.pid == 0)
		snprintf(out, TEXT_SIZE, "its process to be made");
	else if (w->rec.started)
		readiness_text(w, out, TEXT_SIZE);
	else
		snprintf(
		    out, TEXT_SIZE, "its process %d to be ready", w->rec.pid);
}

/* What it waits for, as a sentence's end; "" for nothing. left: how long its
 * deadline is away. */
static void
waiting_text(const struct worker *w, const char *left, char *out)
{
	const struct worker_record *r = &w->rec;

	out[0] = '\0';
	switch (r->state) {
	case WS_WAITING:
		snprintf(out, TEXT_SIZE, "the workers that it requires");
		break;
	case WS_STARTING:
		starting_text(w, out);
		break;
	case WS_BACKOFF:
		snprintf(out, TEXT_SIZE, "its next start in %s", left);
		break;
	case WS_STOPPING:
		if (r->told == TOLD_KILL)
			snprintf(out, TEXT_SIZE,
			    "its process %d, killed, to be gone", r->pid);
		else if (r->deadline != 0)
			snprintf(out, TEXT_SIZE,
			    "its process %d to end, KILL in %s", r->pid, left);
		else
			snprintf(
			    out, TEXT_SIZE, "its process %d to end", r->pid);
		break;
	case WS_FAILED:
		snprintf(out, TEXT_SIZE, "a start by hand");
		break;
	default:
		break;
	}
}

/* Why it is not ready, as a sentence. */
static json_t *
unready_reason(const struct supervisor *s, const struct worker *w)
{
	char waiting[TEXT_SIZE], left[TIME_SIZE], text[TEXT_SIZE + 16];

	if (w->error[0] != '\0' || floor_failure_for(w) != NULL)
		return varlink_string(error_of(w));
	units_format_duration(
	    time_left(w, loop_now(s->loop)), left, sizeof(left));
	waiting_text(w, left, waiting);
	if (waiting[0] == '\0')
		return json_string(w->rec.want_up ? "not running" : "stopped");
	snprintf(text, sizeof(text), "waits for %s", waiting);
	return varlink_string(text);
}

json_t *
view_unready(const struct supervisor *s, const struct worker *w)
{
	/* One that is on its way out of the fleet need not be. */
	if (!w->conf->autostart || w->snapshot != 0 || worker_ready(w))
		return json_null();
	return json_pack("{s:s, s:s, s:o}", "name", w->conf->name, "state",
	    worker_state_name(w->rec.state), "reason", unready_reason(s, w));
}

/* What is told of a worker and of a floor's slot in different words. */
struct told {
	const char *state, *error;
	const struct worker *traced; /* whose trace is shown, or NULL */
};

/* NULL without memory. */
static json_t *
view_trace(const struct worker *w)
{
	struct buf text = {0};
	json_t *value;

	if (w == NULL || trace_read(w, &text) == -1)
		text.len = 0;
	value = varlink_string(text.len == 0 ? NULL : text.data);
	buf_release(&text);
	return value;
}

static json_t *
view_told(
    const struct supervisor *s, const struct worker *w, const struct told *told)
{
	const struct worker_record *r = &w->rec;
	int64_t now = loop_now(s->loop);
	int64_t left = time_left(w, now);
	char waiting[TEXT_SIZE], since[TIME_SIZE], until[TIME_SIZE] = "";
	char text[TIME_SIZE], watchdog[WATCHDOG_TEXT_SIZE];

	waiting_text(
	    w, units_format_duration(left, text, sizeof(text)), waiting);
	if (r->deadline != 0)
		units_format_time(
		    loop_realtime(s->loop) + left, until, sizeof(until));
	return json_pack(
	    "{s:s, s:s, s:s, s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o,"
	    " s:o, s:o, s:o, s:o}",
	    "name", w->conf->name, "state", told->state, "want", want_name(w),
	    "pid", r->pid, "since",
	    units_format_time(r->since_rt, since, sizeof(since)), "waiting_for",
	    varlink_string(waiting), "until", varlink_string(until),
	    "next_start",
	    has_next_start(w) ? seconds(r->deadline - now) : json_null(),
	    "deaths", view_deaths(w), "error", varlink_string(told->error),
	    "traceback", view_trace(told->traced), "channel",
	    varlink_string(channel_text(w)), "watchdog",
	    varlink_string(watchdog_text(w, watchdog)), "status",
	    varlink_string(r->status), "said",
	    varlink_string(record_said_name(r->said)), "errno",
	    varlink_string(
		r->said_errno == 0 ? NULL : strerror(r->said_errno)));
}

json_t *
view_reason(const struct supervisor *s, const struct worker *w)
{
	struct told told = {worker_state_name(w->rec.state), error_of(w), w};

	return view_told(s, w, &told);
}

json_t *
view_floor_reason(const struct supervisor *s, const struct floor_row *row)
{
	struct told told = {
	    .state = floor_row_state(row), .error = floor_row_error(row)};

	if (told.error[0] != '\0')
		told.traced = floor_row_failed(row);
	return view_told(s, row->slot, &told);
}

struct list {
	struct supervisor *sup;
	view_fn *view;
	json_t *all; /* NULL: no memory */
};

static void
list_cb(struct worker *w, void *arg)
{
	struct list *l = arg;
	json_t *one = l->view(l->sup, w);

	if (json_is_null(one) || json_array_append_new(l->all, one) == 0)
		return;
	json_decref(l->all);
	l->all = NULL;
}

json_t *
view_workers(struct supervisor *s, const json_t *pick, view_fn *view)
{
	struct list l = {s, view, json_array()};

	pick_each(s, pick, list_cb, &l);
	return l.all;
}

struct status {
	struct supervisor *sup;
	struct buf *out;
	view_more_fn *more;
	void *arg;
	size_t n;
	int rc;
};

static void
status_cb(struct worker *w, void *arg)
{
	struct status *st = arg;

	if (st->rc == -1 || (st->n++ > 0 && buf_add(st->out, ",", 1) == -1) ||
	    view_worker(st->sup, w, st->out) == -1)
		st->rc = -1;
	else if (st->more != NULL) {
		st->out->len--; /* the object goes on */
		if (st->more(w, st->out, st->arg) == -1 ||
		    buf_add(st->out, "}", 1) == -1)
			st->rc = -1;
	}
}

static int
add_degraded(const struct supervisor *s, struct buf *out)
{
	const char *trouble = state_trouble(&s->state);

	return trouble == NULL
	           ? 0
	           : json_text_string(out, ",\"degraded\":", trouble);
}

int
view_status(struct supervisor *s, const json_t *pick, view_more_fn *more,
    void *arg, struct buf *out)
{
	struct status st = {s, out, more, arg, 0, 0};

	if (json_text_string(out, "\"fleet\":", s->fleet.name) == -1 ||
	    json_text_int(out, ",\"keeper_pid\":", s->link.keeper_pid) == -1 ||
	    json_text_int(out, ",\"supervisor_pid\":", getpid()) == -1 ||
	    json_text_int(out, ",\"logger_pid\":", s->output.logger) == -1 ||
	    add_degraded(s, out) == -1 || buf_adds(out, ",\"workers\":[") == -1)
		return -1;
	pick_each(s, pick, status_cb, &st);
	return st.rc == -1 ? -1 : buf_add(out, "]", 1);
}
