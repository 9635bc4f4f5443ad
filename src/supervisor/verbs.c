/* verbs: see verbs.h. */
#include "supervisor/verbs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/varlink.h"
#include "supervisor/outcome.h"
#include "supervisor/supervisor.h"
#include "supervisor/view.h"

#define SERVICE(name) VARLINK_SERVICE "." name
#define FLEET(name) VERBS_INTERFACE "." name

enum access {
	ACCESS_NONE,
	ACCESS_READ,
	ACCESS_ACT
};

/* One call on its way through its verb. */
struct call {
	struct supervisor *sup;
	json_t *parameters; /* checked against the verb's */
	struct buf *out;
	struct outcome *wait; /* set: the answer comes later */
};

struct verb {
	const char *interface, *name;
	enum access needs;
	const char *in, *out; /* IDL, without the parentheses */
	int (*fn)(struct call *c);
	const char *help; /* a comment of the IDL */
};

static const struct verb *verb_at(size_t i);

static int
reply(struct call *c, json_t *parameters)
{
	return varlink_write_reply(c->out, parameters);
}

static int
fail(struct call *c, const char *error, const char *key, const char *value)
{
	json_t *text = varlink_string(value);

	/* A parameter of this kind is a string, also an empty one. */
	if (json_is_null(text))
		text = json_string("");
	return varlink_write_error(
	    c->out, error, json_pack("{s:o}", key, text));
}

static int
bad_parameter(struct call *c, const char *name)
{
	return fail(c, SERVICE("InvalidParameter"), "parameter", name);
}

static int
no_memory(struct call *c)
{
	return fail(c, FLEET("Failed"), "reason", "out of memory");
}

/* The workers that a call names. */
struct pick {
	struct outcome *outcome;
	int failed;
};

static void
pick_cb(struct worker *w, void *arg)
{
	struct pick *p = arg;

	if (outcome_add(p->outcome, w) == -1)
		p->failed = 1;
}

/*
 * All workers that `names` names, or where it is absent or empty, all there
 * are. NULL: an error was answered, *rc is of that; nothing was done yet.
 */
static struct outcome *
pick_named(struct call *c, enum outcome_kind kind, int *rc)
{
	json_t *names = json_object_get(c->parameters, "names"), *name;
	struct pick p = {.outcome = outcome_new(kind)};
	size_t i;

	if (p.outcome == NULL) {
		*rc = no_memory(c);
		return NULL;
	}
	if (json_array_size(names) == 0)
		supervisor_each_named(c->sup, "all", pick_cb, &p);
	json_array_foreach (names, i, name) {
		const char *text = json_string_value(name);

		if (supervisor_each_named(c->sup, text, pick_cb, &p) > 0)
			continue;
		outcome_free(p.outcome);
		*rc = fail(c, FLEET("NoSuchWorker"), "name", text);
		return NULL;
	}
	if (p.failed) {
		outcome_free(p.outcome);
		*rc = no_memory(c);
		return NULL;
	}
	outcome_begin(p.outcome);
	return p.outcome;
}

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

	if ((o = pick_named(c, OUTCOME_NONE, &rc)) == NULL)
		return rc;
	workers = view_all(c, o, view_worker);
	outcome_free(o);
	return reply(c,
	    json_pack("{s:s, s:i, s:i, s:i, s:o}", "fleet", c->sup->fleet.name,
		"keeper_pid", c->sup->link.keeper_pid, "supervisor_pid",
		(int)getpid(), "logger_pid", 0, "workers", workers));
}

static int
verb_why(struct call *c)
{
	struct outcome *o;
	json_t *workers;
	int rc;

	if ((o = pick_named(c, OUTCOME_NONE, &rc)) == NULL)
		return rc;
	workers = view_all(c, o, view_reason);
	outcome_free(o);
	return reply(c, json_pack("{s:o}", "workers", workers));
}

/* Answers at once, or leaves the rest to verbs_answer(). */
static int
answer_or_wait(struct call *c, struct outcome *o)
{
	json_t *wait = json_object_get(c->parameters, "wait");

	if (!outcome_look_all(o) && !json_is_false(wait)) {
		c->wait = o;
		return 0;
	}
	return verbs_answer(o, c->out);
}

/* `names` may be absent only where that is no danger. */
static int
no_names(const struct call *c)
{
	return json_array_size(json_object_get(c->parameters, "names")) == 0;
}

static int
command(struct call *c, enum worker_event ev, enum outcome_kind kind)
{
	struct outcome *o;
	size_t i;
	int rc;

	if (no_names(c))
		return bad_parameter(c, "names");
	if (c->sup->stopping && ev != EV_STOP)
		return fail(c, FLEET("Refused"), "reason",
		    "the fleet is shutting down");
	if ((o = pick_named(c, kind, &rc)) == NULL)
		return rc;
	for (i = 0; i < o->ntargets; i++)
		worker_command(o->targets[i].worker, ev);
	return answer_or_wait(c, o);
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

	if (no_names(c))
		return bad_parameter(c, "names");
	if ((o = pick_named(c, OUTCOME_GONE, &rc)) == NULL)
		return rc;
	/* One that has no process is where the call wants it. */
	for (i = 0; i < o->ntargets; i++)
		if (o->targets[i].pid != 0 &&
		    worker_kill(o->targets[i].worker, &e) == -1)
			outcome_settle(o, &o->targets[i], e.text);
	return answer_or_wait(c, o);
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

	if (no_names(c))
		return bad_parameter(c, "names");
	if (units_parse_signal(name, &sig, &e) == -1)
		return bad_parameter(c, "signal");
	if ((o = pick_named(c, OUTCOME_NONE, &rc)) == NULL)
		return rc;
	for (i = 0; i < o->ntargets; i++) {
		rc = worker_signal(o->targets[i].worker, sig, &e);
		outcome_settle(o, &o->targets[i], rc == -1 ? e.text : NULL);
	}
	return verbs_answer(o, c->out);
}

static int
verb_shutdown(struct call *c)
{
	int rc =
	    reply(c, json_pack("{s:i}", "keeper_pid", c->sup->link.keeper_pid));

	if (rc == 0 && !c->sup->stopping)
		supervisor_stop(c->sup, 1, 0);
	return rc;
}

static int
verb_ping(struct call *c)
{
	return reply(c, json_object());
}

static int
verb_version(struct call *c)
{
	return reply(c, json_pack("{s:s, s:i}", "version", SVD_VERSION,
			    "protocol", VERBS_PROTOCOL));
}

static int
verb_get_info(struct call *c)
{
	return reply(
	    c, json_pack("{s:s, s:s, s:s, s:s, s:[s, s]}", "vendor", "svd",
		   "product", "svd", "version", SVD_VERSION, "url", "",
		   "interfaces", VARLINK_SERVICE, VERBS_INTERFACE));
}

static const char fleet_errors[] =
    "\n# No worker, instance or group has that name; nothing was done.\n"
    "error NoSuchWorker (name: string)\n"
    "\n# The caller is neither root nor the fleet's owner.\n"
    "error PermissionDenied ()\n"
    "\n# It would not be right now; nothing was done.\n"
    "error Refused (reason: string)\n"
    "\nerror Failed (reason: string)\n";

static const char service_errors[] =
    "\nerror InterfaceNotFound (interface: string)\n"
    "error MethodNotFound (method: string)\n"
    "error MethodNotImplemented (method: string)\n"
    "error InvalidParameter (parameter: string)\n";

static int
add_methods(struct buf *b, const char *interface)
{
	const struct verb *v;
	size_t i;

	for (i = 0; (v = verb_at(i)) != NULL; i++)
		if (strcmp(v->interface, interface) == 0 &&
		    buf_addf(b, "\n# %s\nmethod %s(%s) -> (%s)\n", v->help,
			v->name, v->in, v->out) == -1)
			return -1;
	return 0;
}

/* The interface in Varlink's IDL; "" if there is none of that name. */
static int
describe(struct buf *b, const char *interface)
{
	if (strcmp(interface, VARLINK_SERVICE) == 0)
		return buf_addf(b, "interface %s\n", interface) == -1 ||
		               add_methods(b, interface) == -1 ||
		               buf_adds(b, service_errors) == -1
		           ? -1
		           : 0;
	if (strcmp(interface, VERBS_INTERFACE) != 0)
		return buf_adds(b, "");
	return buf_addf(b,
		   "# A fleet of worker processes, kept by svd.\n"
		   "interface %s\n\n%s\n%s",
		   interface, view_types, outcome_types) == -1 ||
	               add_methods(b, interface) == -1 ||
	               buf_adds(b, fleet_errors) == -1
	           ? -1
	           : 0;
}

static int
verb_get_interface_description(struct call *c)
{
	const char *interface =
	    json_string_value(json_object_get(c->parameters, "interface"));
	struct buf text = {0};
	int rc;

	if (describe(&text, interface) == -1)
		rc = no_memory(c);
	else if (text.len == 0)
		rc = fail(
		    c, SERVICE("InterfaceNotFound"), "interface", interface);
	else
		rc = reply(c, json_pack("{s:s}", "description", text.data));
	buf_release(&text);
	return rc;
}

#define NAMES_WAIT "names: []string, wait: ?bool"

static const struct verb verbs[] = {
    {VARLINK_SERVICE, "GetInfo", ACCESS_READ, "",
	"vendor: string, product: string, version: string, url: string, "
	"interfaces: []string",
	verb_get_info, "What answers here."},
    {VARLINK_SERVICE, "GetInterfaceDescription", ACCESS_READ,
	"interface: string", "description: string",
	verb_get_interface_description, "An interface as text."},

    {VERBS_INTERFACE, "Ping", ACCESS_READ, "", "", verb_ping,
	"Does the daemon answer?"},
    {VERBS_INTERFACE, "Version", ACCESS_READ, "",
	"version: string, protocol: int", verb_version,
	"protocol counts up with changes that a client must know."},
    {VERBS_INTERFACE, "Status", ACCESS_READ, "names: ?[]string",
	"fleet: string, keeper_pid: int, supervisor_pid: int, "
	"logger_pid: int, workers: []Worker",
	verb_status, "The workers named, or all; no logger is pid 0."},
    {VERBS_INTERFACE, "Why", ACCESS_READ, "names: ?[]string",
	"workers: []Reason", verb_why,
	"What workers wait for, and how they died."},
    {VERBS_INTERFACE, "Start", ACCESS_ACT, NAMES_WAIT, "results: []Result",
	verb_start,
	"Until running and ready (a oneshot: ended); wait false: at once."},
    {VERBS_INTERFACE, "Stop", ACCESS_ACT, NAMES_WAIT, "results: []Result",
	verb_stop, "Until no process is left."},
    {VERBS_INTERFACE, "Restart", ACCESS_ACT, NAMES_WAIT, "results: []Result",
	verb_restart, "Until a new generation is running and ready."},
    {VERBS_INTERFACE, "Kill", ACCESS_ACT, NAMES_WAIT, "results: []Result",
	verb_kill, "SIGKILL to whole trees, until the process is gone."},
    {VERBS_INTERFACE, "Signal", ACCESS_ACT, "names: []string, signal: string",
	"results: []Result", verb_signal,
	"To the main processes; signal: TERM, SIGTERM, 15."},
    {VERBS_INTERFACE, "Shutdown", ACCESS_ACT, "", "keeper_pid: int",
	verb_shutdown, "Begins the fleet's end."},
};

static const struct verb *
verb_at(size_t i)
{
	return i < sizeof(verbs) / sizeof(*verbs) ? &verbs[i] : NULL;
}

/* NULL: an error was answered. */
static const struct verb *
find_verb(struct call *c, const char *method, int *rc)
{
	const char *dot = strrchr(method, '.');
	size_t len = dot == NULL ? 0 : (size_t)(dot - method), i;
	const struct verb *v;
	int interface_known = 0;

	for (i = 0; (v = verb_at(i)) != NULL; i++) {
		if (strlen(v->interface) != len ||
		    strncmp(v->interface, method, len) != 0)
			continue;
		interface_known = 1;
		if (strcmp(v->name, dot + 1) == 0)
			return v;
	}
	if (interface_known)
		*rc = fail(c, SERVICE("MethodNotFound"), "method", method);
	else
		*rc =
		    fail(c, SERVICE("InterfaceNotFound"), "interface", method);
	return NULL;
}

/* type: one of those that methods take, as long as it goes. */
static int
has_type(const json_t *value, const char *type)
{
	const json_t *item;
	size_t i;

	if (*type == '?')
		return value == NULL || json_is_null(value) ||
		       has_type(value, type + 1);
	if (strncmp(type, "[]", 2) == 0) {
		json_array_foreach (value, i, item)
			if (!has_type(item, type + 2))
				return 0;
		return json_is_array(value);
	}
	if (strncmp(type, "string", 6) == 0)
		return json_is_string(value);
	return json_is_boolean(value);
}

/* Are the parameters what idl ("name: type, name: type") says? 0, or -1 with
 * the name of one that is not. */
static int
check_parameters(
    const char *idl, json_t *parameters, char *bad, size_t bad_size)
{
	json_t *rest = json_copy(parameters);
	size_t len;
	int rc = rest == NULL ? -1 : 0;

	snprintf(bad, bad_size, "parameters");
	while (rc == 0 && *idl != '\0') {
		len = strcspn(idl, ":");
		snprintf(bad, bad_size, "%.*s", (int)len, idl);
		if (!has_type(json_object_get(rest, bad), idl + len + 2))
			rc = -1;
		json_object_del(rest, bad);
		idl += strcspn(idl, ",");
		idl += strspn(idl, ", ");
	}
	if (rc == 0 && json_object_size(rest) > 0) {
		snprintf(bad, bad_size, "%s",
		    json_object_iter_key(json_object_iter(rest)));
		rc = -1;
	}
	json_decref(rest);
	return rc;
}

static enum access
access_of(uid_t uid)
{
	return uid == 0 || uid == geteuid() ? ACCESS_ACT : ACCESS_NONE;
}

static int
run_verb(struct call *c, const struct varlink_call *vc, uid_t uid)
{
	const struct verb *v;
	char bad[64];
	int rc;

	/* Whoever may nothing is told nothing. */
	if (access_of(uid) == ACCESS_NONE)
		return varlink_write_error(
		    c->out, FLEET("PermissionDenied"), json_object());
	if ((v = find_verb(c, vc->method, &rc)) == NULL)
		return rc;
	if (access_of(uid) < v->needs)
		return varlink_write_error(
		    c->out, FLEET("PermissionDenied"), json_object());
	if (vc->upgrade)
		return bad_parameter(c, "upgrade");
	if (check_parameters(v->in, c->parameters, bad, sizeof(bad)) == -1)
		return bad_parameter(c, bad);
	if (v->needs == ACCESS_ACT)
		log_info("uid %ld asks for %s", (long)uid, v->name);
	return v->fn(c);
}

int
verbs_call(struct supervisor *s, uid_t uid, json_t *msg, struct buf *out,
    struct outcome **wait)
{
	struct varlink_call vc;
	struct call c = {.sup = s, .out = out};
	size_t before = out->len;
	struct err e;
	int rc;

	*wait = NULL;
	if (varlink_read_call(msg, &vc, &e) == -1)
		return fail(
		    &c, SERVICE("InvalidParameter"), "parameter", e.text);
	c.parameters = vc.parameters;
	rc = run_verb(&c, &vc, uid);
	if (vc.oneway) {
		outcome_free(c.wait);
		c.wait = NULL;
		out->len = before;
	}
	*wait = c.wait;
	return rc;
}

int
verbs_answer(struct outcome *o, struct buf *out)
{
	int rc = varlink_write_reply(
	    out, json_pack("{s:o}", "results", outcome_results(o)));

	outcome_free(o);
	return rc;
}
