/*
 * raw: see raw.h. What is wrong with a section is reported once; its keys are
 * looked at all the same, so that one run shows every mistake.
 */
#include "conf/raw.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "conf/ini.h"

struct collector {
	struct raw_conf *rc;
	const char *file;
	int included;
	struct diags *d;
	struct raw_section *now; /* NULL: its keys mean nothing to us */
	int failed;
};

#define complain(c, line, ...) \
	diags_add((c)->d, 1, (c)->file, (line), __VA_ARGS__)

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

static void
no_memory(struct collector *c, int line)
{
	complain(c, line, "out of memory");
	c->failed = 1;
	c->now = NULL;
}

static int
list_reserve(struct raw_conf *rc)
{
	size_t cap = rc->cap == 0 ? 16 : rc->cap * 2;
	struct raw_section **list;

	if (rc->n < rc->cap)
		return 0;
	list = reallocarray(rc->sections, cap, sizeof(struct raw_section *));
	if (list == NULL)
		return -1;
	rc->sections = list;
	rc->cap = cap;
	return 0;
}

/* A new section at the end of the list, or NULL. */
static struct raw_section *
add_section(struct collector *c, const struct conf_section *kind,
    const char *name, int line)
{
	struct raw_section *s = calloc(1, sizeof(*s));

	if (s != NULL)
		s->name = strdup(name);
	if (s == NULL || s->name == NULL || list_reserve(c->rc) == -1) {
		section_free(s);
		no_memory(c, line);
		return NULL;
	}
	s->kind = kind;
	s->file = c->file;
	s->line = line;
	c->rc->sections[c->rc->n++] = s;
	return s;
}

static void
unknown_section(struct collector *c, const char *text, size_t len, int line)
{
	const struct conf_section *near = conf_section_suggest(text, len);
	const char *name = text + len;

	if (near == NULL)
		complain(c, line, "unknown section [%s]", text);
	else if (!near->named)
		complain(c, line, "unknown section [%s], did you mean [%s]?",
		    text, near->name);
	else
		complain(c, line, "unknown section [%s], did you mean [%s%s]?",
		    text, near->name, *name == '\0' ? ":NAME" : name);
}

/* The kind of [text], with its name behind it; NULL where it is no section of
 * this version. */
static const struct conf_section *
section_kind(struct collector *c, const char *text, const char **name, int line)
{
	size_t len = strcspn(text, ":");
	const struct conf_section *kind = conf_section_find(text, len);

	*name = text[len] == ':' ? text + len + 1 : "";
	if (kind == NULL) {
		unknown_section(c, text, len, line);
		return NULL;
	}
	if (kind->later) {
		complain(
		    c, line, "[%s] is not supported by this version", text);
		return NULL;
	}
	return kind;
}

/* Whether the section may be used, with the reason to d where not. */
static int
check_section(
    struct collector *c, const struct raw_section *s, const char *text)
{
	struct err e;

	if (s->kind->named && strchr(text, ':') == NULL)
		complain(
		    c, s->line, "[%s] needs a name: [%s:NAME]", text, text);
	else if (!s->kind->named && strchr(text, ':') != NULL)
		complain(c, s->line, "[%s]: [%s] takes no name", text,
		    s->kind->name);
	else if (s->kind->named && conf_check_name(s->name, &e) == -1)
		complain(c, s->line, "[%s]: %s", text, e.text);
	else if (!s->kind->named && c->included)
		complain(c, s->line,
		    "[%s] may stand in the fleet file only, not in an included "
		    "one",
		    text);
	else
		return 1;
	return 0;
}

/* Whether it is the first of its name. */
static int
index_section(struct collector *c, struct raw_section *s, const char *text)
{
	void *node = tsearch(s, &c->rc->tree, compare);
	const struct raw_section *first;

	if (node == NULL) {
		no_memory(c, s->line);
		return 0;
	}
	first = *(struct raw_section **)node;
	if (first == s)
		return 1;
	complain(c, s->line, "duplicate section [%s], first at %s:%d", text,
	    first->file, first->line);
	return 0;
}

static void
section_cb(void *arg, const char *text, int line)
{
	struct collector *c = arg;
	const struct conf_section *kind;
	const char *name;

	c->now = NULL;
	if (c->failed)
		return;
	kind = section_kind(c, text, &name, line);
	if (kind == NULL)
		return;
	c->now = add_section(c, kind, name, line);
	if (c->now == NULL)
		return;
	if (!check_section(c, c->now, text) ||
	    !index_section(c, c->now, text)) {
		if (c->now != NULL)
			c->now->unusable = 1;
	}
}

/* "[fleet]", "[worker:web]". */
#define SECTION_FORMAT "[%s%s%s]"
#define SECTION_ARGS(s) \
	(s)->kind->name, *(s)->name == '\0' ? "" : ":", (s)->name

/* The key's entry in the table, with the reason to d where there is none. */
static const struct conf_key *
known_key(struct collector *c, const char *name, int line)
{
	const struct raw_section *s = c->now;
	const struct conf_key *key = conf_key_find(s->kind->name, name);
	const char *near;

	if (key == NULL) {
		near = conf_key_suggest(s->kind->name, name);
		if (near != NULL)
			complain(c, line,
			    "unknown key '%s' in " SECTION_FORMAT
			    ", did you mean '%s'?",
			    name, SECTION_ARGS(s), near);
		else
			complain(c, line, "unknown key '%s' in " SECTION_FORMAT,
			    name, SECTION_ARGS(s));
		return NULL;
	}
	if (key->later) {
		complain(
		    c, line, "'%s' is not supported by this version", name);
		return NULL;
	}
	return key;
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

static int
values_reserve(struct raw_section *s)
{
	size_t cap = s->cap == 0 ? 4 : s->cap * 2;
	struct raw_value *values;

	if (s->n < s->cap)
		return 0;
	values = reallocarray(s->values, cap, sizeof(*values));
	if (values == NULL)
		return -1;
	s->values = values;
	s->cap = cap;
	return 0;
}

static void
key_cb(void *arg, const char *name, const char *text, int line)
{
	struct collector *c = arg;
	const struct conf_key *key;
	const struct raw_value *first;
	char *copy;

	if (c->now == NULL || (key = known_key(c, name, line)) == NULL)
		return;
	first = raw_find(c->now, key);
	if (first != NULL) {
		complain(c, line,
		    "duplicate key '%s' in " SECTION_FORMAT ", first at %s:%d",
		    name, SECTION_ARGS(c->now), c->file, first->line);
		return;
	}
	copy = strdup(text);
	if (copy == NULL || values_reserve(c->now) == -1) {
		free(copy);
		no_memory(c, line);
		return;
	}
	c->now->values[c->now->n++] = (struct raw_value){key, copy, line};
}

int
raw_read(struct raw_conf *rc, const char *file, const char *text, size_t len,
    int included, struct diags *d)
{
	struct collector c = {
	    .rc = rc, .file = file, .included = included, .d = d};
	struct ini_sink sink = {section_cb, key_cb, &c};

	if (ini_read(&sink, file, text, len, d) == -1 || c.failed)
		return -1;
	return 0;
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
