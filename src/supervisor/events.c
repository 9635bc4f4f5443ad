/* events: see events.h. */
#include "supervisor/events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/json_text.h"
#include "ipc/varlink.h"
#include "supervisor/call.h"
#include "supervisor/control.h"
#include "supervisor/pick.h"
#include "supervisor/supervisor.h"
#include "supervisor/view.h"

/* Of events not taken: 1000 or so; and a step of each worker. */
#define KEEP_BYTES ((size_t)512 * 1024)
#define KEEP_BYTES_PER_WORKER 512
#define EPOCH_SIZE 40
#define TIME_SIZE 40

/* One change, encoded once for all; or a snapshot for one listener. */
struct event {
	struct event *next;
	uint64_t only; /* for the listener of this number; 0: for all */
	char name[sizeof(((struct worker_conf *)NULL)->name)];
	char group[sizeof(((struct worker_conf *)NULL)->group_name)];
	char id[WORKER_ID_SIZE];
	size_t len;
	char message[];
};

struct listener {
	struct answer answer;
	LIST_ENTRY(listener) link;
	struct supervisor *sup;
	uint64_t number;
	json_t *pick;     /* see pick.h */
	struct event *at; /* the next to be sent, or NULL */
	int snapshot;     /* this comes first */
	int gap;          /* and says that something was missed */
};

/* No two lives of a supervisor have the same. */
static const char *
epoch(const struct supervisor *s, char out[EPOCH_SIZE])
{
	snprintf(out, EPOCH_SIZE, "%016llx-%lu",
	    (unsigned long long)s->link.epoch, (unsigned long)s->link.life);
	return out;
}

/* What each message begins with. */
static int
begin_message(
    const struct supervisor *s, int snapshot, int gap, struct buf *out)
{
	char name[EPOCH_SIZE], time[TIME_SIZE];

	units_format_time(loop_realtime(s->loop), time, sizeof(time));
	if (json_text_string(out, "\"epoch\":", epoch(s, name)) == -1 ||
	    json_text_int(out, ",\"seq\":", (int64_t)s->events.seq) == -1 ||
	    json_text_string(out, ",\"time\":", time) == -1 ||
	    json_text_bool(out, ",\"snapshot\":", snapshot) == -1)
		return -1;
	return json_text_bool(out, ",\"gap\":", gap);
}

/* The rest of a message that was begun. */
static int
add_snapshot(struct supervisor *s, const json_t *pick, int gap, struct buf *out)
{
	if (begin_message(s, 1, gap, out) == -1 || buf_adds(out, ",") == -1 ||
	    view_status(s, pick, NULL, NULL, out) == -1)
		return -1;
	return varlink_end(out);
}

static int
add_change(const struct supervisor *s, const struct worker *w,
    enum worker_state from, struct buf *out)
{
	if (varlink_begin_part(out) == -1 ||
	    begin_message(s, 0, 0, out) == -1 ||
	    buf_adds(out, ",\"worker\":") == -1 ||
	    view_worker(s, w, out) == -1 ||
	    json_text_string(out, ",\"from\":", worker_state_name(from)) == -1)
		return -1;
	return varlink_end(out);
}

/* NULL: no memory, also where rc says so. */
static struct event *
encode(struct buf *text, int rc)
{
	struct event *e = NULL;

	if (rc == 0)
		e = malloc(sizeof(*e) + text->len);
	if (e != NULL) {
		*e = (struct event){.len = text->len};
		memcpy(e->message, text->data, text->len);
	}
	buf_release(text);
	return e;
}

static struct event *
new_event(
    const struct supervisor *s, const struct worker *w, enum worker_state from)
{
	struct buf text = {0};
	struct event *e = encode(&text, add_change(s, w, from, &text));

	if (e != NULL) {
		snprintf(e->name, sizeof(e->name), "%s", w->conf->name);
		snprintf(e->group, sizeof(e->group), "%s", w->conf->group_name);
		snprintf(e->id, sizeof(e->id), "%s", w->rec.name);
	}
	return e;
}

static void
begin_anew(struct listener *l, int gap)
{
	l->at = NULL;
	l->snapshot = 1;
	l->gap |= gap;
}

static int
is_awaited(const struct events *ev, const struct event *e)
{
	const struct listener *l;

	LIST_FOREACH (l, &ev->listeners, link)
		if (l->at == e)
			return 1;
	return 0;
}

static void
drop_first(struct events *ev)
{
	struct event *e = ev->first;
	struct listener *l;

	LIST_FOREACH (l, &ev->listeners, link)
		if (l->at == e)
			begin_anew(l, 1);
	ev->first = e->next;
	if (ev->first == NULL)
		ev->last = NULL;
	ev->bytes -= sizeof(*e) + e->len;
	free(e);
}

/* What all have taken is not needed any more. */
static void
drop_taken(struct events *ev)
{
	while (ev->first != NULL && !is_awaited(ev, ev->first))
		drop_first(ev);
}

static void
append(struct events *ev, struct event *e)
{
	struct listener *l;

	if (ev->last == NULL)
		ev->first = e;
	else
		ev->last->next = e;
	ev->last = e;
	ev->bytes += sizeof(*e) + e->len;
	LIST_FOREACH (l, &ev->listeners, link)
		if (l->at == NULL && !l->snapshot)
			l->at = e;
}

/* What has become too much, or is not needed any more. */
static void
trim(struct supervisor *s)
{
	struct events *ev = &s->events;

	drop_taken(ev);
	while (ev->bytes > KEEP_BYTES + s->roster.n * KEEP_BYTES_PER_WORKER)
		drop_first(ev);
	control_wake(s->control);
}

void
events_note(
    struct supervisor *s, const struct worker *w, enum worker_state from)
{
	struct events *ev = &s->events;
	struct listener *l;
	struct event *e;

	ev->seq++;
	if (LIST_EMPTY(&ev->listeners))
		return;
	e = new_event(s, w, from);
	if (e != NULL)
		append(ev, e);
	LIST_FOREACH (l, &ev->listeners, link)
		if (e == NULL)
			begin_anew(l, 1);
	trim(s);
}

/* Each has the snapshot made now: what follows in this turn is not in it. */
void
events_fleet_changed(struct supervisor *s)
{
	struct events *ev = &s->events;
	struct listener *l;
	struct buf text;
	struct event *e;
	int rc;

	ev->seq++;
	LIST_FOREACH (l, &ev->listeners, link) {
		if (l->snapshot)
			continue;
		text = (struct buf){0};
		rc = varlink_begin_part(&text);
		if (rc == 0)
			rc = add_snapshot(s, l->pick, 0, &text);
		e = encode(&text, rc);
		if (e == NULL) {
			begin_anew(l, 1);
			continue;
		}
		e->only = l->number;
		append(ev, e);
	}
	trim(s);
}

static int
listener_ready(const struct answer *a)
{
	const struct listener *l = (const struct listener *)a;

	return l->snapshot || l->at != NULL;
}

static enum answer_written
write_snapshot(struct listener *l, struct buf *out)
{
	if (varlink_begin_part(out) == -1 ||
	    add_snapshot(l->sup, l->pick, l->gap, out) == -1)
		return ANSWER_FAILED;
	l->snapshot = l->gap = 0;
	return ANSWER_MORE;
}

static int
is_for(const struct listener *l, const struct event *e)
{
	if (e->only != 0)
		return e->only == l->number;
	return pick_has(l->pick, e->name, e->group, e->id);
}

/* Perhaps nothing, where it is of no worker that was named. */
static enum answer_written
listener_write(struct answer *a, struct buf *out)
{
	struct listener *l = (struct listener *)a;
	const struct event *e = l->at;

	if (l->snapshot)
		return write_snapshot(l, out);
	if (is_for(l, e) && buf_add(out, e->message, e->len) == -1)
		return ANSWER_FAILED;
	l->at = e->next;
	drop_taken(&l->sup->events);
	return ANSWER_MORE;
}

static void
listener_free(struct answer *a)
{
	struct listener *l = (struct listener *)a;

	LIST_REMOVE(l, link);
	drop_taken(&l->sup->events);
	json_decref(l->pick);
	free(l);
}

static const struct answer_kind listener_kind = {
    .ready = listener_ready,
    .write = listener_write,
    .free = listener_free,
};

/* Was anything missed since what the caller has seen last? */
static int
has_gap(const struct call *c)
{
	const json_t *seen = json_object_get(c->parameters, "epoch");
	const json_t *seq = json_object_get(c->parameters, "seq");
	char name[EPOCH_SIZE];

	if (!json_is_string(seen))
		return 0;
	return strcmp(json_string_value(seen), epoch(c->sup, name)) != 0 ||
	       (uint64_t)json_integer_value(seq) != c->sup->events.seq;
}

int
events_listen(struct call *c, json_t *pick)
{
	struct listener *l;

	if (!c->more)
		return varlink_begin_reply(c->out) == -1 ||
		               add_snapshot(c->sup, pick, has_gap(c), c->out) ==
		                   -1
		           ? -1
		           : 0;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return call_no_memory(c);
	*l = (struct listener){
	    .answer.kind = &listener_kind,
	    .sup = c->sup,
	    .number = ++c->sup->events.last_number,
	    .pick = json_incref(pick),
	    .snapshot = 1,
	    .gap = has_gap(c),
	};
	LIST_INSERT_HEAD(&c->sup->events.listeners, l, link);
	return call_answer_later(c, &l->answer);
}
