/* verbs_show: the verbs that look and change nothing; see call.h. */
#include "ipc/varlink.h"
#include "supervisor/call.h"
#include "supervisor/events.h"
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
	else if (varlink_begin_reply(c->out) == -1 ||
		 view_status(c->sup, pick, NULL, NULL, c->out) == -1)
		rc = -1;
	else
		rc = varlink_end(c->out);
	json_decref(pick);
	return rc;
}

static int
verb_why(struct call *c)
{
	json_t *pick, *workers;
	int rc;

	if (call_check_names(c, &pick, &rc) == -1)
		return rc;
	workers = view_workers(c->sup, pick, view_reason);
	json_decref(pick);
	return call_reply(c, json_pack("{s:o}", "workers", workers));
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

	return call_reply(
	    c, json_pack("{s:b, s:o}", "ok", json_array_size(unready) == 0,
		   "unready", unready));
}

static int
verb_ping(struct call *c)
{
	return call_reply(c, json_object());
}

static int
verb_version(struct call *c)
{
	return call_reply(c, json_pack("{s:s, s:i}", "version", SVD_VERSION,
				 "protocol", VERBS_PROTOCOL));
}

const struct verb verbs_show[] = {
    {"Ping", ACCESS_READ, "", "", verb_ping, "Does the daemon answer?"},
    {"Version", ACCESS_READ, "", "version: string, protocol: int", verb_version,
	"protocol counts up with changes that a client must know."},
    {"Status", ACCESS_READ, "names: ?[]string, long: ?bool", VIEW_STATUS,
	verb_status, "The workers named, or all; no logger is pid 0."},
    {"Why", ACCESS_READ, "names: ?[]string", "workers: []Reason", verb_why,
	"What workers wait for, and how they died."},
    {"Health", ACCESS_READ, "", "ok: bool, unready: []Unready", verb_health,
	"ok: every worker that is to start by itself is ready."},
    {"Events", ACCESS_READ, "names: ?[]string, epoch: ?string, seq: ?int",
	"epoch: string, seq: int, time: string, snapshot: bool, gap: bool, "
	"worker: ?Worker, from: ?string, fleet: ?string, keeper_pid: ?int, "
	"supervisor_pid: ?int, logger_pid: ?int, workers: ?[]Worker",
	verb_events,
	"A snapshot with what Status says; then with `more`, each change of a\n"
	"# state, and a snapshot where that is not enough. epoch and seq of "
	"the\n"
	"# caller are those of the last that it has seen; gap: it missed "
	"some."},
    {0},
};
