/* verbs_show: the verbs that look and change nothing; see call.h. */
#include <unistd.h>

#include "supervisor/call.h"
#include "supervisor/verbs.h"
#include "supervisor/view.h"

static json_t *
view_all(const struct call *c, const struct outcome *o,
    json_t *(*view)(const struct supervisor *, const struct worker *))
{
	json_t *all = json_array();
	size_t i;

	for (i = 0; all != NULL && i < o->ntargets; i++)
		if (json_array_append_new(
			all, view(c->sup, o->targets[i].worker)) == -1) {
			json_decref(all);
			return NULL;
		}
	return all;
}

static int
verb_status(struct call *c)
{
	struct outcome *o;
	json_t *workers;
	int rc;

	if ((o = call_pick(c, OUTCOME_NONE, &rc)) == NULL)
		return rc;
	workers = view_all(c, o, view_worker);
	outcome_free(o);
	return call_reply(
	    c, json_pack("{s:s, s:i, s:i, s:i, s:o}", "fleet",
		   c->sup->fleet.name, "keeper_pid", c->sup->link.keeper_pid,
		   "supervisor_pid", (int)getpid(), "logger_pid",
		   (int)c->sup->output.logger, "workers", workers));
}

static int
verb_why(struct call *c)
{
	struct outcome *o;
	json_t *workers;
	int rc;

	if ((o = call_pick(c, OUTCOME_NONE, &rc)) == NULL)
		return rc;
	workers = view_all(c, o, view_reason);
	outcome_free(o);
	return call_reply(c, json_pack("{s:o}", "workers", workers));
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
    {"Status", ACCESS_READ, "names: ?[]string",
	"fleet: string, keeper_pid: int, supervisor_pid: int, "
	"logger_pid: int, workers: []Worker",
	verb_status, "The workers named, or all; no logger is pid 0."},
    {"Why", ACCESS_READ, "names: ?[]string", "workers: []Reason", verb_why,
	"What workers wait for, and how they died."},
    {0},
};
