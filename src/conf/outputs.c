/* outputs: see outputs.h. */
#include "conf/outputs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "conf/source.h"

#define FDS_FIXED 100 /* of keeper, supervisor and logger beside outputs */

/* A stream of a worker that goes to a file. */
struct use {
	const char *path;
	const struct worker_conf *w;
	const char *key; /* "stdout" */
};

static int
compare_uses(const void *a, const void *b)
{
	const struct use *x = a, *y = b;
	int rc = strcmp(x->path, y->path);

	if (rc != 0)
		return rc;
	/* In the order of the file: workers are one array. */
	if (x->w != y->w)
		return x->w < y->w ? -1 : 1;
	return strcmp(y->key, x->key);
}

/* The line of the first of these keys that stands in the worker's section,
 * else of the section. */
static int
line_of(const struct load *l, const struct worker_conf *w, const char *key,
    const char *other)
{
	const struct raw_section *s;
	const struct raw_value *v = NULL;
	size_t i;

	for (i = 0; i < l->raw.n && v == NULL; i++) {
		s = l->raw.sections[i];
		if (s->file != w->file || s->line != w->line)
			continue;
		v = raw_find(s, conf_key_find("worker", key));
		if (v == NULL)
			v = raw_find(s, conf_key_find("worker", other));
	}
	return v == NULL ? w->line : v->line;
}

/* Both write to one file. Instances of one section agree, or say %n. */
static void
check_pair(struct load *l, const struct use *a, const struct use *b)
{
	const char *key = NULL;

	if (a->w->log_size != b->w->log_size)
		key = "log_size";
	else if (a->w->log_keep != b->w->log_keep)
		key = "log_keep";
	if (key != NULL)
		diags_add(l->d, 1, b->w->file, line_of(l, b->w, key, b->key),
		    "%s: not the same for '%s' as in [worker:%s] (%s:%d)", key,
		    b->path, a->w->group_name, a->w->file,
		    line_of(l, a->w, key, a->key));
}

static void
check_own_log(struct load *l, const struct use *u)
{
	const struct stream_conf *log = &l->f->log;

	if (log->kind == STREAM_FILE && strcmp(log->path, u->path) == 0)
		diags_add(l->d, 1, u->w->file, line_of(l, u->w, u->key, u->key),
		    "%s: '%s' is svd's own log, use %s = log", u->key, u->path,
		    u->key);
}

/* The other end of a worker's standard input, or of its terminal. */
static size_t
count_inputs(const struct fleet *f)
{
	size_t i, n = 0;

	for (i = 0; i < f->nworkers; i++)
		n += (size_t)worker_has_input(&f->workers[i]);
	return n;
}

/* That workers notify. */
static size_t
count_sockets(const struct fleet *f)
{
	size_t i, n = 0;

	for (i = 0; i < f->nworkers; i++)
		n += f->workers[i].as_floor == NULL;
	return n;
}

/* For channels: our end, and for a moment that of one from a floor. */
static size_t
count_channels(const struct fleet *f)
{
	size_t i, n = 0;

	for (i = 0; i < f->nworkers; i++)
		if (f->workers[i].channel != CHANNEL_NONE)
			n += f->workers[i].floor == NULL ? 1 : 2;
	return n;
}

/* What it says that it is ready by, or is asked through. */
static size_t
count_readiness(const struct fleet *f)
{
	size_t i, n = 0;

	for (i = 0; i < f->nworkers; i++)
		n += f->workers[i].ready.kind != READY_EXEC &&
		     f->workers[i].ready.kind != READY_COMMAND;
	return n;
}

/* What the keeper holds for floors: a socket and the list of what workers
 * loaded late for each slot, a line for each spare and each worker. */
static size_t
count_floors(const struct fleet *f)
{
	const struct worker_conf *w;
	size_t i, n = 0;

	for (i = 0; i < f->nworkers; i++) {
		w = &f->workers[i];
		n += w->floor != NULL;
		if (w->as_floor != NULL)
			n += 2 + (size_t)w->as_floor->spares;
	}
	return n;
}

/* Streams and rings, sinks of files, and what floors and inputs need. */
static void
check_descriptors(struct load *l, size_t nstreams, size_t nfiles)
{
	size_t need = 2 * nstreams + nfiles + count_floors(l->f) +
	              count_inputs(l->f) + count_channels(l->f) +
	              count_readiness(l->f) + count_sockets(l->f) + FDS_FIXED;
	struct rlimit limit;

	/* A restarted supervisor goes on with what was good enough. */
	if (need == FDS_FIXED || sources_frozen(l->src) ||
	    getrlimit(RLIMIT_NOFILE, &limit) == -1 || need <= limit.rlim_max)
		return;
	diags_add(l->d, 1, l->path, 0,
	    "the streams and floors of this fleet need %zu descriptors, the "
	    "hard limit is %llu",
	    need, (unsigned long long)limit.rlim_max);
}

/* What is captured is counted by positions in memory files, which have no end
 * but this one. */
static void
check_file_size(struct load *l, size_t nstreams)
{
	struct rlimit limit;

	if (nstreams == 0 || sources_frozen(l->src) ||
	    getrlimit(RLIMIT_FSIZE, &limit) == -1 ||
	    limit.rlim_max == RLIM_INFINITY)
		return;
	diags_add(l->d, 1, l->path, 0,
	    "no output can be captured beyond the hard limit on the size of "
	    "files, %llu bytes: it must be unlimited",
	    (unsigned long long)limit.rlim_max);
}

/* All streams of w that svd captures; those of files also come to uses. */
static size_t
add_uses(const struct worker_conf *w, struct use *uses, size_t *nuses)
{
	static const char *const keys[] = {"stdout", "stderr"};
	const struct stream_conf *s;
	size_t n = 0;
	int i;

	for (i = 0; i < OUTPUT_STREAMS; i++) {
		s = worker_output(w, (enum output_stream)i);
		n += s != NULL;
		if (s != NULL && s->kind == STREAM_FILE)
			uses[(*nuses)++] = (struct use){s->path, w, keys[i]};
	}
	return n;
}

int
outputs_check(struct load *l)
{
	size_t nstreams = 0, nuses = 0, nfiles = 0, i;
	struct use *uses;

	uses = calloc(l->f->nworkers * OUTPUT_STREAMS + 1, sizeof(*uses));
	if (uses == NULL) {
		diags_add(l->d, 1, l->path, 0, "out of memory");
		return -1;
	}
	for (i = 0; i < l->f->nworkers; i++)
		nstreams += add_uses(&l->f->workers[i], uses, &nuses);
	qsort(uses, nuses, sizeof(*uses), compare_uses);
	for (i = 0; i < nuses; i++) {
		check_own_log(l, &uses[i]);
		if (i > 0 && strcmp(uses[i - 1].path, uses[i].path) == 0)
			check_pair(l, &uses[i - 1], &uses[i]);
		else
			nfiles++;
	}
	free(uses);
	check_descriptors(l, nstreams, nfiles);
	check_file_size(l, nstreams);
	return 0;
}
