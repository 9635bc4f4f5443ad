/* verbs_conf: the verbs about the fleet file: what it says, and what would
 * change by it; see call.h. What is done about that is in reload.c. */
#include <string.h>

#include "supervisor/call.h"
#include "supervisor/config.h"
#include "supervisor/floor.h"
#include "supervisor/pick.h"
#include "supervisor/reload.h"
#include "supervisor/view_conf.h"

static int
refuse(struct call *c)
{
	return call_fail(c, ERROR_REFUSED,
	    c->sup->stopping ? "the fleet is shutting down"
			     : "there is no fleet file: svd runs a command");
}

static int
is_refused(const struct call *c)
{
	return c->sup->stopping || c->sup->fleet_path == NULL;
}

static int
bad_configuration(struct call *c, const struct diags *d)
{
	return call_fail_with(c, ERROR_BAD_CONFIGURATION,
	    json_pack("{s:o}", "errors", view_diags(d, 1)));
}

/* Another process will take the place of one that is there, or was. */
static int
is_replaced(const struct reload_item *item)
{
	const struct worker *w = item->worker;

	if (item->kind != PLAN_RESTART)
		return 0;
	if (w->conf->as_floor != NULL)
		return floor_outdated(w->floor) ||
		       floor_newest(w->floor)->rec.rolls;
	return worker_outdated(w) ||
	       (w->rec.want_up && w->rec.state == WS_STOPPING);
}

/* What the call waits for. */
static int
wait_for(struct outcome *o, const struct reload_item *item)
{
	struct worker *w = item->worker;

	switch (item->kind) {
	case PLAN_ADD:
		/* A floor is waited for by those who stand on it. */
		return w->conf->autostart && w->conf->as_floor == NULL
		           ? outcome_add_as(o, w, OUTCOME_UP)
		           : 0;
	case PLAN_REMOVE:
		return outcome_add_as(o, w, OUTCOME_LEFT);
	case PLAN_RESTART:
		if (!is_replaced(item) ||
		    (w->conf->as_floor != NULL && w->conf->instance != 0))
			return 0;
		return outcome_add_as(o, w,
		    w->conf->as_floor == NULL ? OUTCOME_NEW : OUTCOME_ROLLED);
	default:
		return 0;
	}
}

static const char *
list_of(const struct reload_item *item)
{
	switch (item->kind) {
	case PLAN_ADD:
		return "added";
	case PLAN_REMOVE:
		return "removed";
	case PLAN_RESTART:
		return is_replaced(item) ? "restarted" : "changed";
	default:
		return "changed";
	}
}

static int
is_rolling(const struct worker *w)
{
	return w->conf->as_floor != NULL && w->conf->instance == 0 &&
	       floor_newest(w->floor)->rec.rolls;
}

/* What an earlier reload has begun is waited for too: this one may be the same
 * one again, whose caller has lost the supervisor that began it. Where he says
 * so, whoever starts may do so because of it. */
static int
wait_for_others(struct outcome *o, struct supervisor *s, int again)
{
	struct worker *w;
	size_t i;
	int rc = 0;

	ROSTER_EACH (&s->roster, i, w) {
		if (w->snapshot != 0)
			rc |= outcome_add_as(o, w, OUTCOME_LEFT);
		else if (again && is_rolling(w))
			rc |= outcome_add_as(o, w, OUTCOME_ROLLED);
		else if (w->rec.want_up && w->rec.state == WS_STOPPING &&
			 w->rec.conf != w->conf->print)
			rc |= outcome_add_as(o, w, OUTCOME_NEW);
		else if (again && w->rec.want_up &&
			 w->rec.state == WS_STARTING &&
			 w->conf->as_floor == NULL)
			rc |= outcome_add_as(o, w, OUTCOME_UP);
	}
	return rc;
}

/* -1: no memory for all of it; what is to be done is done all the same. */
static int
describe(struct outcome *o, const struct reload *r, int again)
{
	size_t i;
	int rc = wait_for_others(o, r->sup, again);

	for (i = 0; i < r->nitems; i++) {
		const struct reload_item *item = &r->items[i];
		const struct worker_conf *conf = item->worker->conf;
		json_t *list = json_object_get(o->extra, list_of(item));

		if (wait_for(o, item) == -1)
			rc = -1;
		/* A floor's two slots are one to people. */
		if ((conf->as_floor == NULL || conf->instance == 0) &&
		    json_array_append_new(list, json_string(conf->name)) == -1)
			rc = -1;
	}
	return rc;
}

/* Answers the call, whatever becomes of it. */
static int
carry_out(struct call *c, struct reload *r, json_t *notes)
{
	struct outcome *o = outcome_new(OUTCOME_NONE);
	int rc;

	if (o != NULL)
		o->extra = json_pack("{s:[], s:[], s:[], s:[], s:[], s:O, s:o}",
		    "added", "removed", "restarted", "changed", "failed",
		    "notes", notes, "warnings", view_diags(&r->diags, 0));
	if (o == NULL || o->extra == NULL) {
		outcome_free(o);
		return call_no_memory(c);
	}
	reload_commit(r);
	rc = describe(
	    o, r, json_is_true(json_object_get(c->parameters, "again")));
	outcome_begin(o);
	reload_finish(r);
	if (rc == -1) {
		outcome_free(o);
		return call_no_memory(c);
	}
	return call_answer_outcome(c, o);
}

/* From src (taken), on disk or in memory. */
static int
reload_from(struct call *c, struct sources *src)
{
	struct reload r;
	json_t *notes;
	int rc;

	if (reload_load(&r, c->sup, src) == -1 ||
	    reload_prepare(&r, src) == -1) {
		rc = bad_configuration(c, &r.diags);
	} else {
		notes = view_notes(&c->sup->fleet, &r.next);
		rc =
		    notes == NULL ? call_no_memory(c) : carry_out(c, &r, notes);
		json_decref(notes);
	}
	reload_release(&r);
	sources_free(src);
	return rc;
}

static int
verb_reload(struct call *c)
{
	int rc;

	if (is_refused(c))
		return refuse(c);
	bulletin_reloading(c->sup);
	rc = reload_from(c, sources_new());
	bulletin_reloaded(c->sup);
	return rc;
}

struct section {
	const char *name;
	int found;
};

static void
look_for_section(struct worker *w, void *arg)
{
	struct section *s = arg;

	if (w->snapshot == 0 && strcmp(w->conf->group_name, s->name) == 0)
		s->found = 1;
}

static int
verb_scale(struct call *c)
{
	json_t *number = json_object_get(c->parameters, "numprocs");
	json_int_t n = json_integer_value(number);
	struct section s = {
	    .name = json_string_value(json_object_get(c->parameters, "name"))};
	struct sources *src;
	struct err e;

	if (is_refused(c))
		return refuse(c);
	if (n < 1 || n > FLEET_NUMPROCS_MAX)
		return call_fail(c, ERROR_INVALID_PARAMETER, "numprocs");
	pick_each(c->sup, NULL, look_for_section, &s);
	if (!s.found)
		return call_fail(c, ERROR_NO_SUCH_WORKER, s.name);
	src = snapshot_sources(c->sup, &e);
	if (src == NULL)
		return call_fail(c, ERROR_FAILED, e.text);
	if (sources_scale(src, s.name, (int)n) == -1) {
		sources_free(src);
		return call_no_memory(c);
	}
	return reload_from(c, src);
}

static int
verb_diff(struct call *c)
{
	struct sources *src;
	struct reload r;
	json_t *reply;
	int rc;

	if (is_refused(c))
		return refuse(c);
	src = sources_new();
	if (reload_load(&r, c->sup, src) == -1) {
		rc = bad_configuration(c, &r.diags);
	} else {
		reply = view_diff(&r, c->access < ACCESS_ACT);
		rc = reply == NULL ? call_no_memory(c) : call_reply(c, reply);
	}
	reload_release(&r);
	sources_free(src);
	return rc;
}

static int
verb_config(struct call *c)
{
	struct sources *src;
	struct err e;
	json_t *pick;
	int rc;

	if (c->sup->fleet_path == NULL)
		return refuse(c);
	if (call_check_names_or_floors(c, &pick, &rc) == -1)
		return rc;
	src = snapshot_sources(c->sup, &e);
	rc = src == NULL ? call_fail(c, ERROR_FAILED, e.text)
	                 : config_answer(c, src, pick);
	json_decref(pick);
	return rc;
}

#define RELOADED                                                    \
	"added: []string, removed: []string, restarted: []string, " \
	"changed: []string, failed: []string, notes: []string, "    \
	"warnings: []string, results: []Result"

const struct verb verbs_conf[] = {
    {"Reload", ACCESS_ACT, "wait: ?bool, again: ?bool", RELOADED, verb_reload,
	"Reads the fleet's files again and applies what is different, or "
	"nothing.\n"
	"# changed: without a restart. Until all that was started, stopped "
	"and\n"
	"# restarted is settled; wait false: at once. again: it is sent once "
	"more,\n"
	"# having had no answer: whoever is starting is waited for."},
    {"Diff", ACCESS_READ, "",
	"fleet: []Change, workers: []Difference, warnings: []string", verb_diff,
	"What Reload would do."},
    {"Scale", ACCESS_ACT,
	"name: string, numprocs: int, wait: ?bool, again: ?bool", RELOADED,
	verb_scale,
	"Another number of instances of a section, until the next Reload."},
    {"Config", ACCESS_READ, "names: ?[]string",
	"fleet: []Setting, workers: []Settings", verb_config,
	"Each key's value in force, and where it comes from."},
    {0},
};
