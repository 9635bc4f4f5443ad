/* print: see print.h. */
#include "ctl/print.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/units.h"
#include "ctl/line.h"

#define CELL_MAX 320 /* bytes */
#define ERROR_MAX 1024
#define DURATION_SIZE 40

/* Replaces control characters: C0, DEL, and C1, which UTF-8 writes as C2 80 to
 * C2 9F. */
static void
make_safe(char *text)
{
	unsigned char *p = (unsigned char *)text;

	for (; *p != '\0'; p++) {
		if (*p < ' ' || *p == 0x7f)
			*p = '?';
		else if (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
			p[0] = p[1] = '?';
	}
}

void
print_error(const char *fmt, ...)
{
	char text[ERROR_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	make_safe(text);
	fprintf(stderr, "svctl: %s\n", text);
}

static void
put_safe(FILE *to, const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL)
		return;
	make_safe(copy);
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

/* As snprintf() with "%s" does, which is what svctl would spend most of its
 * time with: a table has thousands of cells. */
static void
set_cell(char *out, const char *text)
{
	size_t len = strlen(text);

	if (len >= CELL_MAX)
		len = CELL_MAX - 1;
	memcpy(out, text, len);
	out[len] = '\0';
}

/* Cells of a table: what is missing or of another type is "-" or 0. */
static void
text_cell(const json_t *w, const char *key, char *out)
{
	set_cell(out, print_member(w, key));
	make_safe(out);
}

static void
number_cell(const json_t *w, const char *key, char *out)
{
	json_int_t n = json_integer_value(json_object_get(w, key));

	if (n >= 0 && n <= 9) {
		out[0] = (char)('0' + n);
		out[1] = '\0';
	} else
		snprintf(out, CELL_MAX, "%" JSON_INTEGER_FORMAT, n);
}

static void
pid_cell(const json_t *w, const char *key, char *out)
{
	number_cell(w, key, out);
	if (strcmp(out, "0") == 0)
		set_cell(out, "-");
}

static void
bool_cell(const json_t *w, const char *key, char *out)
{
	set_cell(out, json_is_true(json_object_get(w, key)) ? "yes" : "no");
}

/* Seconds of a hostile server may be any number. */
static void
seconds_text(const json_t *object, const char *key, char *out, size_t size)
{
	const json_t *value = json_object_get(object, key);
	double s = json_number_value(value);

	if (!json_is_number(value) || !(s >= 0 && s < 1e12))
		snprintf(out, size, "-");
	else
		units_format_duration((int64_t)(s * 1000 + .5), out, size);
}

static void
seconds_cell(const json_t *w, const char *key, char *out)
{
	if (json_is_null(json_object_get(w, key)))
		set_cell(out, "-");
	else
		seconds_text(w, key, out, CELL_MAX);
}

static void
uptime_cell(const json_t *w, const char *key, char *out)
{
	if (json_integer_value(json_object_get(w, "pid")) == 0)
		set_cell(out, "-");
	else
		seconds_cell(w, key, out);
}

static void
exit_cell(const json_t *w, const char *key, char *out)
{
	text_cell(json_object_get(w, key), "reason", out);
}

/* Kilobytes as the table of `svctl status -l` has them; "-" for null. */
static void
size_cell(const json_t *w, const char *key, char *out)
{
	static const char units[] = "KMGT";
	const json_t *value = json_object_get(w, key);
	double n = (double)json_integer_value(value);
	size_t i = 0;

	for (; n >= 1024 && i + 2 < sizeof(units); i++)
		n /= 1024;
	if (!json_is_integer(value))
		set_cell(out, "-");
	else
		snprintf(
		    out, CELL_MAX, "%.*f%c", i > 0 && n < 100, n, units[i]);
}

static void
cpu_cell(const json_t *w, const char *key, char *out)
{
	const json_t *value = json_object_get(w, key);

	if (!json_is_integer(value))
		set_cell(out, "-");
	else
		snprintf(out, CELL_MAX, "%.2fs",
		    (double)json_integer_value(value) / 1000.);
}

static const struct column {
	const char *title, *key;
	void (*cell)(const json_t *w, const char *key, char *out);
} columns[] = {
    {"NAME", "name", text_cell},
    {"STATE", "state", text_cell},
    {"READY", "ready", bool_cell},
    {"PID", "pid", pid_cell},
    {"GEN", "generation", number_cell},
    {"UPTIME", "uptime", uptime_cell},
    {"RESTARTS", "restarts", number_cell},
    {"NEXT", "next_start", seconds_cell},
    {"LAST-EXIT", "last_exit", exit_cell},
    {"RSS", "rss_kb", size_cell},
    {"PSS", "pss_kb", size_cell},
    {"PRIVATE", "private_kb", size_cell},
    {"SHARED", "shared_kb", size_cell},
    {"CPU", "cpu_ms", cpu_cell},
};

#define NCOLUMNS (sizeof(columns) / sizeof(*columns))
#define NCOLUMNS_USAGE 5 /* the last ones */

/* Characters: bytes that do not go on with one. */
static int
text_width(const char *text)
{
	int n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

/* A table's cells, each with its NUL, row after row. */
struct table {
	struct buf cells;
	int widths[NCOLUMNS];
	size_t n; /* of columns */
};

/* w NULL: the titles. */
static int
add_row(struct table *t, const json_t *w)
{
	char cell[CELL_MAX];
	size_t i;
	int width;

	for (i = 0; i < t->n; i++) {
		if (w == NULL)
			set_cell(cell, columns[i].title);
		else
			columns[i].cell(w, columns[i].key, cell);
		width = text_width(cell);
		if (width > t->widths[i])
			t->widths[i] = width;
		if (buf_add(&t->cells, cell, strlen(cell) + 1) == -1)
			return -1;
	}
	return 0;
}

static void
print_table(const struct table *t)
{
	char spaces[CELL_MAX + 2];
	const char *cell = t->cells.data, *end = cell + t->cells.len;
	size_t i;

	memset(spaces, ' ', sizeof(spaces));
	while (cell < end) {
		for (i = 0; i < t->n; i++) {
			fputs(cell, stdout);
			if (i + 1 < t->n)
				fwrite(spaces, 1,
				    (size_t)(t->widths[i] + 2 -
					     text_width(cell)),
				    stdout);
			cell += strlen(cell) + 1;
		}
		putchar('\n');
	}
}

/* Those of the usage only where that was asked for. */
static size_t
ncolumns(const json_t *workers)
{
	const json_t *first = json_array_get(workers, 0);

	return json_object_get(first, "rss_kb") != NULL
	           ? NCOLUMNS
	           : NCOLUMNS - NCOLUMNS_USAGE;
}

void
print_status(const json_t *parameters)
{
	const json_t *workers = json_object_get(parameters, "workers"), *w;
	struct table t = {.n = ncolumns(workers)};
	size_t i;
	int rc = add_row(&t, NULL);

	json_array_foreach (workers, i, w)
		if (rc == 0)
			rc = add_row(&t, w);
	if (rc == 0)
		print_table(&t);
	else
		print_error("out of memory");
	buf_release(&t.cells);
}

/* A member on a line of its own, if it is there. */
static void
print_line(const json_t *w, const char *key, const char *label)
{
	char text[CELL_MAX];

	if (!json_is_string(json_object_get(w, key)))
		return;
	text_cell(w, key, text);
	printf("    %s %s\n", label, text);
}

static void
print_death(const json_t *d)
{
	char at[CELL_MAX], reason[CELL_MAX], uptime[DURATION_SIZE];

	text_cell(d, "at", at);
	text_cell(d, "reason", reason);
	seconds_text(d, "uptime", uptime, sizeof(uptime));
	printf("        %s  generation %" JSON_INTEGER_FORMAT ", ran %s: %s\n",
	    at, json_integer_value(json_object_get(d, "generation")), uptime,
	    reason);
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

	text_cell(w, "name", name);
	text_cell(w, "state", state);
	text_cell(w, "want", want);
	text_cell(w, "since", since);
	printf("%s: %s since %s, wanted %s", name, state, since, want);
	if (pid != 0)
		printf(", process %" JSON_INTEGER_FORMAT, pid);
	putchar('\n');
	print_line(w, "error", "error:");
	print_line(w, "waiting_for", "waits for");
	print_line(w, "until", "until");
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
}

void
print_version(const json_t *parameters)
{
	char version[CELL_MAX];

	text_cell(parameters, "version", version);
	printf("svctl " SVD_VERSION "\nsvd %s (protocol %" JSON_INTEGER_FORMAT
	       ")\n",
	    version,
	    json_integer_value(json_object_get(parameters, "protocol")));
}

void
print_health(const json_t *parameters)
{
	char name[CELL_MAX], state[CELL_MAX], reason[CELL_MAX];
	const json_t *w;
	size_t i;

	json_array_foreach (json_object_get(parameters, "unready"), i, w) {
		text_cell(w, "name", name);
		text_cell(w, "state", state);
		text_cell(w, "reason", reason);
		printf("%s: %s (%s)\n", name, state, reason);
	}
	if (i == 0)
		puts("ok");
}

/* What it has come to: its process, or what went wrong. */
static void
event_detail(const json_t *w, char *out)
{
	json_int_t pid = json_integer_value(json_object_get(w, "pid"));

	const char *state = print_member(w, "state");

	out[0] = '\0';
	if (json_is_string(json_object_get(w, "error")))
		text_cell(w, "error", out);
	else if (pid != 0)
		snprintf(out, CELL_MAX, "pid %" JSON_INTEGER_FORMAT, pid);
	else if (strcmp(state, "STOPPED") == 0 || strcmp(state, "EXITED") == 0)
		exit_cell(w, "last_exit", out);
}

void
print_event(const json_t *parameters)
{
	const json_t *w = json_object_get(parameters, "worker");
	char time[CELL_MAX], name[CELL_MAX], from[CELL_MAX], to[CELL_MAX];
	char detail[CELL_MAX];

	text_cell(parameters, "time", time);
	if (json_is_true(json_object_get(parameters, "gap")))
		printf("%s * changes may have been missed\n", time);
	if (w == NULL)
		return;
	text_cell(w, "name", name);
	text_cell(parameters, "from", from);
	text_cell(w, "state", to);
	event_detail(w, detail);
	printf("%s %s %s -> %s%s%s\n", time, name, from, to,
	    detail[0] == '\0' ? "" : " ", detail);
}
