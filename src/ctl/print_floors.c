/* print_floors: see print_floors.h. */
#include "ctl/print_floors.h"

#include <stdio.h>
#include <string.h>

#include "ctl/print.h"
#include "ctl/table.h"

#define NELEM(a) (sizeof(a) / sizeof((a)[0]))
#define INDENT "    "

/* How it forks, where that is not the best way that there is. */
static const struct way {
	const char *way, *text;
} ways[] = {
    {"double", "double fork"},
    {"python", "pure Python fork"},
};

/* What is wrong with it; else what is to be known of it. */
static void
remark_cell(const json_t *f, const char *key, char *out)
{
	const char *way = json_string_value(json_object_get(f, "way"));
	json_int_t threads = json_integer_value(json_object_get(f, "threads"));
	const char *text = NULL;
	size_t i, len = 0;

	if (json_is_string(json_object_get(f, key))) {
		cell_text(f, key, out);
		return;
	}
	for (i = 0; way != NULL && i < NELEM(ways); i++)
		if (strcmp(ways[i].way, way) == 0)
			text = ways[i].text;
	cell_set(out, threads > 1 || text != NULL ? "" : "-");
	if (threads > 1)
		len = (size_t)snprintf(out, CELL_MAX,
		    "%" JSON_INTEGER_FORMAT " threads%s", threads,
		    text == NULL ? "" : ": ");
	if (text != NULL)
		cell_set(out + len, text);
}

static void
over_cell(const json_t *w, const char *key, char *out)
{
	cell_set(out, json_is_true(json_object_get(w, key))
			  ? "more than max_private"
			  : "-");
}

/* Of a generation: what only `long` has. */
static void
print_title(const json_t *f)
{
	char name[CELL_MAX], number[CELL_MAX], size[CELL_MAX];

	cell_text(f, "name", name);
	cell_number(f, "generation", number);
	printf("\nfloor %s, generation %s", name, number);
	cell_size(f, "max_private_kb", size);
	if (strcmp(size, "-") != 0)
		printf(", max_private %s", size);
	puts(":");
}

static void
print_workers(const json_t *list)
{
	static const struct column columns[] = {
	    {"WORKER", "name", cell_text, 0},
	    {"PID", "pid", cell_pid, 0},
	    {"RSS", "rss_kb", cell_size, 0},
	    {"PSS", "pss_kb", cell_size, 0},
	    {"PRIVATE", "private_kb", cell_size, 0},
	    {"SHARED", "shared_kb", cell_size, 0},
	    {"CPU", "cpu_ms", cell_cpu, 0},
	    {"REMARK", "over", over_cell, 0},
	};

	if (json_array_size(list) > 0)
		table_print(columns, NELEM(columns), list, INDENT);
}

static void
print_late(const json_t *f)
{
	static const struct column columns[] = {
	    {"MODULE", "name", cell_text, 0},
	    {"PROCESSES", "processes", cell_number, 0},
	};
	const json_t *list = json_object_get(f, "late");

	if (json_array_size(list) == 0)
		return;
	puts(INDENT "loaded after the fork, and not in preload:");
	table_print(columns, NELEM(columns), list, INDENT INDENT);
	if (json_is_true(json_object_get(f, "late_cut")))
		puts(INDENT INDENT "... and more");
}

static int
has_more(const json_t *f)
{
	return json_is_string(json_object_get(f, "traceback")) ||
	       json_array_size(json_object_get(f, "instances")) > 0 ||
	       json_array_size(json_object_get(f, "late")) > 0;
}

void
print_floors(const json_t *parameters)
{
	static const struct column columns[] = {
	    {"FLOOR", "name", cell_text, 0},
	    {"STATE", "state", cell_text, 0},
	    {"GEN", "generation", cell_number, 0},
	    {"PID", "pid", cell_pid, 0},
	    {"LOAD", "load_ms", cell_ms, 0},
	    {"RSS", "rss_kb", cell_size, 1},
	    {"PSS", "pss_kb", cell_size, 0},
	    {"PRIVATE", "private_kb", cell_size, 1},
	    {"SHARED", "shared_kb", cell_size, 1},
	    {"WORKERS", "workers", cell_number, 0},
	    {"SPARES", "spares", cell_number, 0},
	    {"MODULES", "modules", cell_count, 0},
	    {"REMARK", "error", remark_cell, 0},
	};
	const json_t *floors = json_object_get(parameters, "floors"), *f;
	size_t i;

	table_print(columns, NELEM(columns), floors, "");
	json_array_foreach (floors, i, f) {
		if (!has_more(f))
			continue;
		print_title(f);
		if (json_is_string(json_object_get(f, "traceback")))
			puts(INDENT "traceback:");
		print_lines(f, "traceback", INDENT INDENT);
		print_workers(json_object_get(f, "instances"));
		print_late(f);
	}
}
