/* pick: see pick.h. */
#include "supervisor/pick.h"

#include "supervisor/supervisor.h"

json_t *
pick_new(const json_t *names)
{
	json_t *set = json_object();
	const json_t *name;
	size_t i;

	json_array_foreach (names, i, name)
		if (json_object_set_new(
			set, json_string_value(name), json_true()) == -1) {
			json_decref(set);
			return NULL;
		}
	return set;
}

int
pick_has(
    const json_t *pick, const char *name, const char *group, const char *id)
{
	return json_object_size(pick) == 0 ||
	       json_object_get(pick, "all") != NULL ||
	       json_object_get(pick, name) != NULL ||
	       json_object_get(pick, group) != NULL ||
	       json_object_get(pick, id) != NULL;
}

struct each {
	const json_t *pick;
	void (*fn)(struct worker *w, void *arg);
	void *arg;
};

static void
each_cb(struct worker *w, void *arg)
{
	const struct each *e = arg;

	if (pick_has(e->pick, w->conf->name, w->conf->group_name, w->rec.name))
		e->fn(w, e->arg);
}

void
pick_each(struct supervisor *s, const json_t *pick,
    void (*fn)(struct worker *w, void *arg), void *arg)
{
	struct each e = {pick, fn, arg};

	supervisor_each_named(s, "all", each_cb, &e);
}

void
pick_each_slot(struct supervisor *s, const json_t *pick,
    void (*fn)(struct worker *slot, void *arg), void *arg)
{
	struct worker *w;
	size_t i;

	ROSTER_EACH (&s->roster, i, w)
		if (w->conf->as_floor != NULL &&
		    json_object_get(pick, w->conf->name) != NULL)
			fn(w, arg);
}

static void
cross_out_cb(struct worker *w, void *arg)
{
	json_object_del(arg, w->conf->name);
	json_object_del(arg, w->conf->group_name);
	json_object_del(arg, w->rec.name);
}

const char *
pick_unknown(struct supervisor *s, const json_t *names, int floors)
{
	json_t *left = pick_new(names);
	const char *unknown = NULL;
	const struct floor *f;
	const json_t *name;
	size_t i;

	supervisor_each_named(s, "all", cross_out_cb, left);
	if (floors)
		LIST_FOREACH (f, &s->floors, link)
			json_object_del(left, floor_newest(f)->conf->name);
	json_object_del(left, "all");
	json_array_foreach (names, i, name)
		if (unknown == NULL &&
		    json_object_get(left, json_string_value(name)) != NULL)
			unknown = json_string_value(name);
	json_decref(left);
	return unknown;
}
