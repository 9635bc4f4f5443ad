/* explain: see explain.h. */
#include "conf/explain.h"

#include <string.h>

#include "conf/format.h"
#include "conf/source.h"

/* A section that is told of. */
struct telling {
	const struct load *l;
	const struct raw_section *s;    /* NULL: there is no [fleet] */
	const struct worker_section *w; /* NULL: it is [fleet] */
	struct buf text, origin;
};

/* One more place that a value comes from. */
static int
add_origin(struct buf *b, const char *place)
{
	if (b->len > 0 && buf_adds(b, ", ") == -1)
		return -1;
	return buf_adds(b, place);
}

static int
add_line(struct buf *b, const struct raw_section *s, const char *key)
{
	const struct raw_value *v =
	    s == NULL ? NULL : raw_find(s, conf_key_find(s->kind->name, key));

	if (v == NULL)
		return 0;
	if (b->len > 0 && buf_adds(b, ", ") == -1)
		return -1;
	return buf_addf(b, "%s:%d", s->file, v->line);
}

/* What [fleet] adds to, or says in place of, what a worker does not. */
static int
add_fleet_line(struct telling *t, const char *key)
{
	const struct raw_section *fleet = raw_fleet(&t->l->raw);

	if (t->w == NULL)
		return 0;
	if (strcmp(key, "environment") == 0) {
		if (add_line(&t->origin, fleet, key) == -1)
			return -1;
		return t->w->env_file.path == NULL
		           ? 0
		           : add_origin(&t->origin, t->w->env_file.path);
	}
	if (strcmp(key, "user") == 0 &&
	    raw_find(t->s, conf_key_find(t->s->kind->name, key)) == NULL)
		return add_line(&t->origin, fleet, key);
	return 0;
}

static int
find_origin(struct telling *t, const struct conf_key *key)
{
	t->origin.len = 0;
	if (t->w != NULL && strcmp(key->name, "numprocs") == 0 &&
	    sources_scaled(t->l->src, t->s->name) != 0)
		return add_origin(&t->origin, "svctl scale");
	if (add_fleet_line(t, key->name) == -1 ||
	    add_line(&t->origin, t->s, key->name) == -1)
		return -1;
	return t->origin.len > 0 ? 0 : add_origin(&t->origin, "default");
}

/* A worker's environment is what came of all its parts. */
static int
find_value(struct telling *t, const struct conf_key *key)
{
	struct conf_key whole = *key;
	const void *section = &t->l->fleet;

	if (t->w != NULL)
		section = t->w;
	if (t->w != NULL && key->type == TYPE_ENVIRONMENT)
		whole.offset =
		    offsetof(struct worker_section, conf.environment);
	t->text.len = 0;
	return value_format(&whole, section, t->l->sink->masked, &t->text);
}

static int
tell_key(struct telling *t, const struct conf_key *key)
{
	const struct conf_sink *sink = t->l->sink;
	struct conf_value v = {
	    .worker = t->w == NULL ? NULL : t->w->conf.name, .key = key->name};
	int rc = find_value(t, key);

	if (rc == -1 || find_origin(t, key) == -1)
		return -1;
	if (rc == 1)
		v.text = t->text.data;
	else if (t->w == NULL && strcmp(key->name, "name") == 0)
		v.text = t->l->f->name; /* made of the file's */
	v.origin = t->origin.data;
	return sink->value(&v, sink->arg);
}

static void
tell_section(struct telling *t, const char *section)
{
	const struct conf_key *key;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && (key = conf_key_at(i)) != NULL; i++)
		if (strcmp(key->section, section) == 0 && !key->later)
			rc = tell_key(t, key);
	if (rc == -1)
		diags_add(t->l->d, 1, t->l->path, 0, "out of memory");
	buf_release(&t->text);
	buf_release(&t->origin);
}

void
explain_fleet(const struct load *l)
{
	struct telling t = {.l = l, .s = raw_fleet(&l->raw)};

	if (l->sink != NULL && l->sink->wants(NULL, l->sink->arg))
		tell_section(&t, "fleet");
}

void
explain_worker(const struct load *l, const struct raw_section *s,
    const struct worker_section *w)
{
	struct telling t = {.l = l, .s = s, .w = w};

	if (l->sink != NULL && l->sink->wants(&w->conf, l->sink->arg))
		tell_section(&t, s->kind->name);
}
