/*
 * mounts: on which file system a path is, found without asking the file system
 * itself, which may stall.
 */
#ifndef SVD_LOGGER_MOUNTS_H
#define SVD_LOGGER_MOUNTS_H

#include <stddef.h>

/* The mount point that path lies under, "/" where that is not known. */
void mounts_find(const char *path, char *out, size_t size);
/* The same, of the text of a mountinfo. */
void mounts_find_in(const char *text, const char *path, char *out, size_t size);

#endif
