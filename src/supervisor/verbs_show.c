/* verbs_show: the verbs that look and change nothing; see call.h. */
#include <stdlib.h>

#include "ipc/varlink.h"
#include "supervisor/call.h"
#include "supervisor/events.h"
#include "supervisor/floor_rows.h"
#include "supervisor/pick.h"
#include "supervisor/status.h"
#include "supervisor/usage.h"
#include "supervisor/verbs.h"
#include "supervisor/view.h"

static int
verb_status(struct call *c)
{
	json_t *pick;
	int rc;

	if (call_check_names(c, &pick, &rc) == -1)
		return rc;
	if (json_is_true(json_object_get(c->parameters, "long")))
		rc = usage_answer(c, pick);
	else if (json_object_size(pick) == 0)
		rc = status_answer(c);
	else if (varlink_begin_reply(c->out) == -1 ||
		 view_status(c->sup, pick, NULL, NULL, c->out) == -1)
		rc = -1;
	else
		rc = varlink_end(c->out);
	json_decref(pick);
	return rc;
}

/* The floors that Why tells of. */
struct asked {
	struct floor_rows rows;
	char *told; /* of each row */
};

static void
ask_for(struct asked *a, const struct worker *slot)
{
	size_t i;

	for (i = 0; slot != NULL && i < a->rows.n; i++)
		if (a->rows.list[i].slot == slot)
			a->told[i] = 1;
}

static void
slot_cb(struct worker *slot, void *arg)
{
	ask_for(arg, slot);
}

/* What a worker waits for in vain is told with it, however many wait so. */
static void
worker_cb(struct worker *w, void *arg)
{
	ask_for(arg, floor_failed_for(w));
}

/* NULL without memory. */
static json_t *
why_floors(struct supervisor *s, json_t *pick)
{
	struct asked a = {.told = NULL};
	json_t *list = json_array();
	size_t i;

	if (floor_rows_make(s, &a.rows) == 0)
		a.told = calloc(a.rows.n + 1, 1);
	if (a.told != NULL) {
		pick_each(s, pick, worker_cb, &a);
		pick_each_slot(s, pick, slot_cb, &a);
	}
	for (i = 0; a.told != NULL && i < a.rows.n; i++)
		if (a.told[i] &&
		    json_array_append_new(
			list, view_floor_reason(s, &a.rows.list[i])) == -1)
			break;
	if (i < a.rows.n || a.told == NULL) {
		json_decref(list);
		list = NULL;
	}
	floor_rows_release(&a.rows);
	free(a.told);
	return list;
}

static int
verb_why(struct call *c)
{
	json_t *pick, *workers, *floors;
	int rc;

	if (call_check_names_or_floors(c, &pick, &rc) == -1)
		return rc;
	workers = view_workers(c->sup, pick, view_reason);
	floors = why_floors(c->sup, pick);
	json_decref(pick);
	return call_reply(
	    c, json_pack("{s:o, s:o}", "workers", workers, "floors", floors));
}

static int
verb_events(struct call *c)
{
	const json_t *epoch = json_object_get(c->parameters, "epoch");
	const json_t *seq = json_object_get(c->parameters, "seq");
	json_t *pick;
	int rc;

	if (json_is_string(epoch) != json_is_integer(seq))
		return call_fail(c, ERROR_INVALID_PARAMETER,
		    json_is_string(epoch) ? "seq" : "epoch");
	if (call_check_names(c, &pick, &rc) == -1)
		return rc;
	rc = events_listen(c, pick);
	json_decref(pick);
	return rc;
}

static int
verb_health(struct call *c)
{
	json_t *unready = view_workers(c->sup, NULL, view_unready);
	const char *trouble = state_trouble(&c->sup->state);
	json_t *reply = json_pack("{s:b, s:o}", "ok",
	    json_array_size(unready) == 0, "unready", unready);

	if (trouble != NULL && reply != NULL)
		json_object_set_new(reply, "degraded", varlink_string(trouble));
	return call_reply(c, reply);
}

static int
verb_ping(struct call *c)
{
	if (json_is_string(json_object_get(c->parameters, "name")))
		return channel_ping(c);
	return call_reply(c, json_object());
}

static int
verb_version(struct call *c)
{
	return call_reply(c,
	    json_pack("{s:s, s:i, s:I}", "version", SVD_VERSION, "protocol",
		VERBS_PROTOCOL, "upgrades", (json_int_t)upgrades_over(c->sup)));
}

const struct verb verbs_show[] = {
    {"Ping", ACCESS_READ, "name: ?string, " CALL_ASKED, "", verb_ping,
	"Does the daemon answer? With name, does a worker, by its channel?"},
    {"Version", ACCESS_READ, "",
	"version: string, protocol: int, upgrades: int", verb_version,
	"protocol counts up with changes that a client must know; upgrades "
	"are\n"
	"# those that are over since svd was started."},
    {"Status", ACCESS_READ, "names: ?[]string, long: ?bool", VIEW_STATUS,
	verb_status,
	"The workers named, or all; no logger is pid 0. degraded, only where\n"
	"# it is so: why svd cannot write down what happens."},
    {"Why", ACCESS_READ, "names: ?[]string",
	"workers: []Reason, floors: []Reason", verb_why,
	"What workers wait for, and how they died; floors are those named\n"
	"# (floor:NAME), and those that such a worker waits for in vain."},
    {"Health", ACCESS_READ, "",
	"ok: bool, unready: []Unready, degraded: ?string", verb_health,
	"ok: every worker that is to start by itself is ready. degraded: as "
	"in\n"
	"# Status."},
    {"Events", ACCESS_READ, "names: ?[]string, epoch: ?string, seq: ?int",
	"epoch: string, seq: int, time: string, snapshot: bool, gap: bool, "
	"worker: ?Worker, from: ?string, fleet: ?string, keeper_pid: ?int, "
	"supervisor_pid: ?int, logger_pid: ?int, degraded: ?string, "
	"workers: ?[]Worker",
	verb_events,
	"A snapshot with what Status says; then with `more`, each change of a\n"
	"# state, and a snapshot where that is not enough. epoch and seq of "
	"the\n"
	"# caller are those of the last that it has seen; gap: it missed "
	"some."},
    {0},
};
