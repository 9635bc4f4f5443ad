/* once: see once.h. */
#include "ctl/once.h"

#include <string.h>

#include "base/sys.h"
#include "ctl/commands.h"
#include "ctl/exits.h"
#include "ctl/journal.h"
#include "ctl/lastkill.h"
#include "ctl/print.h"
#include "ctl/report.h"

#define FLEET(method) "org.svd.Fleet." method
#define ALIVE_MS 1000 /* a daemon that is silent for this long is not */
#define GONE_MS 5000  /* for a killed process to be gone */

/* Asks before the command's own call. The exit status; where that is EXIT_DONE
 * *msg is to be released. */
static int
ask(struct ctl *ctl, const char *method, json_t *parameters, json_t **msg,
    struct varlink_reply *reply)
{
	enum client_result r;
	struct err e;
	int status;

	*msg = NULL;
	r = client_call(
	    &ctl->client, method, parameters, NULL, ctl->deadline, msg, &e);
	json_decref(parameters);
	if (r != CLIENT_REPLY)
		return report_no_answer(ctl, r, &e);
	status = report_reply(*msg, reply);
	if (status != EXIT_DONE)
		json_decref(*msg);
	return status;
}

/*
 * What a call says when it is sent again, as its first supervisor was killed:
 * the generations that there were before. Those that are others by now are so
 * because of the call, or began after it at least.
 */
static json_t *
generations_of(const json_t *parameters)
{
	json_t *generations = json_object();
	const json_t *w;
	size_t i;

	json_array_foreach (json_object_get(parameters, "workers"), i, w)
		json_object_set(generations, print_member(w, "name"),
		    json_object_get(w, "generation"));
	return json_pack("{s:o}", "generations", generations);
}

/* The same of a floor. */
static int
newest_generation(struct ctl *ctl, json_t **again)
{
	const char *name = ctl->args[0];
	struct varlink_reply reply;
	json_int_t newest = 0, n;
	const json_t *f;
	json_t *msg;
	size_t i;
	int status;

	status = ask(ctl, FLEET("Floors"), json_object(), &msg, &reply);
	if (status != EXIT_DONE)
		return status;
	if (strncmp(name, "floor:", 6) == 0)
		name += 6;
	json_array_foreach (json_object_get(reply.parameters, "floors"), i, f) {
		n = json_integer_value(json_object_get(f, "generation"));
		if (strcmp(print_member(f, "name"), name) == 0 && n > newest)
			newest = n;
	}
	json_decref(msg);
	*again = json_pack("{s:I}", "generation", newest);
	return EXIT_DONE;
}

int
once_refloor(struct ctl *ctl)
{
	json_t *again;
	int status;

	if (ctl->nargs != 1) {
		print_error("refloor takes the name of one FLOOR");
		return EXIT_USAGE;
	}
	status = newest_generation(ctl, &again);
	if (status != EXIT_DONE)
		return status;
	return command_call(ctl,
	    json_pack("{s:s, s:b}", "floor", ctl->args[0], "wait", ctl->wait),
	    again, command_use_results);
}

int
once_birth(struct ctl *ctl)
{
	struct varlink_reply reply;
	json_t *again, *msg;
	int status =
	    ask(ctl, FLEET("Status"), command_names(ctl), &msg, &reply);

	if (status != EXIT_DONE)
		return status;
	again = generations_of(reply.parameters);
	json_decref(msg);
	return command_call(
	    ctl, command_parameters(ctl), again, command_use_results);
}

static int
use_upgrade(struct ctl *ctl, const json_t *parameters)
{
	if (!ctl->json && ctl->wait)
		print_upgrade(parameters);
	return EXIT_DONE;
}

/* Those that there were before are counted: this is the one after them. */
int
once_upgrade(struct ctl *ctl)
{
	struct varlink_reply reply;
	json_int_t before;
	json_t *msg;
	int status = ask(ctl, FLEET("Version"), json_object(), &msg, &reply);

	if (status != EXIT_DONE)
		return status;
	before =
	    json_integer_value(json_object_get(reply.parameters, "upgrades"));
	json_decref(msg);
	return command_call(ctl,
	    json_pack("{s:b, s:I}", "wait", ctl->wait, "number", before + 1),
	    NULL, use_upgrade);
}

/* At most ms from now, and not after the deadline. */
static int64_t
within(const struct ctl *ctl, int64_t ms)
{
	int64_t at = sys_now_ms() + ms;

	return at < ctl->deadline ? at : ctl->deadline;
}

static enum client_result
ping(struct ctl *ctl, struct err *e)
{
	json_t *parameters = json_object(), *msg = NULL;
	enum client_result r;
	struct client c;

	client_init(&c, ctl->path);
	r = client_call(&c, FLEET("Ping"), parameters, NULL,
	    within(ctl, ALIVE_MS), &msg, e);
	client_close(&c);
	json_decref(parameters);
	json_decref(msg);
	return r;
}

static int
kill_without_daemon(struct ctl *ctl)
{
	struct lastkill k = {
	    .socket = ctl->path,
	    .names = ctl->args,
	    .nnames = (size_t)ctl->nargs,
	    .wait_ms = ctl->wait ? GONE_MS : 0,
	};
	json_t *results;
	int status;

	print_error("the daemon does not answer: going by its journal");
	status = lastkill_run(&k, &results);
	if (ctl->json && results != NULL) {
		json_t *parameters = json_pack("{s:O}", "results", results);

		print_json(parameters);
		json_decref(parameters);
	}
	json_decref(results);
	return status;
}

/* Where no answer comes: asks on another connection whether the daemon lives,
 * and sends the call again if its connection was lost. */
static enum client_result
try_again(struct ctl *ctl, json_t *parameters, json_t *again, struct err *e)
{
	enum client_result r = ping(ctl, e);

	if (r != CLIENT_REPLY || ctl->client.fd != -1)
		return r;
	json_object_update(parameters, again);
	return client_send(&ctl->client, ctl->command->method, parameters,
	    within(ctl, ALIVE_MS), e);
}

static enum client_result
await_kill(struct ctl *ctl, json_t *parameters, json_t *again, json_t **msg,
    struct err *e)
{
	enum client_result r;

	do {
		r = client_receive(&ctl->client, within(ctl, ALIVE_MS), msg, e);
		if (r != CLIENT_LOST && r != CLIENT_TIMEOUT)
			return r;
		do {
			if (sys_now_ms() >= ctl->deadline)
				return CLIENT_TIMEOUT;
			r = try_again(ctl, parameters, again, e);
		} while (r == CLIENT_LOST);
	} while (r == CLIENT_REPLY);
	return r;
}

/*
 * Which generations there are is asked with the same breath, and answered
 * before the Kill is obeyed: where no answer came, nothing was done. The
 * successors are not meant where the Kill is to be sent again.
 */
static enum client_result
look_and_kill(struct ctl *ctl, json_t *names, json_t *parameters, json_t **msg,
    struct err *e)
{
	int64_t deadline = within(ctl, ALIVE_MS);
	enum client_result r;

	do {
		r = client_send(
		    &ctl->client, FLEET("Status"), names, deadline, e);
		if (r == CLIENT_REPLY)
			r = client_send(&ctl->client, ctl->command->method,
			    parameters, deadline, e);
		if (r == CLIENT_REPLY)
			r = client_receive(&ctl->client, deadline, msg, e);
	} while (r == CLIENT_LOST && client_pause(deadline));
	return r == CLIENT_LOST ? CLIENT_TIMEOUT : r;
}

static enum client_result
kill_by_daemon(struct ctl *ctl, json_t *parameters, json_t **msg, struct err *e)
{
	json_t *names = command_names(ctl), *again;
	struct varlink_reply reply;
	enum client_result r;

	r = look_and_kill(ctl, names, parameters, msg, e);
	json_decref(names);
	if (r != CLIENT_REPLY || varlink_read_reply(*msg, &reply, e) == -1 ||
	    reply.error != NULL)
		return r;
	again = generations_of(reply.parameters);
	json_decref(*msg);
	r = await_kill(ctl, parameters, again, msg, e);
	json_decref(again);
	return r;
}

int
once_kill(struct ctl *ctl)
{
	json_t *parameters = command_parameters(ctl), *msg = NULL;
	enum client_result r;
	struct err e;

	r = kill_by_daemon(ctl, parameters, &msg, &e);
	json_decref(parameters);
	if (r == CLIENT_REPLY)
		return command_use_reply(ctl, msg, command_use_results);
	if ((r == CLIENT_TIMEOUT && sys_now_ms() < ctl->deadline) ||
	    (r == CLIENT_ABSENT && journal_exists(ctl->path)))
		return kill_without_daemon(ctl);
	return report_no_answer(ctl, r, &e);
}
