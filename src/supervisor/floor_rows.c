/* floor_rows: see floor_rows.h. */
#include "supervisor/floor_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/units.h"
#include "core/backoff.h"
#include "supervisor/supervisor.h"

static struct floor_row *
add(struct floor_rows *r, struct floor *f, struct worker *slot,
    uint64_t generation)
{
	size_t cap = r->cap == 0 ? 8 : r->cap * 2;
	struct floor_row *list = r->list;

	if (r->n == r->cap) {
		list = realloc(list, cap * sizeof(*list));
		if (list == NULL)
			return NULL;
		r->list = list;
		r->cap = cap;
	}
	list[r->n] = (struct floor_row){
	    .floor = f, .slot = slot, .generation = generation};
	return &list[r->n++];
}

static struct floor_row *
find(const struct floor_rows *r, const struct floor *f, uint64_t generation)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		if (r->list[i].floor == f &&
		    r->list[i].generation == generation)
			return &r->list[i];
	return NULL;
}

/* What serves, or is to serve once it can. */
static struct worker *
leader_of(const struct floor *f)
{
	struct worker *leader = floor_serving(f);
	int i;

	if (leader != NULL)
		return leader;
	leader = floor_newest(f);
	/* A newer one that was given up does not. */
	for (i = 0; i < FLOOR_SLOTS && !leader->rec.want_up; i++)
		if (f->slots[i] != NULL && f->slots[i]->rec.want_up)
			leader = f->slots[i];
	return leader;
}

/* Its process's, if it has one; the next may have a number already. */
static uint64_t
generation_of(const struct worker *slot)
{
	return slot->rec.pid == 0 ? slot->rec.generation : slot->rec.stands_on;
}

/* Those of one floor: its leading slot, and the other one if there is a process
 * of it. */
static int
add_slots(struct floor_rows *r, struct floor *f)
{
	struct worker *leader = leader_of(f), *w;
	struct floor_row *row;
	size_t i;

	row = add(r, f, leader, generation_of(leader));
	if (row == NULL)
		return -1;
	row->leads = 1;
	for (i = 0; i < FLOOR_SLOTS; i++) {
		w = f->slots[i];
		if (w != NULL && w != leader && w->rec.pid != 0 &&
		    add(r, f, w, generation_of(w)) == NULL)
			return -1;
	}
	return 0;
}

/* Where a floor's first row is; r->n: it has none. */
static size_t
place_of(const struct floor_rows *r, const struct floor *f)
{
	size_t i;

	for (i = 0; i < r->n && r->list[i].floor != f; i++)
		;
	return i;
}

/* In the order of the file. */
static int
add_floors(struct supervisor *s, struct floor_rows *r)
{
	struct worker *w;
	size_t i;

	ROSTER_EACH (&s->roster, i, w)
		if (w->conf->as_floor != NULL &&
		    place_of(r, w->floor) == r->n &&
		    add_slots(r, w->floor) == -1)
			return -1;
	return 0;
}

static int
count_worker(struct floor_rows *r, const struct worker *w)
{
	struct floor *f = w->rec.pid == 0 ? NULL : floor_of(w);
	struct floor_row *row;

	/* One that was executed stands on none. */
	if (f == NULL || w->rec.stands_on == 0)
		return 0;
	row = find(r, f, w->rec.stands_on);
	if (row == NULL)
		row = add(r, f, NULL, w->rec.stands_on);
	if (row == NULL)
		return -1;
	row->workers++;
	return 0;
}

static void
count_spares(const struct floor_rows *r, const struct floor *f)
{
	struct floor_row *row;
	const struct line *l;

	TAILQ_FOREACH (l, &f->spares, link)
		if ((row = find(r, f, l->generation)) != NULL)
			row->spares++;
}

/* What only workers are left of stands behind the rest: each to its floor. */
static void
gather(struct floor_rows *r)
{
	struct floor_row row;
	size_t i, j;

	for (i = 1; i < r->n; i++) {
		row = r->list[i];
		for (j = i; j > 0 && place_of(r, r->list[j - 1].floor) >
					 place_of(r, row.floor);
		     j--)
			r->list[j] = r->list[j - 1];
		r->list[j] = row;
	}
}

int
floor_rows_make(struct supervisor *s, struct floor_rows *r)
{
	struct worker *w;
	size_t i, n;

	if (add_floors(s, r) == -1)
		return -1;
	n = r->n;
	ROSTER_EACH (&s->roster, i, w)
		if (w->conf->floor != NULL && count_worker(r, w) == -1)
			return -1;
	for (i = 0; i < n; i++)
		if (r->list[i].leads)
			count_spares(r, r->list[i].floor);
	gather(r);
	return 0;
}

void
floor_rows_release(struct floor_rows *r)
{
	free(r->list);
	*r = (struct floor_rows){0};
}

int
floor_row_has(const struct floor_row *row, const struct worker *w)
{
	return w->conf->floor != NULL && w->rec.pid != 0 &&
	       w->rec.stands_on == row->generation && floor_of(w) == row->floor;
}

const char *
floor_row_state(const struct floor_row *row)
{
	static const char *const names[WS_COUNT] = {
	    [WS_STOPPED] = "RETIRED",
	    [WS_WAITING] = "LOADING",
	    [WS_STARTING] = "LOADING",
	    [WS_RUNNING] = "READY",
	    [WS_BACKOFF] = "FAILED",
	    [WS_STOPPING] = "RETIRED",
	    [WS_EXITED] = "RETIRED",
	    [WS_FAILED] = "FAILED",
	};

	return row->slot == NULL ? "RETIRED" : names[row->slot->rec.state];
}

/* Also while it is being loaded again after that. */
static const char *
last_failure(const struct worker *slot)
{
	static char text[RECORD_FAULT_MAX + 16];

	if (slot->error[0] != '\0' || slot->rec.state != WS_STARTING ||
	    slot->rec.run == 0 || slot->rec.last.at == 0)
		return slot->error;
	return death_describe(&slot->rec.last, text, sizeof(text));
}

/* What has kept another generation from taking its place. */
static const char *
halted(const struct floor *f, const struct worker *serving)
{
	static char text[sizeof(f->halted) + 64];
	const struct worker *newest = floor_newest(f);

	if (f->halted[0] == '\0' || newest == serving)
		return f->halted;
	snprintf(text, sizeof(text),
	    "generation %" PRIu64 " cannot be loaded: %s",
	    newest->rec.generation, f->halted);
	return text;
}

const char *
floor_row_error(const struct floor_row *row)
{
	const char *error = row->slot == NULL ? "" : last_failure(row->slot);

	return error[0] == '\0' && row->leads ? halted(row->floor, row->slot)
	                                      : error;
}

const struct worker *
floor_row_failed(const struct floor_row *row)
{
	const struct worker *slot = row->slot, *newest;

	if (slot == NULL || !row->leads)
		return slot;
	if (slot->rec.state != WS_RUNNING)
		return slot;
	/* One that could not take over from it. */
	newest = floor_newest(row->floor);
	return row->floor->halted[0] != '\0' && newest != slot ? newest : NULL;
}

int
floor_waits(const struct worker *w)
{
	return w->conf->floor != NULL && w->rec.state == WS_STARTING &&
	       w->rec.pid == 0;
}

const struct worker *
floor_failed_for(const struct worker *w)
{
	const struct floor *f = floor_waits(w) ? floor_of(w) : NULL;
	const struct worker *slot = f == NULL ? NULL : floor_newest(f);

	if (slot == NULL || floor_serving(f) != NULL)
		return NULL;
	return last_failure(slot)[0] == '\0' ? NULL : slot;
}

const char *
floor_failure_for(const struct worker *w)
{
	static char text[RECORD_FAULT_MAX + FLEET_NAME_MAX + 16];
	const struct worker *slot = floor_failed_for(w);

	if (slot == NULL)
		return NULL;
	snprintf(text, sizeof(text), "floor '%s': %s", w->conf->floor,
	    last_failure(slot));
	return text;
}

void
floor_waiting_text(const struct worker *w, char *out, size_t size)
{
	const struct floor *f = floor_of(w);
	const struct worker *slot = f == NULL ? NULL : floor_newest(f);
	int64_t now = loop_now(w->sup->loop);
	const char *name = w->conf->floor;
	char wait[32];

	if (slot == NULL)
		snprintf(out, size, "floor '%s', which has left", name);
	else if (floor_serving(f) != NULL)
		snprintf(out, size, "a process from floor '%s'", name);
	else if (slot->rec.state == WS_STARTING)
		snprintf(out, size, "floor '%s', which is loading", name);
	else if (slot->rec.state == WS_BACKOFF && slot->rec.deadline > now)
		snprintf(out, size, "floor '%s', to be loaded again in %s",
		    name,
		    units_format_duration(
			slot->rec.deadline - now, wait, sizeof(wait)));
	else
		snprintf(out, size, "floor '%s', which is %s", name,
		    slot->rec.state == WS_FAILED ? "not loaded again"
						 : "not loaded");
}
