/* call: see call.h. */
#include "supervisor/call.h"

#include <string.h>

#include "ipc/varlink.h"
#include "supervisor/pick.h"

const struct call_error_kind call_errors[ERROR_COUNT] = {
    [ERROR_INTERFACE_NOT_FOUND] = {VARLINK_SERVICE, "InterfaceNotFound",
	"interface", "interface: string", "There is no such interface."},
    [ERROR_METHOD_NOT_FOUND] = {VARLINK_SERVICE, "MethodNotFound", "method",
	"method: string", "The interface has no such method."},
    [ERROR_METHOD_NOT_IMPLEMENTED] = {VARLINK_SERVICE, "MethodNotImplemented",
	"method", "method: string", "The interface has it, but not here."},
    [ERROR_INVALID_PARAMETER] = {VARLINK_SERVICE, "InvalidParameter",
	"parameter", "parameter: string", "Missing, unknown, or wrong."},
    [ERROR_EXPECTED_MORE] = {VARLINK_SERVICE, "ExpectedMore", NULL, "",
	"The answer is a stream: to be called with `more`."},
    [ERROR_NO_SUCH_WORKER] = {FLEET_INTERFACE, "NoSuchWorker", "name",
	"name: string",
	"No worker, instance or group has that name; nothing was done."},
    [ERROR_NO_SUCH_FLOOR] = {FLEET_INTERFACE, "NoSuchFloor", "floor",
	"floor: string", "No floor has that name; nothing was done."},
    [ERROR_PERMISSION_DENIED] = {FLEET_INTERFACE, "PermissionDenied", NULL, "",
	"The caller may not, being neither root nor the fleet's owner."},
    [ERROR_NOT_RUNNING] = {FLEET_INTERFACE, "NotRunning", "reason",
	"reason: string",
	"It has no process; to Attach: and will have none by itself."},
    [ERROR_REFUSED] = {FLEET_INTERFACE, "Refused", "reason", "reason: string",
	"It would not be right now; nothing was done."},
    [ERROR_FAILED] = {FLEET_INTERFACE, "Failed", "reason", "reason: string",
	"It could not be done."},
    [ERROR_BAD_CONFIGURATION] = {FLEET_INTERFACE, "BadConfiguration", NULL,
	"errors: []string",
	"What is wrong with the fleet's files, a FILE:LINE: text each; nothing "
	"was done."},
    [ERROR_WORKER_EXCEPTION] = {FLEET_INTERFACE, "WorkerException", NULL,
	"type: string, message: string, args: []object, traceback: ?string",
	"What the worker's code has raised; args are JSON of any kind."},
    [ERROR_WORKER_DIED] = {FLEET_INTERFACE, "WorkerDied", NULL,
	"name: string, exit: Exit",
	"It ended before its answer, or while that was on its way."},
    [ERROR_TIMED_OUT] = {FLEET_INTERFACE, "TimedOut", "name", "name: string",
	"No answer came in time; what was asked may still be done."},
};

int
call_reply(struct call *c, json_t *parameters)
{
	return varlink_write_reply(c->out, parameters);
}

int
call_fail_with(struct call *c, enum call_error error, json_t *parameters)
{
	const struct call_error_kind *k = &call_errors[error];
	struct buf name = {0};
	int rc = -1;

	if (buf_addf(&name, "%s.%s", k->interface, k->name) == 0)
		rc = varlink_write_error(c->out, name.data, parameters);
	else
		json_decref(parameters);
	buf_release(&name);
	return rc;
}

int
call_fail(struct call *c, enum call_error error, const char *value)
{
	json_t *text;

	if (call_errors[error].key == NULL)
		return call_fail_with(c, error, json_object());
	text = varlink_string(value);
	/* A parameter of this kind is a string, also an empty one. */
	if (json_is_null(text))
		text = json_string("");
	return call_fail_with(
	    c, error, json_pack("{s:o}", call_errors[error].key, text));
}

int
call_no_memory(struct call *c)
{
	return call_fail(c, ERROR_FAILED, "out of memory");
}

int
call_answer_later(struct call *c, struct answer *a)
{
	c->later = a;
	return 0;
}

static int
check_names(struct call *c, int floors, json_t **pick, int *rc)
{
	const json_t *names = json_object_get(c->parameters, "names");
	const char *unknown = pick_unknown(c->sup, names, floors);

	*pick = NULL;
	if (unknown != NULL)
		*rc = call_fail(c, ERROR_NO_SUCH_WORKER, unknown);
	else if ((*pick = pick_new(names)) == NULL)
		*rc = call_no_memory(c);
	return *pick == NULL ? -1 : 0;
}

int
call_check_names(struct call *c, json_t **pick, int *rc)
{
	return check_names(c, 0, pick, rc);
}

int
call_check_names_or_floors(struct call *c, json_t **pick, int *rc)
{
	return check_names(c, 1, pick, rc);
}

struct adding {
	struct outcome *outcome;
	int failed;
};

static void
add_cb(struct worker *w, void *arg)
{
	struct adding *a = arg;

	if (outcome_add(a->outcome, w) == -1)
		a->failed = 1;
}

struct outcome *
call_pick(struct call *c, enum outcome_kind kind, int *rc)
{
	struct adding a = {.outcome = NULL};
	json_t *pick;

	if (call_check_names(c, &pick, rc) == -1)
		return NULL;
	a.outcome = outcome_new(kind);
	if (a.outcome != NULL)
		pick_each(c->sup, pick, add_cb, &a);
	json_decref(pick);
	if (a.outcome == NULL || a.failed) {
		outcome_free(a.outcome);
		*rc = call_no_memory(c);
		return NULL;
	}
	outcome_begin(a.outcome);
	return a.outcome;
}

int
call_names_nobody(const struct call *c)
{
	return json_array_size(json_object_get(c->parameters, "names")) == 0;
}

/* "ID/STREAM@NUMBER.NUMBER": whether it is of this life of that output is for
 * the logger to say. */
static int
is_cursor(const char *text)
{
	const char *at = strchr(text, '@');

	return strchr(text, '/') != NULL && at != NULL && at[1] != '\0' &&
	       at[1 + strspn(at + 1, "0123456789abcdef.")] == '\0';
}

int
call_bad_cursor(const struct call *c)
{
	const json_t *since = json_object_get(c->parameters, "since"), *cursor;
	size_t i;

	json_array_foreach (since, i, cursor)
		if (!is_cursor(json_string_value(cursor)))
			return 1;
	return 0;
}

int
call_answer_outcome(struct call *c, struct outcome *o)
{
	json_t *wait = json_object_get(c->parameters, "wait");
	int rc;

	if (!outcome_look_all(o) && !json_is_false(wait)) {
		return call_answer_later(c, &o->answer);
	}
	rc = call_reply(c, outcome_reply(o));
	outcome_free(o);
	return rc;
}
