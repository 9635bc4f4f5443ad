/* view_conf: see view_conf.h. */
#include "supervisor/view_conf.h"

#include <stdio.h>
#include <string.h>

#include "conf/plan.h"
#include "ipc/varlink.h"
#include "supervisor/reload.h"
#include "supervisor/supervisor.h"

const char view_conf_types[] =
    "# One key, before and after; null: it has no value.\n"
    "type Change (key: string, was: ?string, is: ?string)\n"
    "\n"
    "# kind is added, removed or changed; restart: a process that runs would\n"
    "# be replaced. workers: of a floor, those that would then be replaced "
    "too,\n"
    "# one by one; null: it is none.\n"
    "type Difference (name: string, kind: string, restart: bool,\n"
    "  workers: ?[]string, changes: []Change)\n"
    "\n"
    "# One key's value, as a file would say it; null: it has none. origin is\n"
    "# FILE:LINE (or more of them), default, or svctl scale.\n"
    "type Setting (key: string, value: ?string, origin: string)\n"
    "\n"
    "# All keys of one instance.\n"
    "type Settings (name: string, values: []Setting)\n";

json_t *
view_diags(const struct diags *d, int errors)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < d->n; i++)
		if (d->list[i].is_error == errors &&
		    json_array_append_new(
			list, varlink_string(d->list[i].text)) == -1) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static int
add_note(const struct conf_key *key, const char *was, const char *is, void *arg)
{
	char text[128];

	(void)was;
	(void)is;
	if (key->live)
		return 0;
	snprintf(text, sizeof(text),
	    "%s: takes effect when svd is started anew", key->name);
	return json_array_append_new(arg, json_string(text));
}

json_t *
view_notes(const struct fleet *was, const struct fleet *is)
{
	json_t *notes = json_array();

	if (notes != NULL &&
	    plan_fleet_changes(was, is, add_note, notes) == -1) {
		json_decref(notes);
		return NULL;
	}
	return notes;
}

/* varlink_string() of what may be empty, and is then no null. */
static json_t *
value_or_null(const char *text)
{
	if (text == NULL)
		return json_null();
	return *text == '\0' ? json_string("") : varlink_string(text);
}

static int
add_change(
    const struct conf_key *key, const char *was, const char *is, void *arg)
{
	return json_array_append_new(
	    arg, json_pack("{s:s, s:o, s:o}", "key", key->name, "was",
		     value_or_null(was), "is", value_or_null(is)));
}

static struct worker *
worker_of(const struct supervisor *s, const struct worker_conf *c)
{
	char id[WORKER_ID_SIZE];

	worker_conf_id(c, id);
	return roster_by_id(&s->roster, id);
}

static int
is_up(const struct worker *w)
{
	return w != NULL && w->rec.pid != 0 && w->rec.want_up;
}

/* Would its process be replaced? */
static int
has_process(const struct supervisor *s, const struct plan_step *step)
{
	const struct worker *w = worker_of(s, step->was);

	if (step->kind != PLAN_RESTART)
		return 0;
	return w != NULL && w->floor != NULL && step->was->as_floor != NULL
	           ? is_up(floor_newest(w->floor))
	           : is_up(w);
}

/* The names of those that a floor's next generation would replace. */
static json_t *
standing_on(const struct reload *r, const struct worker_conf *floor)
{
	json_t *names = json_array();
	const struct worker_conf *c;
	size_t i;

	for (i = 0; names != NULL && i < r->next.nworkers; i++) {
		c = &r->next.workers[i];
		if (c->floor != NULL &&
		    strcmp(c->floor, floor->group_name + 1) == 0 &&
		    is_up(worker_of(r->sup, c)) &&
		    json_array_append_new(names, json_string(c->name)) == -1) {
			json_decref(names);
			return NULL;
		}
	}
	return names;
}

static int
add_difference(json_t *list, const struct reload *r,
    const struct plan_step *step, int masked)
{
	static const char *const kinds[] = {
	    [PLAN_LIVE] = "changed",
	    [PLAN_RESTART] = "changed",
	    [PLAN_ADD] = "added",
	    [PLAN_REMOVE] = "removed",
	};
	const struct worker_conf *c = step->is != NULL ? step->is : step->was;
	json_t *changes = json_array(), *workers = json_null();
	int restart = step->was != NULL && has_process(r->sup, step);

	if (changes != NULL && step->was != NULL && step->is != NULL &&
	    plan_changes(step->was, step->is, masked, add_change, changes) ==
		-1) {
		json_decref(changes);
		return -1;
	}
	if (c->as_floor != NULL)
		workers = restart ? standing_on(r, c) : json_array();
	return json_array_append_new(
	    list, json_pack("{s:s, s:s, s:b, s:o, s:o}", "name", c->name,
		      "kind", kinds[step->kind], "restart", restart, "workers",
		      workers, "changes", changes));
}

/* A floor's second slot says what its first one says. */
static int
is_told(const struct plan_step *step)
{
	const struct worker_conf *c = step->is != NULL ? step->is : step->was;

	return step->kind != PLAN_SAME &&
	       (c->as_floor == NULL || c->instance == 0);
}

json_t *
view_diff(const struct reload *r, int masked)
{
	json_t *workers = json_array(), *fleet = json_array();
	size_t i;
	int rc = workers == NULL || fleet == NULL ? -1 : 0;

	if (rc == 0)
		rc = plan_fleet_changes(
		    &r->sup->fleet, &r->next, add_change, fleet);
	for (i = 0; rc == 0 && i < r->plan.n; i++)
		if (is_told(&r->plan.steps[i]))
			rc = add_difference(
			    workers, r, &r->plan.steps[i], masked);
	if (rc == 0)
		return json_pack("{s:o, s:o, s:o}", "fleet", fleet, "workers",
		    workers, "warnings", view_diags(&r->diags, 0));
	json_decref(workers);
	json_decref(fleet);
	return NULL;
}
