/*
 * conf: conf_load, see conf.h. The files are read into raw sections (raw.c),
 * then [fleet] and each instance of each worker are made from them.
 */
#include "conf/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/group.h"
#include "conf/build.h"
#include "conf/explain.h"
#include "conf/floors.h"
#include "conf/grow.h"
#include "conf/keys.h"
#include "conf/outputs.h"
#include "conf/raw.h"
#include "conf/source.h"
#include "conf/value.h"
#include "conf/words.h"

#define GLOB_CHARS "*?["

static int
no_memory(struct load *l, const char *file, int line)
{
	diags_add(l->d, 1, file, line, "out of memory");
	return -1;
}

/* Remembers a file's name for as long as the fleet lives. NULL: no memory. */
static const char *
add_file(struct load *l, const char *path)
{
	struct fleet *f = l->f;
	char **files;

	files =
	    grow_list(f->files, f->nfiles + 1, &l->files_cap, sizeof(char *));
	if (files == NULL)
		return NULL;
	f->files = files;
	files[f->nfiles] = strdup(path);
	return files[f->nfiles] == NULL ? NULL : files[f->nfiles++];
}

/* The base name of path without what follows its last dot, if that will do. */
static void
default_name(const char *path, char *out, size_t size)
{
	const char *slash = strrchr(path, '/'), *dot;
	const char *base = slash == NULL ? path : slash + 1;
	struct err e;
	size_t len;

	dot = strrchr(base, '.');
	len = dot == NULL ? strlen(base) : (size_t)(dot - base);
	snprintf(out, size, "%.*s", len < size ? (int)len : 0, base);
	if (conf_check_name(out, &e) == -1)
		snprintf(out, size, "fleet");
}

/* Each key of [fleet], in the file or with its default. */
static void
parse_fleet(struct load *l, const struct raw_section *s)
{
	struct expansion x = {.fleet = "", .budget = &l->budget};
	const struct conf_key *key;
	const struct raw_value *v;
	struct err e;
	size_t i;

	for (i = 0; (key = conf_key_at(i)) != NULL; i++) {
		if (strcmp(key->section, "fleet") != 0 || key->later)
			continue;
		v = raw_find(s, key);
		if (v == NULL && key->def == NULL)
			continue;
		if (value_parse(key, &x, v == NULL ? key->def : v->text,
			&l->fleet, &e) == -1)
			diags_add(l->d, 1, s == NULL ? l->path : s->file,
			    v == NULL ? 0 : v->line, "%s", e.text);
	}
}

/* A restarted supervisor does without a group that is gone since. */
static void
check_control_group(struct load *l)
{
	const struct conf_key *key = conf_key_find("fleet", "control_group");
	const struct raw_value *v = raw_find(raw_fleet(&l->raw), key);
	const char *group = l->fleet.control_group;
	gid_t gid;

	if (group != NULL && v != NULL && !sources_frozen(l->src) &&
	    group_find(group, &gid) == -1)
		diags_add(l->d, 1, l->path, v->line,
		    "control_group: unknown group '%s'", group);
}

static void
build_fleet(struct load *l)
{
	struct fleet *f = l->f;

	parse_fleet(l, raw_fleet(&l->raw));
	check_control_group(l);
	if (l->fleet.name != NULL)
		snprintf(f->name, sizeof(f->name), "%s", l->fleet.name);
	else
		default_name(l->path, f->name, sizeof(f->name));
	explain_fleet(l);
	f->runtime_dir = l->fleet.runtime_dir;
	l->fleet.runtime_dir = NULL;
	f->control_group = l->fleet.control_group;
	l->fleet.control_group = NULL;
	f->on_empty = l->fleet.on_empty;
	f->supervisor_watchdog = l->fleet.supervisor_watchdog;
	f->log = l->fleet.log;
	l->fleet.log.path = NULL;
	f->log_format = l->fleet.log_format;
}

/* A file that two patterns match is read once; a pattern that matches the fleet
 * file itself does no harm. */
static int
is_read(const struct load *l, const char *path)
{
	size_t i;

	for (i = 0; i < l->f->nfiles; i++)
		if (strcmp(l->f->files[i], path) == 0)
			return 1;
	return 0;
}

/* line: of the include. */
static int
include_file(struct load *l, const char *path, int line)
{
	const char *text, *file;
	struct err e;
	size_t len;

	if (is_read(l, path))
		return 0;
	text = sources_get(l->src, path, &len, &e);
	if (text == NULL) {
		diags_add(l->d, 1, l->path, line, "include: %s", e.text);
		return 0;
	}
	file = add_file(l, path);
	if (file == NULL)
		return no_memory(l, l->path, line);
	return raw_read(&l->raw, file, text, len, 1, l->d);
}

/* The pattern as seen from the fleet file's directory, to be freed. */
static char *
absolute_pattern(const struct load *l, const char *pattern)
{
	const char *slash = strrchr(l->path, '/');
	char *out;

	if (*pattern == '/' || slash == NULL)
		return strdup(pattern);
	if (asprintf(&out, "%.*s/%s", (int)(slash - l->path), l->path,
		pattern) == -1)
		return NULL;
	return out;
}

static int
include_pattern(struct load *l, const char *pattern, int line)
{
	char *full = absolute_pattern(l, pattern);
	char *const *paths;
	struct err e;
	int rc = 0;

	if (full == NULL)
		return no_memory(l, l->path, line);
	if (strpbrk(pattern, GLOB_CHARS) == NULL) {
		rc = include_file(l, full, line);
		free(full);
		return rc;
	}
	paths = sources_glob(l->src, full, &e);
	if (paths == NULL)
		diags_add(l->d, 1, l->path, line, "include: %s", e.text);
	for (; rc == 0 && paths != NULL && *paths != NULL; paths++)
		rc = include_file(l, *paths, line);
	free(full);
	return rc;
}

static int
read_includes(struct load *l)
{
	const struct conf_key *key = conf_key_find("fleet", "include");
	const struct raw_value *v = raw_find(raw_fleet(&l->raw), key);
	char **word;

	for (word = l->fleet.include; word != NULL && *word != NULL; word++)
		if (include_pattern(l, *word, v->line) == -1)
			return -1;
	return 0;
}

static int
load(struct load *l)
{
	const char *text, *file;
	struct err e;
	size_t len, i;

	text = sources_get(l->src, l->path, &len, &e);
	if (text == NULL) {
		diags_add(l->d, 1, l->path, 0, "%s", e.text);
		return -1;
	}
	file = add_file(l, l->path);
	if (file == NULL)
		return no_memory(l, l->path, 0);
	if (raw_read(&l->raw, file, text, len, 0, l->d) == -1)
		return -1;
	build_fleet(l);
	if (read_includes(l) == -1)
		return -1;
	for (i = 0; i < l->raw.n; i++)
		if (l->raw.sections[i]->kind->named &&
		    !l->raw.sections[i]->unusable &&
		    build_section(l, l->raw.sections[i]) == -1)
			return -1;
	floors_check(l);
	return outputs_check(l);
}

/* The list of workers grew by doubling, and it stays for ever. */
static void
trim_workers(struct fleet *f)
{
	struct worker_conf *workers;

	if (f->nworkers == 0)
		return;
	workers = reallocarray(f->workers, f->nworkers, sizeof(*workers));
	if (workers != NULL)
		f->workers = workers;
}

static void
load_release(struct load *l)
{
	raw_release(&l->raw);
	build_release(l);
	free(l->fleet.name);
	free(l->fleet.runtime_dir);
	free(l->fleet.control_group);
	words_free(l->fleet.include);
	free(l->fleet.user);
	free(l->fleet.log.path);
	words_free(l->fleet.environment);
}

int
conf_load(
    struct fleet *f, const char *path, struct sources *src, struct diags *d)
{
	return conf_explain(f, path, src, d, NULL);
}

int
conf_explain(struct fleet *f, const char *path, struct sources *src,
    struct diags *d, const struct conf_sink *sink)
{
	struct load l = {.f = f,
	    .path = path,
	    .src = src,
	    .d = d,
	    .sink = sink,
	    .budget = CONF_VALUES_MAX};
	size_t before = d->nerrors;
	int rc;

	*f = (struct fleet){0};
	build_defaults(&l);
	rc = load(&l);
	trim_workers(f);
	diags_finish(d, f->files, f->nfiles);
	load_release(&l);
	if (rc == 0 && d->nerrors == before)
		return 0;
	fleet_release(f);
	return -1;
}
