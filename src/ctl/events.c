/* events: see events.h. */
#include "ctl/events.h"

#include "ctl/print.h"
#include "ctl/stream.h"

json_t *
events_parameters(struct ctl *ctl, void *arg)
{
	const struct events_seen *seen = arg;
	json_t *parameters = json_object(), *names = json_array();
	int i;

	for (i = 0; i < ctl->nargs; i++)
		json_array_append_new(names, json_string(ctl->args[i]));
	json_object_set_new(parameters, "names", names);
	if (seen->epoch != NULL) {
		json_object_set(parameters, "epoch", seen->epoch);
		json_object_set_new(parameters, "seq", json_integer(seen->seq));
	}
	return parameters;
}

int
events_use(struct ctl *ctl, const json_t *parameters, void *arg)
{
	struct events_seen *seen = arg;
	json_t *epoch = json_object_get(parameters, "epoch");

	if (json_is_string(epoch)) {
		json_decref(seen->epoch);
		seen->epoch = json_incref(epoch);
		seen->seq =
		    json_integer_value(json_object_get(parameters, "seq"));
	}
	if (ctl->json)
		print_json(parameters);
	else
		print_event(parameters);
	return STREAM_GO_ON;
}
