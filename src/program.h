/*
 * program: the file that svd was started from, where an upgrade will look for
 * a newer one.
 */
#ifndef SVD_PROGRAM_H
#define SVD_PROGRAM_H

#include <limits.h>

/* Its absolute name, to be asked for while the working directory is as it was
 * at the start. -1: it cannot be told. */
int program_find(char path[PATH_MAX]);

#endif
