/*
 * A floor of somebody's own, by libsvdfloor: `floor-client LIBRARY COUNT` loads
 * the library, says that it has COUNT modules, and calls what entries name. The
 * last argument of a worker is what the hooks have counted.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <svd/floor.h>

static char counts[] = "before=0 parent=0 child=0";

static void
before(void)
{
	counts[7]++;
}

static void
parent(void)
{
	counts[16]++;
}

static void
child(void)
{
	counts[24]++;
}

static int
work(void *lib, const struct svd_job *job)
{
	int (*entry)(int argc, char **argv);
	char *argv[16] = {0};
	int i;

	svd_floor_late("client.late");
	if (strcmp(job->entry, "counts") == 0) {
		puts(counts);
		return 0;
	}
	*(void **)&entry = dlsym(lib, job->entry);
	if (entry == NULL || job->argc > 14)
		return 99;
	for (i = 0; i < job->argc; i++)
		argv[i] = job->argv[i];
	return entry(job->argc, argv);
}

int
main(int argc, char **argv)
{
	static const struct svd_floor_hooks hooks = {before, parent, child};
	int n = argc > 2 ? atoi(argv[2]) : 0, i;
	const char **names = calloc((size_t)n + 1, sizeof(*names));
	struct svd_job job;
	char name[64];
	void *lib;

	if (svd_floor_open() == -1) {
		perror("svd_floor_open");
		return 2;
	}
	lib = dlopen(argv[1], RTLD_NOW);
	if (lib == NULL) {
		svd_floor_failed(dlerror(), argv[1], "line 1\nline 2");
		return 1;
	}
	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "module.number.%d", i);
		names[i] = strdup(name);
	}
	if (svd_floor_loaded(5, names, (size_t)n) == -1)
		return 1;
	if (svd_floor_serve(&hooks, &job) == 1)
		i = work(lib, &job);
	else
		i = 0;
	fflush(NULL);
	_exit(i);
}
