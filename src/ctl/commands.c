/* commands: see commands.h. */
#include "ctl/commands.h"

#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "ctl/ask.h"
#include "ctl/attach.h"
#include "ctl/dump.h"
#include "ctl/events.h"
#include "ctl/exits.h"
#include "ctl/fleetfile.h"
#include "ctl/logs.h"
#include "ctl/once.h"
#include "ctl/print.h"
#include "ctl/recorded.h"
#include "ctl/print_floors.h"
#include "ctl/report.h"
#include "ctl/stream.h"

#define FLEET(method) "org.svd.Fleet." method

/* It stays until the end: to take apart what a thousand workers are told in
 * takes as long as to print it. */
int
command_use_reply(struct ctl *ctl, json_t *msg,
    int (*fn)(struct ctl *ctl, const json_t *parameters))
{
	static json_t *last;
	struct varlink_reply reply;
	int status;

	json_decref(last);
	last = msg;
	status = report_reply(msg, &reply);
	if (status != EXIT_DONE)
		return status;
	if (ctl->json && !(ctl->command->flags & COMMAND_OWN_JSON))
		print_json(reply.parameters);
	return fn(ctl, reply.parameters);
}

json_t *
command_names(const struct ctl *ctl)
{
	json_t *names = json_array();
	int i;

	for (i = ctl->command->first_name; i < ctl->nargs; i++)
		json_array_append_new(names, json_string(ctl->args[i]));
	return json_pack("{s:o}", "names", names);
}

json_t *
command_parameters(const struct ctl *ctl)
{
	const struct command *c = ctl->command;
	json_t *parameters;

	if (c->flags & COMMAND_NO_ARGS)
		return json_object();
	parameters = command_names(ctl);
	if (!(c->flags & COMMAND_PROMPT))
		json_object_set_new(
		    parameters, "wait", json_boolean(ctl->wait));
	return parameters;
}

int
command_call(struct ctl *ctl, json_t *parameters, json_t *again,
    int (*fn)(struct ctl *ctl, const json_t *parameters))
{
	enum client_result r;
	json_t *msg;
	struct err e;

	r = client_call(&ctl->client, ctl->command->method, parameters, again,
	    ctl->deadline, &msg, &e);
	json_decref(parameters);
	json_decref(again);
	if (r != CLIENT_REPLY)
		return report_no_answer(ctl, r, &e);
	return command_use_reply(ctl, msg, fn);
}

static int
call(struct ctl *ctl, int (*fn)(struct ctl *ctl, const json_t *parameters))
{
	return command_call(ctl, command_parameters(ctl), NULL, fn);
}

int
command_use_results(struct ctl *ctl, const json_t *parameters)
{
	const json_t *results = json_object_get(parameters, "results"), *r;
	int status = EXIT_DONE;
	const char *error;
	size_t i;

	(void)ctl;
	json_array_foreach (results, i, r) {
		error = json_string_value(json_object_get(r, "error"));
		if (error == NULL)
			continue;
		print_error("%s: %s", print_member(r, "name"), error);
		status = EXIT_FAILED;
	}
	return status;
}

static int
has_text(const json_t *object, const char *key, const char *text)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value != NULL && strcmp(value, text) == 0;
}

int
command_as_wanted(const json_t *w)
{
	if (has_text(w, "state", "EXITED"))
		return 1;
	return has_text(
	    w, "state", has_text(w, "want", "up") ? "RUNNING" : "STOPPED");
}

struct status {
	struct table table; /* for people; without columns: not asked for */
	int others;         /* that are not as wanted */
};

static void
take_worker(void *arg, const json_t *w)
{
	struct status *s = arg;

	s->others += !command_as_wanted(w);
	if (s->table.columns != NULL)
		table_add(&s->table, w);
}

/* Those that have not been taken one by one. */
static int
use_status(struct ctl *ctl, const json_t *parameters)
{
	const json_t *w;
	size_t i;

	json_array_foreach (json_object_get(parameters, "workers"), i, w)
		take_worker(ctl->status, w);
	if (!ctl->json)
		print_degraded(parameters);
	return EXIT_DONE;
}

static int
use_why(struct ctl *ctl, const json_t *parameters)
{
	logs_add_tails(ctl, json_object_get(parameters, "workers"));
	logs_add_tails(ctl, json_object_get(parameters, "floors"));
	if (ctl->json)
		print_json(parameters);
	else
		print_why(parameters);
	return EXIT_DONE;
}

static int
use_version(struct ctl *ctl, const json_t *parameters)
{
	if (!ctl->json)
		print_version(parameters);
	return EXIT_DONE;
}

static int
use_health(struct ctl *ctl, const json_t *parameters)
{
	if (!ctl->json)
		print_health(parameters);
	return json_is_true(json_object_get(parameters, "ok"))
	           ? EXIT_DONE
	           : EXIT_NOT_AS_WANTED;
}

static int
use_floors(struct ctl *ctl, const json_t *parameters)
{
	if (!ctl->json)
		print_floors(parameters);
	return EXIT_DONE;
}

static int
use_nothing(struct ctl *ctl, const json_t *parameters)
{
	(void)ctl;
	(void)parameters;
	return EXIT_DONE;
}

static int
run_status(struct ctl *ctl)
{
	json_t *parameters;
	struct status s = {.others = 0};
	struct varlink_rows rows = {"workers", take_worker, &s};
	int status;

	if (ctl->recorded)
		return recorded_show(ctl);
	parameters = command_parameters(ctl);
	if (ctl->is_long)
		json_object_set_new(parameters, "long", json_true());
	if (!ctl->json) {
		print_status_begin(&s.table);
		ctl->client.rows = &rows;
	}
	ctl->status = &s;
	status = command_call(ctl, parameters, NULL, use_status);
	ctl->client.rows = NULL;
	ctl->status = NULL;
	if (status == EXIT_DONE && !ctl->json)
		table_end(&s.table, "");
	buf_release(&s.table.cells);
	if (status == EXIT_DONE && s.others > 0)
		return EXIT_NOT_AS_WANTED;
	return status;
}

static int
run_floors(struct ctl *ctl)
{
	json_t *parameters = json_object();

	if (ctl->is_long)
		json_object_set_new(parameters, "long", json_true());
	return command_call(ctl, parameters, NULL, use_floors);
}

static int
run_why(struct ctl *ctl)
{
	return call(ctl, use_why);
}

static int
run_command(struct ctl *ctl)
{
	return call(ctl, command_use_results);
}

static int
run_health(struct ctl *ctl)
{
	return call(ctl, use_health);
}

static int
run_events(struct ctl *ctl)
{
	struct events_seen seen = {.seq = 0};
	const struct stream s = {
	    .parameters = events_parameters, .use = events_use, .arg = &seen};
	int status = stream_run(ctl, &s);

	json_decref(seen.epoch);
	return status;
}

static int
run_ping(struct ctl *ctl)
{
	return call(ctl, use_nothing);
}

static int
run_version(struct ctl *ctl)
{
	return call(ctl, use_version);
}

/* Never sent twice: a signal that is counted must not be doubled. */
static int
run_signal(struct ctl *ctl)
{
	json_t *parameters = command_parameters(ctl), *msg;
	enum client_result r;
	struct err e;

	json_object_set_new(parameters, "signal", json_string(ctl->args[0]));
	r = client_send(
	    &ctl->client, ctl->command->method, parameters, ctl->deadline, &e);
	if (r == CLIENT_REPLY)
		r = client_receive(&ctl->client, ctl->deadline, &msg, &e);
	json_decref(parameters);
	if (r == CLIENT_REPLY)
		return command_use_reply(ctl, msg, command_use_results);
	if (r == CLIENT_LOST || r == CLIENT_TIMEOUT)
		print_error("the signal may or may not have been sent");
	return report_no_answer(ctl, r, &e);
}

/* The daemon's end is theirs. */
static int
use_shutdown(struct ctl *ctl, const json_t *parameters)
{
	const json_t *name;
	size_t i;

	(void)ctl;
	json_array_foreach (json_object_get(parameters, "lost"), i, name)
		print_error("%s: its terminal ends with the daemon, and so "
			    "does it",
		    json_string_value(name));
	return EXIT_DONE;
}

static int
run_shutdown(struct ctl *ctl)
{
	enum client_result r;
	struct err e;
	json_t *parameters = json_object();
	int status;

	if (ctl->detach)
		json_object_set_new(parameters, "detach", json_true());
	status = command_call(ctl, parameters, NULL, use_shutdown);
	if (status != EXIT_DONE || !ctl->wait)
		return status;
	r = client_wait_gone(&ctl->client, ctl->deadline, &e);
	return r == CLIENT_ABSENT ? EXIT_DONE : report_no_answer(ctl, r, &e);
}

/* Who was refused may still run, and is nobody's. */
static int
use_reattach(struct ctl *ctl, const json_t *parameters)
{
	const json_t *list = json_object_get(parameters, "workers"), *w;
	int status = EXIT_DONE;
	size_t i;

	json_array_foreach (list, i, w)
		if (has_text(w, "outcome", "refused"))
			status = EXIT_FAILED;
	if (!ctl->json)
		print_reattached(list);
	return status;
}

static int
run_reattach(struct ctl *ctl)
{
	return call(ctl, use_reattach);
}

#define NAMES "NAME..."

static const struct command commands[] = {
    {"status", "[-l] [" NAMES "]", "show the workers named, or all",
	FLEET("Status"),
	COMMAND_PROMPT | COMMAND_OPTIONAL | COMMAND_TAKES_LONG |
	    COMMAND_TAKES_STATE,
	0, run_status},
    {"start", NAMES, "start, and wait until ready", FLEET("Start"), 0, 0,
	once_birth},
    {"stop", NAMES, "stop, and wait until ended", FLEET("Stop"), 0, 0,
	run_command},
    {"restart", NAMES, "a new process; starts what is stopped",
	FLEET("Restart"), 0, 0, once_birth},
    {"signal", "SIG " NAMES, "send a signal", FLEET("Signal"), COMMAND_PROMPT,
	1, run_signal},
    {"kill", NAMES, "SIGKILL to the whole tree", FLEET("Kill"), 0, 0,
	once_kill},
    {"why", NAMES, "what it waits for, its last deaths and lines", FLEET("Why"),
	COMMAND_PROMPT | COMMAND_OWN_JSON, 0, run_why},
    {"logs", "[-f] " NAMES, "show what they have written", FLEET("Logs"),
	COMMAND_PROMPT | COMMAND_TAKES_LINES, 0, logs_run},
    {"attach", "NAME", "be its stdin and stdout; ctrl-] detaches",
	FLEET("Attach"), 0, 0, attach_terminal},
    {"run", "NAME CODE", "have one worker run code", FLEET("Run"),
	COMMAND_OWN_JSON, 1, ask_run},
    {"call", "NAME METHOD [JSON]", "call a method of it", FLEET("Call"),
	COMMAND_OWN_JSON, 1, ask_call},
    {"store", "NAME KEY JSON", "give it a value", FLEET("Store"),
	COMMAND_OWN_JSON, 2, ask_store},
    {"load", "NAME EXPR", "show the value of an expression", FLEET("Load"),
	COMMAND_OWN_JSON, 1, ask_load},
    {"floors", "[-l]", "show the floors that workers stand on", FLEET("Floors"),
	COMMAND_PROMPT | COMMAND_NO_ARGS | COMMAND_TAKES_LONG, 0, run_floors},
    {"dump", NAMES, "look into a worker that hangs", FLEET("Dump"), 0, 0,
	dump_run},
    {"refloor", "FLOOR", "load it anew, then replace its workers",
	FLEET("Refloor"), 0, 0, once_refloor},
    {"shutdown", "", "stop the fleet, and wait for its end", FLEET("Shutdown"),
	COMMAND_NO_ARGS | COMMAND_TAKES_DETACH, 0, run_shutdown},
    {"upgrade", "", "run the svd that is installed now", FLEET("Upgrade"),
	COMMAND_NO_ARGS, 0, once_upgrade},
    {"reattach", "", "what became of an earlier svd's workers",
	FLEET("Reattach"), COMMAND_PROMPT | COMMAND_NO_ARGS, 0, run_reattach},
    {"reload", "", "apply what is new in the fleet's files", FLEET("Reload"),
	COMMAND_NO_ARGS, 0, fleetfile_reload},
    {"diff", "", "show what reload would do", FLEET("Diff"),
	COMMAND_PROMPT | COMMAND_NO_ARGS, 0, fleetfile_diff},
    {"scale", "NAME N", "have N instances of it", FLEET("Scale"), 0, 1,
	fleetfile_scale},
    {"config", "[" NAMES "]", "show each key's value, and where it is from",
	FLEET("Config"), COMMAND_PROMPT | COMMAND_OPTIONAL, 0,
	fleetfile_config},
    {"events", "[" NAMES "]", "show changes of states as they happen",
	FLEET("Events"), COMMAND_PROMPT | COMMAND_OPTIONAL, 0, run_events},
    {"health", "", "is every autostart worker ready?", FLEET("Health"),
	COMMAND_PROMPT | COMMAND_NO_ARGS, 0, run_health},
    {"ping", "", "does the daemon answer?", FLEET("Ping"),
	COMMAND_PROMPT | COMMAND_NO_ARGS, 0, run_ping},
    {"version", "", "of svctl and of the daemon", FLEET("Version"),
	COMMAND_PROMPT | COMMAND_NO_ARGS, 0, run_version},
};

const struct command *
command_at(size_t i)
{
	return i < sizeof(commands) / sizeof(*commands) ? &commands[i] : NULL;
}
