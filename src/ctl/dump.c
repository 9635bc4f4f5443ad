/* dump: see dump.h. */
#include "ctl/dump.h"

#include <stdio.h>

#include "ctl/commands.h"
#include "ctl/exits.h"
#include "ctl/print.h"

#define SLACK_MS 1000 /* the daemon's own answer that time is over */

static int
use_dumps(struct ctl *ctl, const json_t *parameters)
{
	const json_t *dumps = json_object_get(parameters, "dumps"), *d;
	int status = EXIT_DONE;
	size_t i;

	json_array_foreach (dumps, i, d) {
		if (!ctl->json)
			print_lines(d, "text", "");
		if (json_is_string(json_object_get(d, "error"))) {
			print_error("%s: %s", print_member(d, "name"),
			    print_member(d, "error"));
			status = EXIT_FAILED;
		} else if (status == EXIT_DONE &&
			   json_is_string(json_object_get(d, "cut_off")))
			status = EXIT_TIMED_OUT;
	}
	return status;
}

int
dump_run(struct ctl *ctl)
{
	json_t *parameters;

	if (!ctl->wait) {
		print_error("a dump is always waited for");
		return EXIT_USAGE;
	}
	parameters = command_names(ctl);
	if (ctl->timeout_ms != -1) {
		json_object_set_new(parameters, "timeout",
		    json_real((double)ctl->timeout_ms / 1000.));
		ctl->deadline += SLACK_MS;
	}
	return command_call(ctl, parameters, NULL, use_dumps);
}
