/* report: see report.h. */
#include "ctl/report.h"

#include <stdio.h>
#include <string.h>

#include "ctl/exits.h"
#include "ctl/print.h"

#define FLEET(error) "org.svd.Fleet." error

int
report_no_answer(
    const struct ctl *ctl, enum client_result r, const struct err *e)
{
	switch (r) {
	case CLIENT_DENIED:
		print_error("%s", e->text);
		return EXIT_REFUSED;
	case CLIENT_ABSENT:
		print_error("%s", e->text);
		return EXIT_UNREACHABLE;
	case CLIENT_TIMEOUT:
		if (ctl->timeout_ms == -1) {
			print_error("the daemon does not answer");
			return EXIT_UNREACHABLE;
		}
		print_error("timed out");
		return EXIT_TIMED_OUT;
	default:
		print_error("%s", e->text);
		return EXIT_FAILED;
	}
}

static const struct typed_error {
	const char *name;
	const char *parameter; /* shown; or NULL */
	const char *text;
	int status;
	const char *more; /* another parameter, or NULL */
} typed_errors[] = {
    {FLEET("NoSuchWorker"), "name", "no such worker", EXIT_NO_SUCH_NAME, NULL},
    {FLEET("NoSuchFloor"), "floor", "no such floor", EXIT_NO_SUCH_NAME, NULL},
    {FLEET("PermissionDenied"), NULL, "permission denied", EXIT_REFUSED, NULL},
    {FLEET("NotRunning"), "reason", "not running", EXIT_NOT_AS_WANTED, NULL},
    {FLEET("Refused"), "reason", "refused", EXIT_REFUSED, NULL},
    {FLEET("Failed"), "reason", "failed", EXIT_FAILED, NULL},
    {FLEET("BadConfiguration"), NULL, "nothing was changed", EXIT_FAILED, NULL},
    {FLEET("WorkerException"), "type", "exception", EXIT_FAILED, "message"},
    {FLEET("WorkerDied"), "exit.reason", "it died before its answer",
	EXIT_FAILED, NULL},
    {FLEET("TimedOut"), "name", "timed out", EXIT_TIMED_OUT, NULL},
    {VARLINK_SERVICE ".InvalidParameter", "parameter", "invalid value",
	EXIT_USAGE, NULL},
    {VARLINK_SERVICE ".MethodNotFound", "method",
	"not supported by this daemon", EXIT_FAILED, NULL},
};

/* A string that is one of the parameters, or of such a one: "exit.reason". */
static const char *
string_of(const json_t *parameters, const char *path)
{
	char outer[16];
	size_t len;

	if (path == NULL)
		return NULL;
	len = strcspn(path, ".");
	if (path[len] == '\0' || len >= sizeof(outer))
		return json_string_value(json_object_get(parameters, path));
	memcpy(outer, path, len);
	outer[len] = '\0';
	return string_of(json_object_get(parameters, outer), path + len + 1);
}

static void
print_trace(const json_t *parameters)
{
	const char *at = string_of(parameters, "traceback");
	char line[512];
	size_t len;

	for (; at != NULL && *at != '\0'; at += len + (at[len] == '\n')) {
		len = strcspn(at, "\n");
		snprintf(line, sizeof(line), "%.*s", (int)len, at);
		print_error_line(line);
	}
}

static int
report_error(const struct varlink_reply *r)
{
	const struct typed_error *t;
	const char *value, *more;
	const json_t *text;
	size_t i, line;

	for (i = 0; i < sizeof(typed_errors) / sizeof(*typed_errors); i++) {
		t = &typed_errors[i];
		if (strcmp(t->name, r->error) != 0)
			continue;
		json_array_foreach (
		    json_object_get(r->parameters, "errors"), line, text)
			if (json_is_string(text))
				print_error_line(json_string_value(text));
		print_trace(r->parameters);
		value = string_of(r->parameters, t->parameter);
		more = string_of(r->parameters, t->more);
		print_error("%s%s%s%s%s", t->text, value == NULL ? "" : ": ",
		    value == NULL ? "" : value, more == NULL ? "" : ": ",
		    more == NULL ? "" : more);
		return t->status;
	}
	print_error("the daemon says %s", r->error);
	return EXIT_FAILED;
}

int
report_reply(json_t *msg, struct varlink_reply *r)
{
	struct err e;

	if (varlink_read_reply(msg, r, &e) == -1) {
		print_error("%s", e.text);
		return EXIT_FAILED;
	}
	return r->error == NULL ? EXIT_DONE : report_error(r);
}
