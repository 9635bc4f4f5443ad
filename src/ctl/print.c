/* print: see print.h. */
#include "ctl/print.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/line.h"

#define ERROR_MAX 1024
#define DURATION_SIZE 40

void
print_error(const char *fmt, ...)
{
	char text[ERROR_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	cell_make_safe(text);
	fprintf(stderr, "svctl: %s\n", text);
}

static void
put_safe(FILE *to, const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL)
		return;
	cell_make_safe(copy);
	fputs(copy, to);
	free(copy);
}

void
print_text(const char *text)
{
	put_safe(stdout, text);
}

void
print_error_line(const char *text)
{
	put_safe(stderr, text);
	fputc('\n', stderr);
}

void
print_json(const json_t *parameters)
{
	json_dumpf(parameters, stdout,
	    JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15));
	putchar('\n');
}

int
print_end(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	print_error("cannot write to standard output: %s", strerror(errno));
	return -1;
}

const char *
print_member(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text == NULL ? "-" : text;
}

void
print_status_begin(struct table *t)
{
	static const struct column columns[] = {
	    {"NAME", "name", cell_text, 0},
	    {"STATE", "state", cell_text, 0},
	    {"READY", "ready", cell_bool, 0},
	    {"PID", "pid", cell_pid, 0},
	    {"GEN", "generation", cell_number, 0},
	    {"UPTIME", "uptime", cell_uptime, 0},
	    {"RESTARTS", "restarts", cell_number, 0},
	    {"NEXT", "next_start", cell_seconds, 0},
	    {"LAST-EXIT", "last_exit", cell_exit, 0},
	    {"RSS", "rss_kb", cell_size, 1},
	    {"PSS", "pss_kb", cell_size, 1},
	    {"PRIVATE", "private_kb", cell_size, 1},
	    {"SHARED", "shared_kb", cell_size, 1},
	    {"CPU", "cpu_ms", cell_cpu, 1},
	    {"STATUS", "status", cell_text, 1},
	};

	*t = (struct table){
	    .columns = columns, .ncolumns = sizeof(columns) / sizeof(*columns)};
}

/* A member on a line of its own, if it is there. */
static void
print_line(const json_t *w, const char *key, const char *label)
{
	char text[CELL_MAX];

	if (!json_is_string(json_object_get(w, key)))
		return;
	cell_text(w, key, text);
	printf("    %s %s\n", label, text);
}

static void
print_death(const json_t *d)
{
	char at[CELL_MAX], reason[CELL_MAX], uptime[DURATION_SIZE];

	cell_text(d, "at", at);
	cell_text(d, "reason", reason);
	cell_duration(d, "uptime", uptime, sizeof(uptime));
	printf("        %s  generation %" JSON_INTEGER_FORMAT ", ran %s: %s\n",
	    at, json_integer_value(json_object_get(d, "generation")), uptime,
	    reason);
}

void
print_lines(const json_t *object, const char *key, const char *indent)
{
	const char *text = json_string_value(json_object_get(object, key));
	char *copy = text == NULL ? NULL : strdup(text), *line, *rest = copy;

	while ((line = strsep(&rest, "\n")) != NULL) {
		if (rest == NULL && *line == '\0')
			break;
		cell_make_safe(line);
		printf("%s%s\n", indent, line);
	}
	free(copy);
}

/* Its last lines, if svctl has asked for them. */
static void
print_output(const json_t *lines)
{
	const json_t *line;
	size_t i;

	if (json_array_size(lines) > 0)
		puts("    its last output:");
	json_array_foreach (lines, i, line) {
		fputs("        ", stdout);
		line_print(line);
	}
}

static void
print_reason(const json_t *w)
{
	const json_t *deaths = json_object_get(w, "deaths"), *d;
	json_int_t pid = json_integer_value(json_object_get(w, "pid"));
	char name[CELL_MAX], state[CELL_MAX], want[CELL_MAX], since[CELL_MAX];
	size_t i;

	cell_text(w, "name", name);
	cell_text(w, "state", state);
	cell_text(w, "want", want);
	cell_text(w, "since", since);
	printf("%s: %s since %s, wanted %s", name, state, since, want);
	if (pid != 0)
		printf(", process %" JSON_INTEGER_FORMAT, pid);
	putchar('\n');
	print_line(w, "error", "error:");
	if (json_is_string(json_object_get(w, "traceback")))
		puts("    traceback:");
	print_lines(w, "traceback", "        ");
	print_line(w, "waiting_for", "waits for");
	print_line(w, "until", "until");
	print_line(w, "channel", "channel:");
	print_line(w, "said", "says that it is");
	print_line(w, "status", "status:");
	print_line(w, "errno", "errno:");
	print_line(w, "watchdog", "watchdog:");
	if (json_array_size(deaths) > 0)
		puts("    deaths, the newest last:");
	json_array_foreach (deaths, i, d)
		print_death(d);
	print_output(json_object_get(w, "output"));
}

void
print_why(const json_t *parameters)
{
	const json_t *w;
	size_t i;

	json_array_foreach (json_object_get(parameters, "workers"), i, w)
		print_reason(w);
	json_array_foreach (json_object_get(parameters, "floors"), i, w)
		print_reason(w);
}

void
print_version(const json_t *parameters)
{
	char version[CELL_MAX];

	cell_text(parameters, "version", version);
	printf("svctl " SVD_VERSION "\nsvd %s (protocol %" JSON_INTEGER_FORMAT
	       ")\n",
	    version,
	    json_integer_value(json_object_get(parameters, "protocol")));
}

void
print_upgrade(const json_t *parameters)
{
	char from[CELL_MAX], to[CELL_MAX];

	cell_text(parameters, "from", from);
	cell_text(parameters, "to", to);
	printf("upgraded from %s to %s\n", from, to);
}

void
print_degraded(const json_t *parameters)
{
	const char *why =
	    json_string_value(json_object_get(parameters, "degraded"));
	char text[CELL_MAX];

	if (why == NULL)
		return;
	snprintf(text, sizeof(text), "svctl: degraded: %s", why);
	print_error_line(text);
}

void
print_health(const json_t *parameters)
{
	char name[CELL_MAX], state[CELL_MAX], reason[CELL_MAX];
	const json_t *w;
	size_t i;

	json_array_foreach (json_object_get(parameters, "unready"), i, w) {
		cell_text(w, "name", name);
		cell_text(w, "state", state);
		cell_text(w, "reason", reason);
		printf("%s: %s (%s)\n", name, state, reason);
	}
	if (i == 0)
		puts("ok");
	print_degraded(parameters);
}

void
print_reattached(const json_t *list)
{
	char name[CELL_MAX], outcome[CELL_MAX], reason[CELL_MAX];
	const json_t *w;
	size_t i;

	json_array_foreach (list, i, w) {
		cell_text(w, "name", name);
		cell_text(w, "outcome", outcome);
		cell_text(w, "reason", reason);
		printf("%s: %s (%s)\n", name, outcome, reason);
	}
	if (i == 0)
		puts("nothing was left by an earlier svd");
}

/* What it has come to: its process, or what went wrong. */
static void
event_detail(const json_t *w, char *out)
{
	json_int_t pid = json_integer_value(json_object_get(w, "pid"));

	const char *state = print_member(w, "state");

	out[0] = '\0';
	if (json_is_string(json_object_get(w, "error")))
		cell_text(w, "error", out);
	else if (pid != 0)
		snprintf(out, CELL_MAX, "pid %" JSON_INTEGER_FORMAT, pid);
	else if (strcmp(state, "STOPPED") == 0 || strcmp(state, "EXITED") == 0)
		cell_exit(w, "last_exit", out);
}

void
print_event(const json_t *parameters)
{
	const json_t *w = json_object_get(parameters, "worker");
	char time[CELL_MAX], name[CELL_MAX], from[CELL_MAX], to[CELL_MAX];
	char detail[CELL_MAX];

	cell_text(parameters, "time", time);
	if (json_is_true(json_object_get(parameters, "gap")))
		printf("%s * changes may have been missed\n", time);
	if (w == NULL)
		return;
	cell_text(w, "name", name);
	cell_text(parameters, "from", from);
	cell_text(w, "state", to);
	event_detail(w, detail);
	printf("%s %s %s -> %s%s%s\n", time, name, from, to,
	    detail[0] == '\0' ? "" : " ", detail);
}
