/*
 * raw: see raw.h.
 */
#include "conf/raw.h"

#include <search.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/grow.h"

static int
compare(const void *a, const void *b)
{
	const struct raw_section *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void
section_free(struct raw_section *s)
{
	size_t i;

	if (s == NULL)
		return;
	for (i = 0; i < s->n; i++)
		free(s->values[i].text);
	free(s->values);
	free(s->name);
	free(s);
}

static void
keep_section(void *section)
{
	(void)section; /* the list owns it */
}

void
raw_release(struct raw_conf *rc)
{
	size_t i;

	tdestroy(rc->tree, keep_section);
	for (i = 0; i < rc->n; i++)
		section_free(rc->sections[i]);
	free(rc->sections);
	*rc = (struct raw_conf){0};
}

static int
list_reserve(struct raw_conf *rc)
{
	struct raw_section **list;

	list = grow_list(
	    rc->sections, rc->n + 1, &rc->cap, sizeof(rc->sections[0]));
	if (list == NULL)
		return -1;
	rc->sections = list;
	return 0;
}

struct raw_section *
raw_add_section(
    struct raw_conf *rc, const struct conf_section *kind, const char *name)
{
	struct raw_section *s = calloc(1, sizeof(*s));

	if (s != NULL)
		s->name = strdup(name);
	if (s == NULL || s->name == NULL || list_reserve(rc) == -1) {
		section_free(s);
		return NULL;
	}
	s->kind = kind;
	rc->sections[rc->n++] = s;
	return s;
}

struct raw_section *
raw_index(struct raw_conf *rc, struct raw_section *s)
{
	void *node = tsearch(s, &rc->tree, compare);

	return node == NULL ? NULL : *(struct raw_section **)node;
}

const struct raw_section *
raw_lookup(const struct raw_conf *rc, const char *kind, const char *name)
{
	struct raw_section key = {.kind = conf_section_find(kind, strlen(kind)),
	    .name = (char *)(uintptr_t)name}; /* only compared */
	void *node = tfind(&key, &rc->tree, compare);

	return node == NULL ? NULL : *(struct raw_section **)node;
}

int
raw_complain(const struct raw_section *s, const char *key, struct diags *d,
    const char *fmt, ...)
{
	const struct raw_value *v = NULL;
	struct err e;
	va_list ap;

	if (key != NULL)
		v = raw_find(s, conf_key_find(s->kind->name, key));
	va_start(ap, fmt);
	vsnprintf(e.text, sizeof(e.text), fmt, ap);
	va_end(ap);
	diags_add(d, 1, s->file, v == NULL ? s->line : v->line, "%s", e.text);
	return -1;
}

int
raw_add_value(
    struct raw_section *s, const struct conf_key *key, char *text, int line)
{
	struct raw_value *values;

	values = grow_list(s->values, s->n + 1, &s->cap, sizeof(*values));
	if (values != NULL)
		s->values = values;
	if (text == NULL || values == NULL) {
		free(text);
		return -1;
	}
	values[s->n++] = (struct raw_value){key, text, line};
	return 0;
}

const struct raw_value *
raw_find(const struct raw_section *s, const struct conf_key *key)
{
	size_t i;

	for (i = 0; s != NULL && i < s->n; i++)
		if (s->values[i].key == key)
			return &s->values[i];
	return NULL;
}

const struct raw_section *
raw_fleet(const struct raw_conf *rc)
{
	size_t i;

	for (i = 0; i < rc->n; i++)
		if (!rc->sections[i]->kind->named && !rc->sections[i]->unusable)
			return rc->sections[i];
	return NULL;
}
