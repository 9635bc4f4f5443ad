/*
 * build: see build.h. Each instance is parsed on its own, as %n may stand in
 * any value; what is wrong is reported for the first one that has it.
 */
#include "conf/build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/check.h"
#include "conf/env.h"
#include "conf/explain.h"
#include "conf/grow.h"
#include "conf/plan.h"
#include "conf/source.h"
#include "conf/value.h"

/* What the instances of a section share. */
struct group {
	struct load *l;
	const struct raw_section *s;
	struct expansion x;
	int numprocs;
};

static void
complain(const struct group *g, const struct raw_value *v, const char *text)
{
	diags_add(g->l->d, 1, g->s->file, v == NULL ? g->s->line : v->line,
	    "%s", text);
}

static const struct raw_value *
value_of(const struct group *g, const char *key)
{
	return raw_find(g->s, conf_key_find("worker", key));
}

static int
is_worker_key(const struct conf_key *key)
{
	return strcmp(key->section, "worker") == 0 && !key->later;
}

void
build_defaults(struct load *l)
{
	struct expansion x = {.fleet = "", .budget = &l->budget};
	const struct conf_key *key;
	struct err e;
	size_t i;

	for (i = 0; (key = conf_key_at(i)) != NULL; i++)
		if (is_worker_key(key) && key->def != NULL &&
		    !value_owns_memory(key->type) &&
		    value_parse(key, &x, key->def, &l->defaults, &e) == -1)
			diags_add(l->d, 1, l->path, 0, "default of %s", e.text);
	l->defaults.conf.restart = RESTART_DEFAULT;
}

static void
section_release(struct worker_section *w)
{
	worker_conf_release(&w->conf);
	words_free(w->environment);
	free(w->env_file.path);
}

/* All keys of one instance. */
static int
parse_keys(const struct group *g, struct worker_section *w)
{
	const struct conf_key *key;
	const struct raw_value *v;
	const char *text;
	struct err e;
	size_t i;
	int rc = 0;

	for (i = 0; (key = conf_key_at(i)) != NULL; i++) {
		if (!is_worker_key(key))
			continue;
		v = raw_find(g->s, key);
		text = v != NULL ? v->text : NULL;
		if (v == NULL && value_owns_memory(key->type))
			text = key->def; /* the others are set already */
		if (text != NULL &&
		    value_parse(key, &g->x, text, w, &e) == -1) {
			complain(g, v, e.text);
			rc = -1;
		}
		if (v == NULL && key->required) {
			err_set(&e, "[worker:%s] has no '%s'", g->s->name,
			    key->name);
			complain(g, NULL, e.text);
			rc = -1;
		}
	}
	return rc;
}

/* The key that names the user or group as which svd cannot start it. */
static int
check_identity(const struct group *g, const struct worker_conf *w)
{
	const char *key;
	struct err e;

	/* A restarted supervisor goes on with what was good enough, and asks
	 * no user data base. */
	if (sources_frozen(g->l->src))
		return 0;
	key = check_identity_of(w, &e);
	if (key == NULL)
		return 0;
	complain(g, value_of(g, key), e.text);
	return -1;
}

/* What the table cannot say: one key against another. */
static int
check_worker(const struct group *g, struct worker_conf *w)
{
	if (w->user == NULL && g->l->fleet.user != NULL) {
		w->user = strdup(g->l->fleet.user);
		if (w->user == NULL) {
			complain(g, NULL, "out of memory");
			return -1;
		}
	}
	if (w->restart == RESTART_DEFAULT)
		w->restart =
		    w->type == WORKER_ONESHOT ? RESTART_NO : RESTART_ALWAYS;
	if (w->type == WORKER_ONESHOT && w->restart == RESTART_ALWAYS) {
		complain(g, value_of(g, "restart"),
		    "restart: a oneshot cannot be restarted always, use "
		    "on-failure or no");
		return -1;
	}
	return check_identity(g, w);
}

void
build_release(struct load *l)
{
	env_cache_release(&l->env_files);
}

/* The variables of the worker's env_file to *words; NULL where it has none. */
static int
read_env_file(const struct group *g, const struct env_file_conf *conf,
    char *const **words)
{
	const struct env_file *f;
	const char *text;
	struct err e, why;
	size_t len;

	*words = NULL;
	if (conf->path == NULL)
		return 0;
	text = sources_get(g->l->src, conf->path, &len, &why);
	if (text == NULL) {
		if (conf->optional && errno == ENOENT)
			return 0;
		err_set(&e, "env_file: %s", why.text);
		complain(g, value_of(g, "env_file"), e.text);
		return -1;
	}
	f = env_cache_get(&g->l->env_files, conf->path, text, len, g->l->d);
	if (f == NULL)
		complain(g, NULL, "out of memory");
	if (f == NULL || f->words == NULL)
		return -1;
	*words = f->words;
	return 0;
}

static int
merge_environment(const struct group *g, struct worker_section *w)
{
	char *const *lists[3] = {g->l->fleet.environment, NULL, w->environment};
	struct err e;

	if (read_env_file(g, &w->env_file, &lists[1]) == -1)
		return -1;
	w->conf.environment = env_merge(lists, 3, &g->l->budget, &e);
	if (w->conf.environment != NULL)
		return 0;
	complain(g, NULL, e.text);
	return -1;
}

static void
set_identity(const struct group *g, struct worker_conf *w)
{
	snprintf(w->group_name, sizeof(w->group_name), "%s", g->s->name);
	if (g->numprocs == 1)
		snprintf(w->name, sizeof(w->name), "%s", g->s->name);
	else
		snprintf(w->name, sizeof(w->name), "%s:%d", g->s->name,
		    g->x.instance);
	w->instance = g->x.instance;
	w->numprocs = g->numprocs;
	w->file = g->s->file;
	w->line = g->s->line;
}

/* Makes the instance g->x.instance the next of the fleet. */
static int
build_instance(const struct group *g)
{
	struct worker_section w = g->l->defaults;
	struct fleet *f = g->l->f;

	if (parse_keys(g, &w) == -1 || check_worker(g, &w.conf) == -1 ||
	    merge_environment(g, &w) == -1) {
		section_release(&w);
		return -1;
	}
	set_identity(g, &w.conf);
	if (plan_fingerprint(&w.conf, &w.conf.print) == -1) {
		complain(g, NULL, "out of memory");
		section_release(&w);
		return -1;
	}
	explain_worker(g->l, g->s, &w);
	f->workers[f->nworkers++] = w.conf;
	words_free(w.environment);
	free(w.env_file.path);
	return 0;
}

/* Room for n more instances. */
static int
reserve_workers(struct load *l, size_t n)
{
	struct fleet *f = l->f;
	struct worker_conf *workers;

	workers = grow_list(
	    f->workers, f->nworkers + n, &l->workers_cap, sizeof(*workers));
	if (workers == NULL)
		return -1;
	f->workers = workers;
	return 0;
}

/* numprocs is needed before there is an instance. 1 where it is wrong: the
 * instance's own parsing then reports that. */
static int
count_instances(struct group *g)
{
	const struct conf_key *key = conf_key_find("worker", "numprocs");
	const struct raw_value *v = raw_find(g->s, key);
	struct worker_section w = g->l->defaults;
	struct err e;
	int scaled;

	if (v != NULL && value_parse(key, &g->x, v->text, &w, &e) == -1)
		return 1;
	scaled = sources_scaled(g->l->src, g->s->name);
	return scaled != 0 ? scaled : w.conf.numprocs;
}

int
build_worker(struct load *l, const struct raw_section *s)
{
	struct group g = {.l = l,
	    .s = s,
	    .x = {
		.worker = s->name, .fleet = l->f->name, .budget = &l->budget}};

	g.numprocs = count_instances(&g);
	if ((size_t)g.numprocs > FLEET_WORKERS_MAX - l->f->nworkers) {
		diags_add(l->d, 1, s->file, s->line,
		    "[worker:%s] brings the fleet to %zu instances, at most %d "
		    "are allowed",
		    s->name, l->f->nworkers + (size_t)g.numprocs,
		    FLEET_WORKERS_MAX);
		return 0;
	}
	if (reserve_workers(l, (size_t)g.numprocs) == -1) {
		complain(&g, NULL, "out of memory");
		return -1;
	}
	for (; g.x.instance < g.numprocs; g.x.instance++)
		if (build_instance(&g) == -1)
			break;
	return 0;
}
