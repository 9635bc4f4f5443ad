/*
 * floor_argv: the command line of a floor's process.
 */
#ifndef SVD_SUPERVISOR_FLOOR_ARGV_H
#define SVD_SUPERVISOR_FLOOR_ARGV_H

#include <limits.h>

#include "base/err.h"
#include "core/fleet.h"

/* Zero it to initialise it. */
struct floor_argv {
	const char *program; /* NULL: argv[0], along PATH */
	char **argv;
	char script[PATH_MAX];
};

/* -1: no memory, or the runtime is not installed. Either way to be released. */
int floor_argv_make(
    struct floor_argv *a, const struct worker_conf *c, struct err *e);
void floor_argv_release(struct floor_argv *a);

#endif
