/* verbs_act: the verbs that start, stop and signal workers; see call.h. */
#include "base/units.h"
#include "supervisor/call.h"
#include "supervisor/reattach.h"

static int
bad_names(struct call *c)
{
	return call_fail(c, ERROR_INVALID_PARAMETER, "names");
}

/*
 * A call that its caller sends again, not knowing whether the supervisor that
 * was killed had obeyed it, says which generations there were before. One that
 * is another by now was given what the call wants for it: that is waited for,
 * but not done twice.
 */
static int
is_obeyed(const struct call *c, struct target *t)
{
	const json_t *before =
	    json_object_get(json_object_get(c->parameters, "generations"),
		t->worker->conf->name);

	if (!json_is_integer(before) ||
	    (uint64_t)json_integer_value(before) == t->generation)
		return 0;
	t->generation = (uint64_t)json_integer_value(before);
	return 1;
}

static int
command(struct call *c, enum worker_event ev, enum outcome_kind kind)
{
	struct outcome *o;
	size_t i;
	int rc;

	if (call_names_nobody(c))
		return bad_names(c);
	if (c->sup->stopping && ev != EV_STOP)
		return call_fail(
		    c, ERROR_REFUSED, "the fleet is shutting down");
	if ((o = call_pick(c, kind, &rc)) == NULL)
		return rc;
	for (i = 0; i < o->ntargets; i++)
		if (ev != EV_STOP && o->targets[i].worker->snapshot != 0)
			outcome_settle(o, &o->targets[i],
			    "is on its way out of the fleet");
		else if (!is_obeyed(c, &o->targets[i]))
			worker_command(o->targets[i].worker, ev);
	return call_answer_outcome(c, o);
}

static int
verb_start(struct call *c)
{
	return command(c, EV_START, OUTCOME_UP);
}

static int
verb_stop(struct call *c)
{
	return command(c, EV_STOP, OUTCOME_DOWN);
}

static int
verb_restart(struct call *c)
{
	return command(c, EV_RESTART, OUTCOME_NEW);
}

static int
verb_kill(struct call *c)
{
	struct outcome *o;
	struct err e;
	size_t i;
	int rc;

	if (call_names_nobody(c))
		return bad_names(c);
	if ((o = call_pick(c, OUTCOME_GONE, &rc)) == NULL)
		return rc;
	/* One that has no process is where the call wants it. */
	for (i = 0; i < o->ntargets; i++)
		if (!is_obeyed(c, &o->targets[i]) && o->targets[i].pid != 0 &&
		    worker_kill(o->targets[i].worker, &e) == -1)
			outcome_settle(o, &o->targets[i], e.text);
	return call_answer_outcome(c, o);
}

static int
verb_signal(struct call *c)
{
	const char *name =
	    json_string_value(json_object_get(c->parameters, "signal"));
	struct outcome *o;
	struct err e;
	size_t i;
	int rc, sig;

	if (call_names_nobody(c))
		return bad_names(c);
	if (units_parse_signal(name, &sig, &e) == -1)
		return call_fail(c, ERROR_INVALID_PARAMETER, "signal");
	if ((o = call_pick(c, OUTCOME_NONE, &rc)) == NULL)
		return rc;
	for (i = 0; i < o->ntargets; i++) {
		rc = worker_signal(o->targets[i].worker, sig, &e);
		outcome_settle(o, &o->targets[i], rc == -1 ? e.text : NULL);
	}
	return call_answer_outcome(c, o);
}

/* A terminal hangs up with the keeper, which is its other end. NULL without
 * memory. */
static json_t *
who_is_lost(const struct supervisor *s)
{
	json_t *list = json_array();
	struct worker *w;
	size_t i;

	ROSTER_EACH (&s->roster, i, w)
		if (w->conf->tty && w->rec.pid != 0)
			json_array_append_new(list, json_string(w->conf->name));
	return list;
}

static int
verb_shutdown(struct call *c)
{
	int keeper = c->sup->link.keeper_pid, rc;
	struct err e;

	if (json_is_true(json_object_get(c->parameters, "detach"))) {
		if (keeper == 1 || c->sup->init_mode)
			return call_fail(c, ERROR_REFUSED,
			    keeper == 1
				? "svd is process 1: nothing outlives it"
				: "the command is svd's reason to be");
		if (supervisor_detach(c->sup, &e) == -1)
			return call_fail(c, ERROR_FAILED, e.text);
		return call_reply(c, json_pack("{s:i, s:o}", "keeper_pid",
					 keeper, "lost", who_is_lost(c->sup)));
	}
	rc = call_reply(c, json_pack("{s:i}", "keeper_pid", keeper));
	if (rc == 0 && !c->sup->stopping)
		supervisor_stop(c->sup, 1, 0);
	return rc;
}

static int
verb_reattach(struct call *c)
{
	json_t *list = reattach_again(c->sup);

	if (list == NULL)
		return call_no_memory(c);
	return call_reply(c, json_pack("{s:O}", "workers", list));
}

#define NAMES_WAIT "names: []string, wait: ?bool"
#define ONCE NAMES_WAIT ", generations: ?[string]int"

const struct verb verbs_act[] = {
    {"Start", ACCESS_ACT, ONCE, "results: []Result", verb_start,
	"Until running and ready (a oneshot: ended); wait false: at once.\n"
	"# generations, by the workers' names, as they were before the call "
	"was\n"
	"# first sent: who sends it again, having had no answer, starts "
	"nobody\n"
	"# twice."},
    {"Stop", ACCESS_ACT, NAMES_WAIT, "results: []Result", verb_stop,
	"Until no process is left."},
    {"Restart", ACCESS_ACT, ONCE, "results: []Result", verb_restart,
	"Until a new generation is running and ready; generations: see Start."},
    {"Kill", ACCESS_ACT, ONCE, "results: []Result", verb_kill,
	"SIGKILL to whole trees, until the process is gone; generations: see\n"
	"# Start."},
    {"Signal", ACCESS_ACT, "names: []string, signal: string",
	"results: []Result", verb_signal,
	"To the main processes; signal: TERM, SIGTERM, 15."},
    {"Shutdown", ACCESS_ACT, "detach: ?bool",
	"keeper_pid: int, lost: ?[]string", verb_shutdown,
	"Begins the fleet's end; detach: svd's alone, its workers run on for\n"
	"# a later svd, but those that are lost with their terminal."},
    {"Reattach", ACCESS_ACT, "", "workers: []Reattached", verb_reattach,
	"What has become of each worker that an earlier svd left; those that\n"
	"# were refused are tried again."},
    {0},
};
