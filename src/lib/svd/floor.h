/*
 * svd/floor.h: the floor runtime, libsvdfloor. For whoever writes a floor, a
 * process that loads once and then forks a worker whenever svd asks for one.
 * What it speaks to svd is described in svd-floors(7).
 *
 * In order: svd_floor_open() before anything is loaded; svd_floor_loaded() or
 * svd_floor_failed() once; svd_floor_serve(), which returns in each worker.
 * Not for use by several threads. All return -1 with errno set on failure:
 * ENOTCONN in the children of the process that is spoken of, which svd is not
 * to hear of.
 */
#ifndef SVD_FLOOR_H
#define SVD_FLOOR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* What a language's own fork has done beside fork(): before it, then in the
 * floor and in the worker. As PyOS_BeforeFork() and its kind. Each may be
 * NULL. Signals are blocked around all of them. */
struct svd_floor_hooks {
	void (*before)(void);
	void (*parent)(void);
	void (*child)(void);
};

/* What svd wants of a worker; for the worker's life. */
struct svd_job {
	const char *name; /* "web:2" */
	int instance;     /* 2 */
	const char *entry;
	int argc;    /* of argv */
	char **argv; /* argv[0] is the entry; ends with NULL */
	char **envp; /* K=V; is environ already; ends with NULL */
};

/* Finds svd by the environment variable SVD_FLOOR_FD, which is removed, and
 * remembers the dispositions of signals as they are now. ENOENT: there is none:
 * this process was not started by svd. */
int svd_floor_open(void);
/* Loaded: modules (n names, for people) in so many ms. Refused (EINVAL), which
 * svd is told of, where what was loaded made this process a child subreaper:
 * svd would not become its workers' parent. The caller then exits. */
int svd_floor_loaded(unsigned int ms, const char *const *modules, size_t n);
/* Could not be loaded: one line, the module or NULL, a traceback or NULL. The
 * caller then exits. */
int
svd_floor_failed(const char *what, const char *module, const char *traceback);
/*
 * Forks a worker for each request. 1: this is a worker, set up as one that
 * was executed is (session, streams, user, directory, environment, default
 * signal dispositions as at svd_floor_open(), empty mask); *job says what it is
 * to do, and it must not return into the floor's own code. 0: the floor, which
 * is no longer needed and exits. hooks may be NULL.
 */
int svd_floor_serve(const struct svd_floor_hooks *hooks, struct svd_job *job);

/* In a worker: what it is about to end of, for `svctl why`; traceback may be
 * NULL. Never blocks. ENOTCONN: this is no worker, but perhaps its child. */
int svd_floor_exception(const char *what, const char *traceback);
/* In a worker: it has loaded what was not on its floor. */
void svd_floor_late(const char *module);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
