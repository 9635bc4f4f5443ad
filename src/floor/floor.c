/* floor: see floor.h. */
#include "floor/floor.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/err.h"
#include "base/sys.h"
#include "floor/preload.h"
#include "lib/svd/floor.h"

/* As svd's own; no entry is a command that was not found, for shells. */
#define STATUS_FAILED 1
#define STATUS_USAGE 2
#define STATUS_NO_ENTRY 127

struct floor {
	pid_t pid;
	const char *init; /* or NULL */
	char **names;
	size_t nnames;
	struct preload preload;
};

static int
parse(struct floor *f, int argc, char **argv)
{
	static const struct option longs[] = {
	    {.name = "init", .has_arg = required_argument, .val = 'i'}, {0}};
	int c;

	while ((c = getopt_long(argc, argv, "+", longs, NULL)) != -1)
		if (c == 'i')
			f->init = optarg;
		else
			return -1;
	f->names = argv + optind;
	f->nnames = (size_t)(argc - optind);
	return 0;
}

/* Where `init` fails there is no module to blame. */
static int
run_init(const struct floor *f, struct err *e)
{
	int (*init)(void);
	int rc;

	if (f->init == NULL)
		return 0;
	*(void **)&init = preload_symbol(&f->preload, f->init);
	if (init == NULL)
		return err_set(
		    e, "init '%s': nothing that is preloaded has it", f->init);
	rc = init();
	return rc == 0 ? 0 : err_set(e, "init '%s' returned %d", f->init, rc);
}

/* It cannot be told to svd, only to who reads the log. */
static void
give_up(const struct floor *f)
{
	if (getpid() != f->pid)
		fprintf(stderr, "svd: floor: what was loaded has forked a "
				"child that came back\n");
	else
		fprintf(stderr,
		    "svd: floor: svd cannot be reached: %s: has what was "
		    "loaded closed what is not its own?\n",
		    strerror(errno));
}

static int
load(struct floor *f)
{
	int64_t begin = sys_now_ms();
	const char *module = NULL;
	size_t which;
	struct err e;
	int rc;

	rc = preload_all(&f->preload, f->names, f->nnames, &which, &e);
	if (rc == -1 && which < f->nnames)
		module = f->names[which];
	if (rc == 0)
		rc = run_init(f, &e);
	if (rc == -1)
		rc = svd_floor_failed(e.text, module, NULL);
	else if (svd_floor_loaded((unsigned int)(sys_now_ms() - begin),
		     (const char *const *)f->names, f->nnames) == 0)
		return 0;
	else
		rc = errno == EINVAL ? 0 : -1; /* it has said why */
	if (rc == -1)
		give_up(f);
	return -1;
}

/* The first that is registered by a worker, so it is called behind all others
 * of its own, and before those of its floor, which are not run. */
static void
leave(int status, void *unused)
{
	(void)unused;
	fflush(NULL);
	_exit(status);
}

static _Noreturn void
run(const struct floor *f, const struct svd_job *job)
{
	int (*entry)(int argc, char **argv), is_late;
	char text[sizeof(struct err)];
	struct err e;

	if (on_exit(leave, NULL) != 0)
		_exit(STATUS_FAILED);
	*(void **)&entry = preload_entry(&f->preload, job->entry, &is_late, &e);
	if (entry == NULL) {
		snprintf(text, sizeof(text), "entry '%.80s': %.200s",
		    job->entry, e.text);
		fprintf(stderr, "%s\n", text);
		svd_floor_exception(text, NULL);
		exit(STATUS_NO_ENTRY);
	}
	if (is_late)
		svd_floor_late(job->entry);
	exit(entry(job->argc, job->argv));
}

int
floor_main(int argc, char **argv)
{
	static struct floor f; /* its workers need it, too */
	struct svd_job job;
	int rc;

	if (parse(&f, argc, argv) == -1)
		return STATUS_USAGE;
	if (svd_floor_open() == -1) {
		fprintf(stderr, "svd: a floor is started by svd: %s\n",
		    strerror(errno));
		return STATUS_USAGE;
	}
	f.pid = getpid();
	prctl(PR_SET_NAME, "svd: floor");
	if (load(&f) == -1)
		return STATUS_FAILED;
	rc = svd_floor_serve(NULL, &job);
	if (rc == 1)
		run(&f, &job);
	if (rc == -1)
		give_up(&f);
	return rc == 0 ? 0 : STATUS_FAILED;
}
