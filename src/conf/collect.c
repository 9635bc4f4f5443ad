/*
 * collect: from a text to raw sections. What is wrong with a section is
 * reported once; its keys are looked at all the same, so that one run shows
 * every mistake.
 */
#include <string.h>

#include "conf/ini.h"
#include "conf/raw.h"

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

static void
no_memory(struct collector *c, int line)
{
	complain(c, line, "out of memory");
	c->failed = 1;
	c->now = NULL;
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

/* A new section at the end of the list, or NULL. */
static struct raw_section *
add_section(struct collector *c, const struct conf_section *kind,
    const char *name, int line)
{
	struct raw_section *s = raw_add_section(c->rc, kind, name);

	if (s == NULL) {
		no_memory(c, line);
		return NULL;
	}
	s->file = c->file;
	s->line = line;
	return s;
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
	const struct raw_section *first = raw_index(c->rc, s);

	if (first == s)
		return 1;
	if (first == NULL)
		no_memory(c, s->line);
	else
		complain(c, s->line, "duplicate section [%s], first at %s:%d",
		    text, first->file, first->line);
	return 0;
}

static void
section_cb(void *arg, const char *text, int line)
{
	struct collector *c = arg;
	const struct conf_section *kind;
	struct raw_section *s;
	const char *name;

	c->now = NULL;
	if (c->failed)
		return;
	kind = section_kind(c, text, &name, line);
	if (kind == NULL)
		return;
	s = c->now = add_section(c, kind, name, line);
	if (s != NULL)
		s->unusable =
		    !check_section(c, s, text) || !index_section(c, s, text);
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

static void
key_cb(void *arg, const char *name, const char *text, int line)
{
	struct collector *c = arg;
	struct raw_section *s = c->now;
	const struct conf_key *key;
	const struct raw_value *first;

	if (s == NULL || (key = known_key(c, name, line)) == NULL)
		return;
	first = raw_find(s, key);
	if (first != NULL)
		complain(c, line,
		    "duplicate key '%s' in " SECTION_FORMAT ", first at %s:%d",
		    name, SECTION_ARGS(s), c->file, first->line);
	else if (raw_add_value(s, key, strdup(text), line) == -1)
		no_memory(c, line);
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
