/* table: see table.h. */
#include "ctl/table.h"

#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "ctl/print.h"

void
cell_make_safe(char *text)
{
	unsigned char *p = (unsigned char *)text;

	for (; *p != '\0'; p++) {
		if (*p < ' ' || *p == 0x7f)
			*p = '?';
		else if (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
			p[0] = p[1] = '?';
	}
}

/* As snprintf() with "%s" does, which is what svctl would spend most of its
 * time with: a table has thousands of cells. */
void
cell_set(char *out, const char *text)
{
	size_t len = strlen(text);

	if (len >= CELL_MAX)
		len = CELL_MAX - 1;
	memcpy(out, text, len);
	out[len] = '\0';
}

void
cell_text(const json_t *w, const char *key, char *out)
{
	cell_set(out, print_member(w, key));
	cell_make_safe(out);
}

void
cell_number(const json_t *w, const char *key, char *out)
{
	json_int_t n = json_integer_value(json_object_get(w, key));

	if (n >= 0 && n <= 9) {
		out[0] = (char)('0' + n);
		out[1] = '\0';
	} else
		snprintf(out, CELL_MAX, "%" JSON_INTEGER_FORMAT, n);
}

void
cell_pid(const json_t *w, const char *key, char *out)
{
	cell_number(w, key, out);
	if (strcmp(out, "0") == 0)
		cell_set(out, "-");
}

void
cell_bool(const json_t *w, const char *key, char *out)
{
	cell_set(out, json_is_true(json_object_get(w, key)) ? "yes" : "no");
}

/* Seconds of a hostile server may be any number. */
void
cell_duration(const json_t *object, const char *key, char *out, size_t size)
{
	const json_t *value = json_object_get(object, key);
	double s = json_number_value(value);

	if (!json_is_number(value) || !(s >= 0 && s < 1e12))
		snprintf(out, size, "-");
	else
		units_format_duration((int64_t)(s * 1000 + .5), out, size);
}

void
cell_seconds(const json_t *w, const char *key, char *out)
{
	if (json_is_null(json_object_get(w, key)))
		cell_set(out, "-");
	else
		cell_duration(w, key, out, CELL_MAX);
}

void
cell_uptime(const json_t *w, const char *key, char *out)
{
	if (json_integer_value(json_object_get(w, "pid")) == 0)
		cell_set(out, "-");
	else
		cell_seconds(w, key, out);
}

void
cell_exit(const json_t *w, const char *key, char *out)
{
	cell_text(json_object_get(w, key), "reason", out);
}

void
cell_size(const json_t *w, const char *key, char *out)
{
	static const char units[] = "KMGT";
	const json_t *value = json_object_get(w, key);
	double n = (double)json_integer_value(value);
	size_t i = 0;

	for (; n >= 1024 && i + 2 < sizeof(units); i++)
		n /= 1024;
	if (!json_is_integer(value))
		cell_set(out, "-");
	else
		snprintf(
		    out, CELL_MAX, "%.*f%c", i > 0 && n < 100, n, units[i]);
}

void
cell_cpu(const json_t *w, const char *key, char *out)
{
	const json_t *value = json_object_get(w, key);

	if (!json_is_integer(value))
		cell_set(out, "-");
	else
		snprintf(out, CELL_MAX, "%.2fs",
		    (double)json_integer_value(value) / 1000.);
}

void
cell_count(const json_t *object, const char *key, char *out)
{
	if (json_is_integer(json_object_get(object, key)))
		cell_number(object, key, out);
	else
		cell_set(out, "-");
}

void
cell_ms(const json_t *object, const char *key, char *out)
{
	const json_t *value = json_object_get(object, key);
	json_int_t ms = json_integer_value(value);

	if (!json_is_integer(value) || ms < 0)
		cell_set(out, "-");
	else
		units_format_duration(ms, out, CELL_MAX);
}

/* Characters: bytes that do not go on with one. */
static int
text_width(const char *text)
{
	int n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static int
add_cell(struct table *t, size_t i, const char *cell)
{
	int width = text_width(cell);

	if (width > t->widths[i])
		t->widths[i] = width;
	return buf_add(&t->cells, cell, strlen(cell) + 1);
}

static int
add_row(struct table *t, const json_t *row)
{
	char cell[CELL_MAX];
	size_t i;

	for (i = 0; i < t->nshown; i++) {
		t->shown[i]->cell(row, t->shown[i]->key, cell);
		if (add_cell(t, i, cell) == -1)
			return -1;
	}
	return 0;
}

/* Chooses the columns. */
static int
add_titles(struct table *t, const json_t *first)
{
	const struct column *c;
	size_t i;

	for (i = 0; i < t->ncolumns && t->nshown < TABLE_COLUMNS_MAX; i++) {
		c = &t->columns[i];
		if (c->optional && json_object_get(first, c->key) == NULL)
			continue;
		t->shown[t->nshown] = c;
		if (add_cell(t, t->nshown++, c->title) == -1)
			return -1;
	}
	return 0;
}

void
table_add(struct table *t, const json_t *row)
{
	if (!t->failed && t->nshown == 0)
		t->failed = add_titles(t, row) == -1;
	if (!t->failed)
		t->failed = add_row(t, row) == -1;
}

static void
print(const struct table *t, const char *indent)
{
	char spaces[CELL_MAX + 2];
	const char *cell = t->cells.data, *end = cell + t->cells.len;
	size_t i;

	memset(spaces, ' ', sizeof(spaces));
	while (cell < end) {
		fputs(indent, stdout);
		for (i = 0; i < t->nshown; i++) {
			fputs(cell, stdout);
			if (i + 1 < t->nshown)
				fwrite(spaces, 1,
				    (size_t)(t->widths[i] + 2 -
					     text_width(cell)),
				    stdout);
			cell += strlen(cell) + 1;
		}
		putchar('\n');
	}
}

void
table_end(struct table *t, const char *indent)
{
	if (!t->failed && t->nshown == 0)
		t->failed = add_titles(t, NULL) == -1;
	if (!t->failed)
		print(t, indent);
	else
		print_error("out of memory");
	buf_release(&t->cells);
}

void
table_print(const struct column *columns, size_t n, const json_t *rows,
    const char *indent)
{
	struct table t = {.columns = columns, .ncolumns = n};
	const json_t *row;
	size_t i;

	json_array_foreach (rows, i, row)
		table_add(&t, row);
	table_end(&t, indent);
}
