/* report: see report.h. */
#include "ctl/report.h"

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
} typed_errors[] = {
    {FLEET("NoSuchWorker"), "name", "no such worker", EXIT_NO_SUCH_NAME},
    {FLEET("NoSuchFloor"), "floor", "no such floor", EXIT_NO_SUCH_NAME},
    {FLEET("PermissionDenied"), NULL, "permission denied", EXIT_REFUSED},
    {FLEET("NotRunning"), "reason", "not running", EXIT_NOT_AS_WANTED},
    {FLEET("Refused"), "reason", "refused", EXIT_REFUSED},
    {FLEET("Failed"), "reason", "failed", EXIT_FAILED},
    {FLEET("BadConfiguration"), NULL, "nothing was changed", EXIT_FAILED},
    {VARLINK_SERVICE ".InvalidParameter", "parameter", "invalid value",
	EXIT_USAGE},
    {VARLINK_SERVICE ".MethodNotFound", "method",
	"not supported by this daemon", EXIT_FAILED},
};

static int
report_error(const struct varlink_reply *r)
{
	const struct typed_error *t;
	const char *value;
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
		value = t->parameter == NULL
		            ? NULL
		            : json_string_value(
				  json_object_get(r->parameters, t->parameter));
		if (value == NULL)
			print_error("%s", t->text);
		else
			print_error("%s: %s", t->text, value);
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
