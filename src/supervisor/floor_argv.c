/* floor_argv: see floor_argv.h. */
#include "supervisor/floor_argv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/words.h"

#define SELF "/proc/self/exe"
#define SCRIPT "floor.py"

/* Where our own binary is, without its name. */
static int
own_directory(char out[PATH_MAX], struct err *e)
{
	ssize_t n = readlink(SELF, out, PATH_MAX - 1);

	if (n <= 0)
		return err_sys(e, errno, "cannot read '%s'", SELF);
	out[n] = '\0';
	*strrchr(out, '/') = '\0';
	return 0;
}

/* As it is installed, sbin beside libexec; or as it is built. */
static int
find_script(char out[PATH_MAX], struct err *e)
{
	static const char *const places[] = {"../libexec/svd", "libexec"};
	char dir[PATH_MAX];
	size_t i;

	if (own_directory(dir, e) == -1)
		return -1;
	for (i = 0; i < sizeof(places) / sizeof(*places); i++)
		if (snprintf(out, PATH_MAX, "%s/%s/" SCRIPT, dir, places[i]) <
			PATH_MAX &&
		    access(out, R_OK) == 0)
			return 0;
	return err_set(e,
	    "the Python floor runtime, '%.200s/../libexec/svd/" SCRIPT
	    "', is not there",
	    dir);
}

static int
make_python(struct floor_argv *a, const struct floor_conf *f, struct err *e)
{
	char **v = a->argv, **path;

	if (find_script(a->script, e) == -1)
		return -1;
	*v++ = f->python == NULL ? (char *)"python3" : f->python;
	*v++ = a->script;
	for (path = f->path; path != NULL && *path != NULL; path++) {
		*v++ = (char *)"--path";
		*v++ = *path;
	}
	if (f->init != NULL) {
		*v++ = (char *)"--init";
		*v++ = f->init;
	}
	*v++ = (char *)"--";
	if (f->preload != NULL)
		memcpy(v, f->preload, words_count(f->preload) * sizeof(char *));
	return 0;
}

static void
make_native(struct floor_argv *a, const struct floor_conf *f)
{
	char **v = a->argv;

	a->program = SELF;
	*v++ = (char *)"svd";
	*v++ = (char *)"-P";
	*v++ = (char *)"floor";
	if (f->init != NULL) {
		*v++ = (char *)"--init";
		*v++ = f->init;
	}
	*v++ = (char *)"--";
	if (f->preload != NULL)
		memcpy(v, f->preload, words_count(f->preload) * sizeof(char *));
}

int
floor_argv_make(
    struct floor_argv *a, const struct worker_conf *c, struct err *e)
{
	const struct floor_conf *f = c->as_floor;

	/* What stands beside the words of preload and path: 7 at most. */
	a->argv = calloc(words_count(f->preload) + 2 * words_count(f->path) +
			     words_count(c->argv) + 8,
	    sizeof(char *));
	if (a->argv == NULL)
		return err_sys(e, ENOMEM, "preparing");
	switch (f->runtime) {
	case FLOOR_PYTHON:
		return make_python(a, f, e);
	case FLOOR_NATIVE:
		if (access(SELF, X_OK) == -1)
			return err_sys(e, errno, "cannot run '%s'", SELF);
		make_native(a, f);
		return 0;
	case FLOOR_COMMAND:
		memcpy(a->argv, c->argv, words_count(c->argv) * sizeof(char *));
		return 0;
	}
	return 0;
}

void
floor_argv_release(struct floor_argv *a)
{
	free(a->argv);
	*a = (struct floor_argv){0};
}
