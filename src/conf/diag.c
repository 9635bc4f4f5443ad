/*
 * diag: the list of what is wrong with a configuration, see conf.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "conf/conf.h"
#include "conf/grow.h"

static int
list_reserve(struct diags *d)
{
	struct diag *list;

	list = grow_list(d->list, d->n + 1, &d->cap, sizeof(*list));
	if (list == NULL)
		return -1;
	d->list = list;
	return 0;
}

static int
format(struct buf *b, int is_error, const char *file, int line, const char *fmt,
    va_list ap)
{
	char *text = NULL;
	int rc;

	if (vasprintf(&text, fmt, ap) == -1)
		return -1;
	rc = buf_adds(b, file);
	if (rc == 0 && line > 0)
		rc = buf_addf(b, ":%d", line);
	if (rc == 0)
		rc = buf_addf(b, ": %s%s", is_error ? "" : "warning: ", text);
	free(text);
	return rc;
}

void
diags_add(struct diags *d, int is_error, const char *file, int line,
    const char *fmt, ...)
{
	struct buf b = {0};
	va_list ap;
	int rc;

	if (is_error)
		d->nerrors++;
	if (d->n >= DIAGS_MAX || list_reserve(d) == -1)
		return;
	va_start(ap, fmt);
	rc = format(&b, is_error, file, line, fmt, ap);
	va_end(ap);
	if (rc == -1) {
		buf_release(&b);
		return;
	}
	d->list[d->n++] = (struct diag){.text = b.data,
	    .is_error = is_error,
	    .file_len = strlen(file),
	    .line = line};
}

void
diags_release(struct diags *d)
{
	size_t i;

	for (i = 0; i < d->n; i++)
		free(d->list[i].text);
	free(d->list);
	*d = (struct diags){0};
}

/* Where a diagnostic's file stands in files; behind all if it is not there. */
static size_t
file_rank(const struct diag *g, char *const *files, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strlen(files[i]) == g->file_len &&
		    strncmp(files[i], g->text, g->file_len) == 0)
			break;
	return i;
}

/* Files that are not in the list are not told apart: theirs stay as they are.
 */
static int
compare(const void *a, const void *b)
{
	const struct diag *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	if (!x->other && x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* A last line that tells of errors that are not in the list. */
static void
add_rest(struct diags *d)
{
	size_t i, errors = 0;
	char *text;

	for (i = 0; i < d->n; i++)
		errors += d->list[i].is_error != 0;
	if (errors == d->nerrors || list_reserve(d) == -1)
		return;
	if (asprintf(&text, "and %zu more errors", d->nerrors - errors) == -1)
		return;
	d->list[d->n++] = (struct diag){.text = text, .is_error = 1};
}

void
diags_finish(struct diags *d, char *const *files, size_t nfiles)
{
	size_t i;

	for (i = 0; i < d->n; i++) {
		d->list[i].seq = i;
		d->list[i].rank = file_rank(&d->list[i], files, nfiles);
		d->list[i].other = d->list[i].rank == nfiles;
	}
	if (d->n > 0)
		qsort(d->list, d->n, sizeof(*d->list), compare);
	add_rest(d);
}
