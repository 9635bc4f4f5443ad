/*
 * table: tables of what the daemon has told, for people: one row for each
 * object of a list, one column for each of some of its members. What the
 * daemon says may be of any type, and is shown without control characters.
 */
#ifndef SVD_CTL_TABLE_H
#define SVD_CTL_TABLE_H

#include <stddef.h>

#include <jansson.h>

#include "base/buf.h"

#define TABLE_COLUMNS_MAX 16
#define CELL_MAX 320 /* bytes, with the NUL */

struct column {
	const char *title, *key;
	/* What the member `key` of object is, as text in out[CELL_MAX]. */
	void (*cell)(const json_t *object, const char *key, char *out);
	int optional; /* left out where the first row has no such member */
};

/* Rows one by one: begun as {.columns = ..., .ncolumns = ...}. */
struct table {
	const struct column *columns;
	size_t ncolumns;

	struct buf cells; /* each with its NUL, row after row */
	const struct column *shown[TABLE_COLUMNS_MAX];
	int widths[TABLE_COLUMNS_MAX];
	size_t nshown;
	int failed; /* there was no memory */
};

void table_add(struct table *t, const json_t *row);
/* On standard output, each line behind indent. */
void table_end(struct table *t, const char *indent);
/* All that. */
void table_print(const struct column *columns, size_t ncolumns,
    const json_t *rows, const char *indent);

/* Cells: what is missing or of another type is "-" or 0. */
void cell_text(const json_t *object, const char *key, char *out);
void cell_number(const json_t *object, const char *key, char *out);
/* "-" for null. */
void cell_count(const json_t *object, const char *key, char *out);
/* "-" for 0. */
void cell_pid(const json_t *object, const char *key, char *out);
void cell_bool(const json_t *object, const char *key, char *out);
void cell_seconds(const json_t *object, const char *key, char *out);
/* Of milliseconds. */
void cell_ms(const json_t *object, const char *key, char *out);
/* Seconds, of an object that has a pid. */
void cell_uptime(const json_t *object, const char *key, char *out);
/* The reason of an Exit. */
void cell_exit(const json_t *object, const char *key, char *out);
/* Kilobytes. */
void cell_size(const json_t *object, const char *key, char *out);
void cell_cpu(const json_t *object, const char *key, char *out);

/* What fits of text. */
void cell_set(char *out, const char *text);
/* Seconds as a duration; "-" where they are none. */
void
cell_duration(const json_t *object, const char *key, char *out, size_t size);
/* Replaces control characters: C0, DEL, and C1, which UTF-8 writes as C2 80 to
 * C2 9F. */
void cell_make_safe(char *text);

#endif
