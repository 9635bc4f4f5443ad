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
#include "conf/floors.h"
#include "conf/grow.h"
#include "conf/plan.h"
#include "conf/source.h"
#include "conf/value.h"

#define FLOOR_STOP_MS 5000 /* a floor has nothing to finish */

/* What the instances of a section share. */
struct group {
	struct load *l;
	struct raw_section *s;
	struct expansion x;
	int numprocs, instance;
	int is_floor;
};

static int
complain(const struct group *g, const char *key, const char *text)
{
	return raw_complain(g->s, key, g->l->d, "%s", text);
}

static int
no_memory(const struct group *g)
{
	return complain(g, NULL, "out of memory");
}

void
build_defaults(struct load *l)
{
	struct expansion x = {.fleet = "", .budget = &l->budget};
	const struct conf_key *key;
	struct err e;
	size_t i;

	l->defaults.conf.as_floor = &l->floor_defaults;
	for (i = 0; (key = conf_key_at(i)) != NULL; i++)
		if (strcmp(key->section, "fleet") != 0 && key->def != NULL &&
		    !value_owns_memory(key->type) &&
		    value_parse(key, &x, key->def, &l->defaults, &e) == -1)
			diags_add(l->d, 1, l->path, 0, "default of %s", e.text);
	l->defaults.conf.as_floor = NULL;
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
		if (strcmp(key->section, g->s->kind->name) != 0 || key->later)
			continue;
		v = raw_find(g->s, key);
		text = v != NULL ? v->text : NULL;
		if (v == NULL && value_owns_memory(key->type))
			text = key->def; /* the others are set already */
		if (text != NULL && value_parse(key, &g->x, text, w, &e) == -1)
			rc = complain(g, key->name, e.text);
		if (v == NULL && key->required) {
			err_set(&e, "[%s:%s] has no '%s'", g->s->kind->name,
			    g->s->name, key->name);
			rc = complain(g, NULL, e.text);
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
	return key == NULL ? 0 : complain(g, key, e.text);
}

/* A terminal is all three of its streams, and stdout says where what it shows
 * is captured. */
static int
check_tty(const struct group *g, const struct worker_conf *w)
{
	char why[160];

	if (!w->tty)
		return 0;
	if (w->std_in.kind != STREAM_NULL)
		return complain(g, "stdin",
		    "stdin: with tty = yes the terminal is standard input");
	if (w->std_err.kind != STREAM_STDOUT)
		return complain(g, "stderr",
		    "stderr: with tty = yes the terminal is standard error, "
		    "and stdout says where its output goes");
	if (worker_output(w, OUTPUT_OUT) != NULL)
		return 0;
	snprintf(why, sizeof(why),
	    "stdout: with tty = yes the terminal's output is captured: log, "
	    "file:PATH, syslog or journal, not %s",
	    stream_kind_name(w->std_out.kind));
	return complain(g, "stdout", why);
}

/* What a oneshot waits for is its end. */
static int
check_ready(const struct group *g, const struct worker_conf *w)
{
	if (w->type == WORKER_ONESHOT && w->ready.kind != READY_EXEC)
		return complain(g, "ready",
		    "ready: a oneshot is ready once it has ended with success, "
		    "and knows only exec");
	return 0;
}

static int
check_watchdog(const struct group *g, const struct worker_conf *w)
{
	if (w->watchdog == 0 || w->watchdog >= FLEET_WATCHDOG_MIN)
		return 0;
	return complain(
	    g, "watchdog", "watchdog: 0, for none, or at least 10ms");
}

/* What the table cannot say: one key against another. */
static int
check_worker(const struct group *g, struct worker_conf *w)
{
	if (w->user == NULL && g->l->fleet.user != NULL) {
		w->user = strdup(g->l->fleet.user);
		if (w->user == NULL)
			return no_memory(g);
	}
	if (w->restart == RESTART_DEFAULT)
		w->restart =
		    w->type == WORKER_ONESHOT ? RESTART_NO : RESTART_ALWAYS;
	if (w->type == WORKER_ONESHOT && w->restart == RESTART_ALWAYS)
		return complain(g, "restart",
		    "restart: a oneshot cannot be restarted always, use "
		    "on-failure or no");
	if (check_tty(g, w) == -1 || check_ready(g, w) == -1 ||
	    check_watchdog(g, w) == -1)
		return -1;
	if (g->is_floor && floors_check_keys(g->s, w->as_floor, g->l->d) == -1)
		return -1;
	return check_identity(g, w);
}

/* What a floor's process has that no key says. */
static int
prepare_floor(const struct group *g, struct worker_conf *w)
{
	w->as_floor = malloc(sizeof(*w->as_floor));
	w->directory = strdup("/");
	if (w->as_floor != NULL)
		*w->as_floor = g->l->floor_defaults;
	if (w->as_floor == NULL || w->directory == NULL)
		return no_memory(g);
	w->std_out.kind = STREAM_LOG;
	w->std_err.kind = STREAM_STDOUT;
	w->stop_timeout = FLOOR_STOP_MS;
	return 0;
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
		return complain(g, "env_file", e.text);
	}
	f = env_cache_get(&g->l->env_files, conf->path, text, len, g->l->d);
	if (f == NULL)
		return no_memory(g);
	if (f->words == NULL)
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
	return w->conf.environment != NULL ? 0 : complain(g, NULL, e.text);
}

static void
set_identity(const struct group *g, struct worker_conf *w)
{
	const char *name = g->s->name;

	if (g->is_floor) {
		snprintf(w->group_name, sizeof(w->group_name), "@%s", name);
		snprintf(w->name, sizeof(w->name), "floor:%s", name);
	} else {
		snprintf(w->group_name, sizeof(w->group_name), "%s", name);
		if (g->numprocs == 1)
			snprintf(w->name, sizeof(w->name), "%s", name);
		else
			snprintf(w->name, sizeof(w->name), "%s:%d", name,
			    g->instance);
	}
	w->instance = g->instance;
	w->numprocs = g->numprocs;
	w->file = g->s->file;
	w->line = g->s->line;
}

/* From the section's keys; what is wrong is reported. */
static int
make_instance(const struct group *g, struct worker_section *w)
{
	int rc = 0;

	if (g->is_floor && prepare_floor(g, &w->conf) == -1)
		return -1;
	if (!g->is_floor)
		rc = floors_check_choice(g->s, g->l->d);
	if (parse_keys(g, w) == -1 || rc == -1 ||
	    check_worker(g, &w->conf) == -1 || merge_environment(g, w) == -1)
		return -1;
	set_identity(g, &w->conf);
	return plan_fingerprint(&w->conf, &w->conf.print) == -1 ? no_memory(g)
	                                                        : 0;
}

/* Makes the instance g->instance the next of the fleet. */
static int
build_instance(const struct group *g)
{
	struct worker_section w = g->l->defaults;
	struct fleet *f = g->l->f;

	if (make_instance(g, &w) == -1) {
		section_release(&w);
		return -1;
	}
	explain_worker(g->l, g->s, &w);
	f->workers[f->nworkers++] = w.conf;
	g->s->n_built++;
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
build_section(struct load *l, struct raw_section *s)
{
	struct group g = {.l = l,
	    .s = s,
	    .is_floor = strcmp(s->kind->name, "floor") == 0,
	    .x = {
		.worker = s->name, .fleet = l->f->name, .budget = &l->budget}};

	g.numprocs = g.is_floor ? FLOOR_SLOTS : count_instances(&g);
	if ((size_t)g.numprocs > FLEET_WORKERS_MAX - l->f->nworkers) {
		diags_add(l->d, 1, s->file, s->line,
		    "[%s:%s] brings the fleet to %zu instances, at most %d "
		    "are allowed",
		    s->kind->name, s->name, l->f->nworkers + (size_t)g.numprocs,
		    FLEET_WORKERS_MAX);
		return 0;
	}
	if (reserve_workers(l, (size_t)g.numprocs) == -1)
		return no_memory(&g);
	s->first = l->f->nworkers;
	for (; g.instance < g.numprocs; g.instance++) {
		g.x.instance = g.is_floor ? -1 : g.instance;
		if (build_instance(&g) == -1)
			break;
	}
	return 0;
}
