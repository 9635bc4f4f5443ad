/* floors: see floors.h. What depends on a floor's runtime is in two tables. */
#include "conf/floors.h"

#include <stdio.h>
#include <string.h>

#include "conf/check.h"
#include "conf/nearest.h"
#include "conf/source.h"

#define LETTERS                      \
	"abcdefghijklmnopqrstuvwxyz" \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ" \
	"0123456789_"

/* Names with single dots between, of letters, digits, '_', what is not ASCII,
 * and these: no more than tells a name from a path or a call. */
static int
is_dotted(const char *s, size_t len, const char *also)
{
	size_t i, name = 0;

	for (i = 0; i < len; i++) {
		if (s[i] == '.' && name == 0)
			return 0;
		name = s[i] == '.' ? 0 : name + 1;
		if (s[i] != '.' && strchr(LETTERS, s[i]) == NULL &&
		    strchr(also, s[i]) == NULL && (s[i] & 0x80) == 0)
			return 0;
	}
	return name > 0;
}

/* A module may have any file's name. */
static int
check_module(const char *s, struct err *e)
{
	if (is_dotted(s, strlen(s), "-"))
		return 0;
	return err_set(
	    e, "'%s' is not the name of a module, such as package.module", s);
}

static int
check_function(const char *s, struct err *e)
{
	size_t len = strcspn(s, ":");

	if (s[len] == ':' && is_dotted(s, len, "-") &&
	    is_dotted(s + len + 1, strlen(s + len + 1), ""))
		return 0;
	return err_set(
	    e, "'%s' is not a python function, package.module:function", s);
}

/* The first len bytes of s. */
static int
is_file(const char *s, size_t len)
{
	return len > 0 && (*s == '/' || memchr(s, '/', len) == NULL);
}

static int
check_file(const char *s, struct err *e)
{
	if (is_file(s, strlen(s)))
		return 0;
	return err_set(
	    e, "'%s' is neither an absolute path nor the name of a library", s);
}

static int
check_symbol(const char *s, struct err *e)
{
	if (is_dotted(s, strlen(s), "$"))
		return 0;
	return err_set(e, "'%s' is not the name of a symbol", s);
}

static int
check_library_symbol(const char *s, struct err *e)
{
	const char *colon = strrchr(s, ':');

	if (colon != NULL && is_file(s, (size_t)(colon - s)) &&
	    is_dotted(colon + 1, strlen(colon + 1), "$"))
		return 0;
	return err_set(e,
	    "'%s' is not a native function, /path/lib.so:symbol or "
	    "lib.so:symbol",
	    s);
}

static int
check_any(const char *s, struct err *e)
{
	return *s == '\0' ? err_set(e, "nothing is named") : 0;
}

static const struct {
	int (*preload)(const char *word, struct err *e);
	int (*init)(const char *text, struct err *e);
	int (*entry)(const char *text, struct err *e);
} runtimes[] = {
    [FLOOR_NATIVE] = {check_file, check_symbol, check_library_symbol},
    [FLOOR_PYTHON] = {check_module, check_function, check_function},
    [FLOOR_COMMAND] = {check_any, check_any, check_any},
};

/* Keys that not all floors have. */
static const struct {
	const char *key, *runtimes;
	int has[FLOOR_COMMAND + 1];
} partial[] = {
    {"preload", "native or python", {[FLOOR_NATIVE] = 1, [FLOOR_PYTHON] = 1}},
    {"init", "native or python", {[FLOOR_NATIVE] = 1, [FLOOR_PYTHON] = 1}},
    {"python", "python", {[FLOOR_PYTHON] = 1}},
    {"path", "python", {[FLOOR_PYTHON] = 1}},
    {"command", "command", {[FLOOR_COMMAND] = 1}},
};

static int
stands_in(const struct raw_section *s, const char *key)
{
	return raw_find(s, conf_key_find(s->kind->name, key)) != NULL;
}

static int
check_partial(
    const struct raw_section *s, enum floor_runtime runtime, struct diags *d)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < sizeof(partial) / sizeof(partial[0]); i++)
		if (!partial[i].has[runtime] && stands_in(s, partial[i].key))
			rc = raw_complain(s, partial[i].key, d,
			    "%s: is for runtime = %s, this floor has runtime = "
			    "%s",
			    partial[i].key, partial[i].runtimes,
			    floor_runtime_name(runtime));
	if (runtime == FLOOR_COMMAND && !stands_in(s, "command"))
		rc = raw_complain(s, "runtime", d,
		    "[floor:%s] has no 'command', which runtime = command "
		    "needs",
		    s->name);
	return rc;
}

int
floors_check_keys(
    const struct raw_section *s, const struct floor_conf *f, struct diags *d)
{
	char *const *word;
	struct err e;

	if (check_partial(s, f->runtime, d) == -1)
		return -1;
	for (word = f->preload; word != NULL && *word != NULL; word++)
		if (runtimes[f->runtime].preload(*word, &e) == -1)
			return raw_complain(
			    s, "preload", d, "preload: %s", e.text);
	if (f->init != NULL && runtimes[f->runtime].init(f->init, &e) == -1)
		return raw_complain(s, "init", d, "init: %s", e.text);
	return 0;
}

int
floors_check_choice(const struct raw_section *s, struct diags *d)
{
	static const char *const of_floor[] = {"entry", "args"};
	int command = stands_in(s, "command"), floor = stands_in(s, "floor");
	int rc = 0;
	size_t i;

	if (command && floor)
		return raw_complain(s, "floor", d,
		    "floor: [worker:%s] has a 'command' too, it can have only "
		    "one of them",
		    s->name);
	if (floor && !stands_in(s, "entry"))
		return raw_complain(s, "floor", d,
		    "floor: [worker:%s] has no 'entry', which says what it "
		    "calls there",
		    s->name);
	for (i = 0; i < 2 && !floor; i++)
		if (stands_in(s, of_floor[i]))
			rc = raw_complain(s, of_floor[i], d,
			    "%s: is for workers with a 'floor'", of_floor[i]);
	if (rc == 0 && !command && !floor)
		rc = raw_complain(s, NULL, d,
		    "[worker:%s] has neither 'command' nor 'floor'", s->name);
	return rc;
}

static int
unknown_floor(struct load *l, const struct raw_section *s, const char *name)
{
	const struct conf_section *kind = conf_section_find("floor", 5);
	struct nearest n = {.name = name, .len = strlen(name)};
	size_t i;

	for (i = 0; i < l->raw.n; i++)
		if (l->raw.sections[i]->kind == kind)
			nearest_try(&n, l->raw.sections[i]->name);
	if (n.found == NULL)
		return raw_complain(
		    s, "floor", l->d, "floor: there is no [floor:%s]", name);
	return raw_complain(s, "floor", l->d,
	    "floor: there is no [floor:%s], did you mean '%s'?", name, n.found);
}

/* One instance, of s. */
static int
check_worker(
    struct load *l, const struct raw_section *s, const struct worker_conf *w)
{
	const struct raw_section *on = raw_lookup(&l->raw, "floor", w->floor);
	const struct worker_conf *floor;
	const char *key;
	struct err e;

	if (on == NULL)
		return unknown_floor(l, s, w->floor);
	if (on->n_built == 0)
		return 0; /* what is wrong with it is reported */
	floor = &l->f->workers[on->first];
	if (runtimes[floor->as_floor->runtime].entry(w->entry, &e) == -1)
		return raw_complain(s, "entry", l->d, "entry: %s", e.text);
	/* As in check_identity(). */
	if (sources_frozen(l->src))
		return 0;
	key = check_stands_on(w, floor, &e);
	return key == NULL ? 0 : raw_complain(s, key, l->d, "%s", e.text);
}

/* "floor:0" is a floor, or an instance of a worker. */
static void
check_name(struct load *l, const struct raw_section *s)
{
	const struct raw_section *worker;

	if (s->name[strspn(s->name, "0123456789")] != '\0')
		return;
	worker = raw_lookup(&l->raw, "worker", "floor");
	if (worker != NULL)
		raw_complain(s, NULL, l->d,
		    "[floor:%s] is called as an instance of [worker:floor] is "
		    "(%s:%d): one of them needs another name",
		    s->name, worker->file, worker->line);
}

void
floors_check(struct load *l)
{
	const struct conf_section *kind = conf_section_find("floor", 5);
	const struct raw_section *s;
	size_t i, j;

	for (i = 0; i < l->raw.n; i++) {
		s = l->raw.sections[i];
		if (s->kind == kind && !s->unusable)
			check_name(l, s);
		for (j = s->first; j < s->first + s->n_built; j++)
			if (l->f->workers[j].floor != NULL &&
			    check_worker(l, s, &l->f->workers[j]) == -1)
				break; /* once is enough */
	}
}
