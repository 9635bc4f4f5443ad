/* fleet: see fleet.h. */
#include "core/fleet.h"

#include <stdlib.h>
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

static void
words_free(char **words)
{
	size_t i;

	for (i = 0; words != NULL && words[i] != NULL; i++)
		free(words[i]);
	free(words);
}

void
worker_conf_release(struct worker_conf *w)
{
	free(w->description);
	words_free(w->argv);
	free(w->user);
	free(w->group);
	free(w->directory);
	words_free(w->environment);
	free(w->std_in.path);
	free(w->std_out.path);
	free(w->std_err.path);
	words_free(w->stop_command);
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
	*f = (struct fleet){0};
}
