/* fleet: see fleet.h. */
#include "core/fleet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const struct {
	int resource;
	const char *name;
} limits[LIMIT_COUNT] = {
    [LIMIT_NOFILE] = {RLIMIT_NOFILE, "nofile"},
    [LIMIT_NPROC] = {RLIMIT_NPROC, "nproc"},
    [LIMIT_CORE] = {RLIMIT_CORE, "core"},
    [LIMIT_AS] = {RLIMIT_AS, "as"},
    [LIMIT_MEMLOCK] = {RLIMIT_MEMLOCK, "memlock"},
};

int
limit_resource(enum limit_id id)
{
	return limits[id].resource;
}

const char *
limit_name(enum limit_id id)
{
	return limits[id].name;
}

const char *
floor_runtime_name(enum floor_runtime runtime)
{
	static const char *const names[] = {
	    [FLOOR_NATIVE] = "native",
	    [FLOOR_PYTHON] = "python",
	    [FLOOR_COMMAND] = "command",
	};

	return names[runtime];
}

const char *
stream_kind_name(enum stream_kind kind)
{
	static const char *const names[] = {
	    [STREAM_NULL] = "null",
	    [STREAM_INHERIT] = "inherit",
	    [STREAM_FILE] = "file",
	    [STREAM_STDOUT] = "stdout",
	    [STREAM_LOG] = "log",
	    [STREAM_SYSLOG] = "syslog",
	    [STREAM_JOURNAL] = "journal",
	    [STREAM_PIPE] = "pipe",
	    [STREAM_STDERR] = "stderr",
	};

	return names[kind];
}

const struct stream_conf *
worker_output(const struct worker_conf *w, enum output_stream stream)
{
	const struct stream_conf *s =
	    stream == OUTPUT_OUT ? &w->std_out : &w->std_err;

	switch (s->kind) {
	case STREAM_FILE:
	case STREAM_LOG:
	case STREAM_SYSLOG:
	case STREAM_JOURNAL:
		return s;
	default:
		return NULL;
	}
}

int
worker_has_input(const struct worker_conf *w)
{
	return w->tty || w->std_in.kind == STREAM_PIPE;
}

static void
words_free(char **words)
{
	size_t i;

	for (i = 0; words != NULL && words[i] != NULL; i++)
		free(words[i]);
	free(words);
}

static void
floor_conf_free(struct floor_conf *f)
{
	if (f == NULL)
		return;
	words_free(f->preload);
	free(f->python);
	words_free(f->path);
	free(f->init);
	free(f);
}

void
worker_conf_release(struct worker_conf *w)
{
	free(w->description);
	free(w->ready.target);
	words_free(w->ready.argv);
	words_free(w->argv);
	free(w->floor);
	free(w->entry);
	words_free(w->args);
	floor_conf_free(w->as_floor);
	free(w->user);
	free(w->group);
	free(w->directory);
	words_free(w->environment);
	free(w->std_in.path);
	free(w->std_out.path);
	free(w->std_err.path);
	words_free(w->stop_command);
}

struct worker_conf *
worker_conf_take(struct worker_conf *w)
{
	struct worker_conf *taken = malloc(sizeof(*taken));

	if (taken == NULL)
		return NULL;
	*taken = *w;
	memset(w, 0, sizeof(*w));
	taken->file = NULL; /* goes with the fleet */
	return taken;
}

void
worker_conf_id(const struct worker_conf *w, char out[WORKER_ID_SIZE])
{
	snprintf(out, WORKER_ID_SIZE, "%s:%d", w->group_name, w->instance);
}

int
worker_id_complete(const char *name, char out[WORKER_ID_SIZE])
{
	const char *instance = strchr(name, ':') == NULL ? ":0" : "";

	return snprintf(out, WORKER_ID_SIZE, "%s%s", name, instance) >=
	               WORKER_ID_SIZE
	           ? -1
	           : 0;
}

void
fleet_release(struct fleet *f)
{
	size_t i;

	for (i = 0; i < f->nworkers; i++)
		worker_conf_release(&f->workers[i]);
	free(f->workers);
	for (i = 0; i < f->nfiles; i++)
		free(f->files[i]);
	free(f->files);
	free(f->runtime_dir);
	free(f->control_group);
	free(f->log.path);
	*f = (struct fleet){0};
}
