/* plan: see plan.h. */
#include "conf/plan.h"

#include <stdlib.h>
#include <string.h>

#include "conf/format.h"

/* The environment that an instance gets, in place of what it is made of. */
static const struct conf_key environment_key = {.section = "worker",
    .name = "environment",
    .type = TYPE_ENVIRONMENT,
    .offset = offsetof(struct worker_section, conf.environment)};

/* The next key that an instance is known by, from *i on; NULL: no more. */
static const struct conf_key *
next_key(const struct worker_conf *c, size_t *i)
{
	const char *section = c->as_floor != NULL ? "floor" : "worker";
	const struct conf_key *key;

	while ((key = conf_key_at((*i)++)) != NULL) {
		if (strcmp(key->section, section) != 0 || key->later ||
		    strcmp(key->name, "numprocs") == 0)
			continue;
		if (key->type == TYPE_ENVIRONMENT)
			return &environment_key;
		if (key->in_floor || key->offset < sizeof(struct worker_conf))
			return key;
	}
	return NULL;
}

/* The text of key's value in b, or NULL where there is none. */
static int
format(const struct conf_key *key, const void *c, int masked, struct buf *b,
    const char **text)
{
	int rc;

	b->len = 0;
	rc = value_format(key, c, masked, b);
	*text = rc == 1 ? b->data : NULL;
	return rc == -1 ? -1 : 0;
}

static int
differ(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a != b : strcmp(a, b) != 0;
}

/* Masked texts may be the same where values are not. */
static int
tell_masked(const struct conf_key *key, const struct worker_conf *was,
    const struct worker_conf *is, plan_change_fn *fn, void *arg)
{
	struct buf a = {0}, b = {0};
	const char *x, *y;
	int rc = -1;

	if (format(key, was, 1, &a, &x) == 0 && format(key, is, 1, &b, &y) == 0)
		rc = fn(key, x, y, arg);
	buf_release(&a);
	buf_release(&b);
	return rc;
}

int
plan_changes(const struct worker_conf *was, const struct worker_conf *is,
    int masked, plan_change_fn *fn, void *arg)
{
	struct buf a = {0}, b = {0};
	const struct conf_key *key;
	const char *x, *y;
	size_t i = 0;
	int rc = 0;

	while (rc == 0 && (key = next_key(is, &i)) != NULL) {
		if (format(key, was, 0, &a, &x) == -1 ||
		    format(key, is, 0, &b, &y) == -1)
			rc = -1;
		else if (!differ(x, y))
			continue;
		else if (masked && key->type == TYPE_ENVIRONMENT)
			rc = tell_masked(key, was, is, fn, arg);
		else
			rc = fn(key, x, y, arg);
	}
	buf_release(&a);
	buf_release(&b);
	return rc;
}

/* What is left of the section once the fleet is made. */
static struct fleet_section
section_of(const struct fleet *f)
{
	return (struct fleet_section){.name = (char *)f->name,
	    .runtime_dir = f->runtime_dir,
	    .control_group = f->control_group,
	    .on_empty = f->on_empty,
	    .supervisor_watchdog = f->supervisor_watchdog,
	    .log = f->log,
	    .log_format = f->log_format};
}

int
plan_fleet_changes(const struct fleet *was, const struct fleet *is,
    plan_change_fn *fn, void *arg)
{
	struct fleet_section x = section_of(was), y = section_of(is);
	struct buf a = {0}, b = {0};
	const struct conf_key *key;
	const char *s, *t;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && (key = conf_key_at(i)) != NULL; i++) {
		if (strcmp(key->section, "fleet") != 0 || key->later)
			continue;
		if (format(key, &x, 0, &a, &s) == -1 ||
		    format(key, &y, 0, &b, &t) == -1)
			rc = -1;
		else if (differ(s, t))
			rc = fn(key, s, t, arg);
	}
	buf_release(&a);
	buf_release(&b);
	return rc;
}

static uint64_t
hash(uint64_t h, const char *text)
{
	/* With its NUL, so that where one ends counts. */
	do
		h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	while (*text++ != '\0');
	return h;
}

/* Of a default as it would be formatted. */
static int
is_default(const struct conf_key *key, const char *text)
{
	if (text == NULL)
		return 1;
	return strcmp(text, key->def == NULL ? "" : key->def) == 0;
}

int
plan_fingerprint(const struct worker_conf *c, uint64_t *print)
{
	const uint64_t start = UINT64_C(0xcbf29ce484222325);
	const struct conf_key *key;
	struct buf b = {0};
	const char *text;
	uint64_t sum = 0;
	size_t i = 0;
	int rc = 0;

	while (rc == 0 && (key = next_key(c, &i)) != NULL) {
		if (key->live)
			continue;
		rc = format(key, c, 0, &b, &text);
		if (rc == 0 && !is_default(key, text))
			sum += hash(hash(start, key->name), text);
	}
	buf_release(&b);
	*print = sum == 0 ? 1 : sum;
	return rc;
}

static int
note_kind(
    const struct conf_key *key, const char *was, const char *is, void *arg)
{
	enum plan_kind *kind = arg;

	(void)was;
	(void)is;
	if (!key->live)
		*kind = PLAN_RESTART;
	else if (*kind == PLAN_SAME)
		*kind = PLAN_LIVE;
	return 0;
}

static int
by_id(const void *a, const void *b)
{
	const struct worker_conf *x = *(const struct worker_conf *const *)a;
	const struct worker_conf *y = *(const struct worker_conf *const *)b;
	int rc = strcmp(x->group_name, y->group_name);

	if (rc != 0)
		return rc;
	return (x->instance > y->instance) - (x->instance < y->instance);
}

/* A list of pointers that by_id() has sorted; to be freed. */
static const struct worker_conf **
sorted(const struct worker_conf *const *list, const struct worker_conf *array,
    size_t n)
{
	const struct worker_conf **out;
	size_t i;

	out = calloc(n + 1, sizeof(struct worker_conf *));
	if (out == NULL)
		return NULL;
	for (i = 0; i < n; i++)
		out[i] = list != NULL ? list[i] : &array[i];
	qsort(out, n, sizeof(struct worker_conf *), by_id);
	return out;
}

static const struct worker_conf *
find(const struct worker_conf *const *list, size_t n,
    const struct worker_conf *c)
{
	const struct worker_conf *const *at;

	at = bsearch(&c, list, n, sizeof(struct worker_conf *), by_id);
	return at == NULL ? NULL : *at;
}

static int
add_step(
    struct plan *p, const struct worker_conf *was, const struct worker_conf *is)
{
	struct plan_step *step = &p->steps[p->n++];

	*step = (struct plan_step){.was = was, .is = is};
	if (was == NULL)
		step->kind = PLAN_ADD;
	else if (is == NULL)
		step->kind = PLAN_REMOVE;
	else
		return plan_changes(was, is, 0, note_kind, &step->kind);
	return 0;
}

int
plan_make(struct plan *p, const struct worker_conf *const *was, size_t nwas,
    const struct worker_conf *is, size_t nis)
{
	const struct worker_conf **old = sorted(was, NULL, nwas);
	const struct worker_conf **new = sorted(NULL, is, nis);
	int rc = 0;
	size_t i;

	*p = (struct plan){.steps = calloc(nwas + nis + 1, sizeof(*p->steps))};
	if (old == NULL || new == NULL || p->steps == NULL)
		rc = -1;
	for (i = 0; rc == 0 && i < nis; i++)
		rc = add_step(p, find(old, nwas, &is[i]), &is[i]);
	for (i = 0; rc == 0 && i < nwas; i++)
		if (find(new, nis, was[i]) == NULL)
			rc = add_step(p, was[i], NULL);
	free(old);
	free(new);
	if (rc == -1)
		plan_release(p);
	return rc;
}

void
plan_release(struct plan *p)
{
	free(p->steps);
	*p = (struct plan){0};
}
