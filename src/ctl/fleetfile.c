/* fleetfile: see fleetfile.h. */
#include "ctl/fleetfile.h"

#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "core/fleet.h"
#include "ctl/commands.h"
#include "ctl/exits.h"
#include "ctl/print.h"

#define KEY_WIDTH 22

static void
say_warnings(const json_t *parameters)
{
	const json_t *list = json_object_get(parameters, "warnings"), *text;
	size_t i;

	json_array_foreach (list, i, text)
		if (json_is_string(text))
			print_error_line(json_string_value(text));
}

/* "added: web:1 web:2"; returns how many there are. */
static size_t
print_names(const json_t *parameters, const char *key)
{
	const json_t *names = json_object_get(parameters, key), *name;
	size_t i;

	if (json_array_size(names) == 0)
		return 0;
	printf("%s:", key);
	json_array_foreach (names, i, name) {
		putchar(' ');
		print_text(
		    json_is_string(name) ? json_string_value(name) : "-");
	}
	putchar('\n');
	return json_array_size(names);
}

static int
use_reload(struct ctl *ctl, const json_t *parameters)
{
	static const char *const lists[] = {
	    "added", "removed", "restarted", "changed"};
	const json_t *notes = json_object_get(parameters, "notes"), *text;
	size_t i, n = 0;

	say_warnings(parameters);
	if (ctl->client.repeated)
		print_error(
		    "the supervisor was replaced meanwhile: what it had "
		    "done before is not told");
	if (!ctl->json) {
		for (i = 0; i < sizeof(lists) / sizeof(*lists); i++)
			n += print_names(parameters, lists[i]);
		json_array_foreach (notes, i, text) {
			print_text(json_is_string(text)
				       ? json_string_value(text)
				       : "-");
			putchar('\n');
		}
		if (n == 0 && !ctl->client.repeated)
			puts("no worker has changed");
	}
	return command_use_results(ctl, parameters);
}

int
fleetfile_reload(struct ctl *ctl)
{
	return command_call(ctl, json_pack("{s:b}", "wait", ctl->wait),
	    json_pack("{s:b}", "again", 1), use_reload);
}

int
fleetfile_scale(struct ctl *ctl)
{
	struct err e;
	int64_t n;

	if (ctl->nargs != 2) {
		print_error("scale takes a NAME and a number");
		return EXIT_USAGE;
	}
	if (units_parse_int(ctl->args[1], 1, FLEET_NUMPROCS_MAX, &n, &e) ==
	    -1) {
		print_error("%s", e.text);
		return EXIT_USAGE;
	}
	return command_call(ctl,
	    json_pack("{s:s, s:I, s:b}", "name", ctl->args[0], "numprocs",
		(json_int_t)n, "wait", ctl->wait),
	    json_pack("{s:b}", "again", 1), use_reload);
}

static const char *
value_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text == NULL ? "(none)" : text;
}

static void
print_changes(const json_t *changes, const char *margin)
{
	const json_t *c;
	size_t i;

	json_array_foreach (changes, i, c) {
		fputs(margin, stdout);
		print_text(print_member(c, "key"));
		fputs(": ", stdout);
		print_text(value_text(c, "was"));
		fputs(" -> ", stdout);
		print_text(value_text(c, "is"));
		putchar('\n');
	}
}

/* A process that runs would be replaced; of a floor, its workers' too. */
static void
print_restart(const json_t *w)
{
	const json_t *workers = json_object_get(w, "workers"), *name;
	size_t i;

	if (!json_is_true(json_object_get(w, "restart")))
		return;
	if (!json_is_array(workers)) {
		fputs(", would be restarted", stdout);
		return;
	}
	fputs(", would be loaded anew", stdout);
	json_array_foreach (workers, i, name) {
		fputs(i == 0 ? ", then restarted: " : " ", stdout);
		print_text(
		    json_is_string(name) ? json_string_value(name) : "-");
	}
}

static int
use_diff(struct ctl *ctl, const json_t *parameters)
{
	const json_t *fleet = json_object_get(parameters, "fleet");
	const json_t *workers = json_object_get(parameters, "workers"), *w;
	size_t i;

	say_warnings(parameters);
	if (!ctl->json && json_array_size(fleet) > 0) {
		puts("[fleet]: changed");
		print_changes(fleet, "    ");
	}
	json_array_foreach (workers, i, w) {
		if (ctl->json)
			break;
		print_text(print_member(w, "name"));
		fputs(": ", stdout);
		print_text(print_member(w, "kind"));
		print_restart(w);
		putchar('\n');
		print_changes(json_object_get(w, "changes"), "    ");
	}
	return json_array_size(fleet) + json_array_size(workers) > 0
	           ? EXIT_NOT_AS_WANTED
	           : EXIT_DONE;
}

int
fleetfile_diff(struct ctl *ctl)
{
	return command_call(ctl, json_object(), NULL, use_diff);
}

/* "key = value", and the origin behind it. */
static void
print_settings(const char *section, const json_t *values)
{
	const char *key;
	const json_t *v;
	size_t i;

	printf("[");
	print_text(section);
	printf("]\n");
	json_array_foreach (values, i, v) {
		key = print_member(v, "key");
		print_text(key);
		printf("%*s = ",
		    strlen(key) < KEY_WIDTH ? KEY_WIDTH - (int)strlen(key) : 0,
		    "");
		print_text(value_text(v, "value"));
		printf("  (");
		print_text(print_member(v, "origin"));
		printf(")\n");
	}
}

static int
use_config(struct ctl *ctl, const json_t *parameters)
{
	const json_t *workers = json_object_get(parameters, "workers"), *w;
	size_t i;

	if (ctl->json)
		return EXIT_DONE;
	if (ctl->nargs == 0)
		print_settings("fleet", json_object_get(parameters, "fleet"));
	json_array_foreach (workers, i, w) {
		if (i > 0 || ctl->nargs == 0)
			putchar('\n');
		print_settings(
		    print_member(w, "name"), json_object_get(w, "values"));
	}
	return EXIT_DONE;
}

int
fleetfile_config(struct ctl *ctl)
{
	json_t *names = json_array();
	int i;

	for (i = 0; i < ctl->nargs; i++)
		json_array_append_new(names, json_string(ctl->args[i]));
	return command_call(
	    ctl, json_pack("{s:o}", "names", names), NULL, use_config);
}
