/* outcome: see outcome.h. */
#include "supervisor/outcome.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/backoff.h"
#include "ipc/varlink.h"
#include "supervisor/floor.h"
#include "supervisor/floor_rows.h"
#include "supervisor/worker.h"

const char outcome_types[] =
    "# What became of one instance: done, or not (yet), or error says why "
    "not.\n"
    "type Result (name: string, done: bool, state: string, pid: int,\n"
    "  error: ?string)\n";

static int
answer_ready(const struct answer *a)
{
	return ((const struct outcome *)a)->unsettled == 0;
}

static int
answer_look(struct answer *a, const struct worker *w)
{
	return outcome_look((struct outcome *)a, w);
}

static enum answer_written
answer_write(struct answer *a, struct buf *out)
{
	return varlink_write_reply(out, outcome_reply((struct outcome *)a)) ==
	               -1
	           ? ANSWER_FAILED
	           : ANSWER_LAST;
}

static void
answer_free(struct answer *a)
{
	outcome_free((struct outcome *)a);
}

static const struct answer_kind outcome_answer = {
    .ready = answer_ready,
    .look = answer_look,
    .write = answer_write,
    .free = answer_free,
    .after_sweep = 1,
};

struct outcome *
outcome_new(enum outcome_kind kind)
{
	struct outcome *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return NULL;
	o->answer.kind = &outcome_answer;
	o->kind = kind;
	return o;
}

void
outcome_free(struct outcome *o)
{
	size_t i;

	if (o == NULL)
		return;
	for (i = 0; i < o->ntargets; i++)
		worker_unref(o->targets[i].worker);
	json_decref(o->extra);
	free(o->targets);
	free(o);
}

int
outcome_add(struct outcome *o, struct worker *w)
{
	return outcome_add_as(o, w, o->kind);
}

int
outcome_add_as(struct outcome *o, struct worker *w, enum outcome_kind kind)
{
	size_t cap = o->cap == 0 ? 4 : o->cap * 2;
	struct target *targets = o->targets;

	if (o->ntargets == o->cap) {
		targets = realloc(targets, cap * sizeof(*targets));
		if (targets == NULL)
			return -1;
		o->targets = targets;
		o->cap = cap;
	}
	targets[o->ntargets] = (struct target){
	    .worker = w,
	    .kind = kind,
	    .place = o->ntargets,
	    .generation = w->rec.generation,
	    .pid = w->rec.pid,
	};
	o->ntargets++;
	worker_ref(w);
	return 0;
}

static int
by_worker(const void *a, const void *b)
{
	const struct target *x = a, *y = b;

	return (x->worker > y->worker) - (x->worker < y->worker);
}

void
outcome_begin(struct outcome *o)
{
	size_t i, n = 0;

	if (o->ntargets == 0)
		return;
	qsort(o->targets, o->ntargets, sizeof(*o->targets), by_worker);
	for (i = 1; i < o->ntargets; i++)
		if (o->targets[i].worker != o->targets[n].worker)
			o->targets[++n] = o->targets[i];
		else
			worker_unref(o->targets[i].worker);
	o->ntargets = n + 1;
	o->unsettled = o->ntargets;
}

void
outcome_settle(struct outcome *o, struct target *t, const char *error)
{
	if (t->settled)
		return;
	t->settled = 1;
	t->done = error == NULL;
	if (error != NULL)
		snprintf(t->error, sizeof(t->error), "%s", error);
	o->unsettled--;
}

/* Why w is not up. */
static void
settle_failed(struct outcome *o, struct target *t)
{
	const struct worker *w = t->worker;
	char text[sizeof(t->error)];

	if (w->error[0] != '\0')
		outcome_settle(o, t, w->error);
	else if (w->rec.last.at != 0)
		outcome_settle(
		    o, t, death_describe(&w->rec.last, text, sizeof(text)));
	else
		outcome_settle(o, t, worker_state_name(w->rec.state));
}

/* It waits for a process from a floor that has failed by now. */
static int
waits_in_vain(const struct worker *w)
{
	const struct floor *f = floor_waits(w) ? floor_of(w) : NULL;

	return f != NULL && floor_failure(f) != NULL;
}

static void
judge_up(struct outcome *o, struct target *t)
{
	const struct worker *w = t->worker;

	switch (w->rec.state) {
	case WS_RUNNING:
		if (w->conf->type == WORKER_DAEMON && worker_ready(w))
			outcome_settle(o, t, NULL);
		return;
	case WS_EXITED:
		if (worker_as_wanted(w))
			outcome_settle(o, t, NULL);
		else
			settle_failed(o, t);
		return;
	case WS_BACKOFF:
	case WS_FAILED:
		settle_failed(o, t);
		return;
	default:
		/* Only somebody else's call or the fleet's end can do this. */
		if (!w->rec.want_up)
			outcome_settle(o, t, "stopped meanwhile");
		else if (waits_in_vain(w))
			outcome_settle(o, t, floor_failure_for(w));
	}
}

static void
judge_down(struct outcome *o, struct target *t)
{
	const struct worker_record *r = &t->worker->rec;

	if (r->want_up)
		outcome_settle(o, t, "started meanwhile");
	else if (r->pid == 0 &&
		 (r->state == WS_STOPPED || r->state == WS_EXITED ||
		     r->state == WS_FAILED))
		outcome_settle(o, t, NULL);
}

/* The generation of the call, still up or ended before its TERM came, is to be
 * followed by another. */
static void
judge_new(struct outcome *o, struct target *t)
{
	const struct worker_record *r = &t->worker->rec;

	if (r->generation != t->generation ||
	    (r->state != WS_RUNNING && r->state != WS_EXITED))
		judge_up(o, t);
}

static void
judge_gone(struct outcome *o, struct target *t)
{
	const struct worker_record *r = &t->worker->rec;

	if (t->pid == 0 || r->pid != t->pid || r->generation != t->generation)
		outcome_settle(o, t, NULL);
}

/* Whatever else was waited for will not come any more. */
static void
judge_left(struct outcome *o, struct target *t)
{
	const struct worker *w = t->worker;

	if (w->gone)
		outcome_settle(o, t, NULL);
	else if (w->snapshot == 0)
		outcome_settle(o, t, "added again meanwhile");
}

static void
judge_rolled(struct outcome *o, struct target *t)
{
	const struct floor *f = t->worker->floor;
	const struct worker *newest = floor_newest(f);

	if (f->halted[0] != '\0')
		outcome_settle(o, t, f->halted);
	else if (newest->rec.state == WS_RUNNING && !newest->rec.rolls)
		outcome_settle(o, t, NULL);
	else if (!newest->rec.want_up)
		outcome_settle(o, t, "given up meanwhile");
	else if (floor_failure(f) != NULL)
		outcome_settle(o, t, floor_failure(f));
}

static void
judge(struct outcome *o, struct target *t)
{
	static void (*const judges[])(struct outcome *, struct target *) = {
	    [OUTCOME_UP] = judge_up,
	    [OUTCOME_DOWN] = judge_down,
	    [OUTCOME_NEW] = judge_new,
	    [OUTCOME_GONE] = judge_gone,
	    [OUTCOME_LEFT] = judge_left,
	    [OUTCOME_ROLLED] = judge_rolled,
	};

	if (!t->settled)
		judges[t->kind](o, t);
}

int
outcome_look_all(struct outcome *o)
{
	size_t i;

	for (i = 0; i < o->ntargets; i++)
		judge(o, &o->targets[i]);
	return o->unsettled == 0;
}

int
outcome_look(struct outcome *o, const struct worker *w)
{
	struct target key = {.worker = (struct worker *)w}, *t;

	t = bsearch(&key, o->targets, o->ntargets, sizeof(key), by_worker);
	if (t != NULL)
		judge(o, t);
	return o->unsettled == 0;
}

static json_t *
result(const struct target *t)
{
	const struct worker_record *r = &t->worker->rec;

	return json_pack("{s:s, s:b, s:s, s:i, s:o}", "name",
	    t->worker->conf->name, "done", t->done, "state",
	    worker_state_name(r->state), "pid", r->pid, "error",
	    varlink_string(t->error));
}

static int
by_place(const void *a, const void *b)
{
	const struct target *x = *(const struct target *const *)a;
	const struct target *y = *(const struct target *const *)b;

	return (x->place > y->place) - (x->place < y->place);
}

/* In the order in which they were added. */
static json_t *
all_results(const struct outcome *o)
{
	const struct target **order = calloc(o->ntargets + 1, sizeof(*order));
	json_t *results = order == NULL ? NULL : json_array();
	size_t i;

	for (i = 0; order != NULL && i < o->ntargets; i++)
		order[i] = &o->targets[i];
	if (order != NULL)
		qsort(order, o->ntargets, sizeof(*order), by_place);
	for (i = 0; results != NULL && i < o->ntargets; i++)
		if (json_array_append_new(results, result(order[i])) == -1) {
			json_decref(results);
			results = NULL;
		}
	free(order);
	return results;
}

/* NULL without memory. */
static json_t *
failed_names(const json_t *results)
{
	json_t *names = json_array(), *r;
	size_t i;

	json_array_foreach (results, i, r)
		if (!json_is_null(json_object_get(r, "error")) &&
		    json_array_append(names, json_object_get(r, "name")) ==
			-1) {
			json_decref(names);
			return NULL;
		}
	return names;
}

json_t *
outcome_reply(const struct outcome *o)
{
	json_t *reply = o->extra == NULL ? json_object() : json_copy(o->extra);
	json_t *results = all_results(o);

	if (json_object_set_new(reply, "results", results) == 0 &&
	    (json_object_get(reply, "failed") == NULL ||
		json_object_set_new(reply, "failed", failed_names(results)) ==
		    0))
		return reply;
	json_decref(reply);
	return NULL;
}
