/* procfs: the small texts of /proc, see proc(5). */
#ifndef SVD_BASE_PROCFS_H
#define SVD_BASE_PROCFS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The text of a file, or so much of it as there is room for, NUL-terminated;
 * dir as openat(2) has it. Its length; -1 and errno. */
ssize_t procfs_read(int dir, const char *path, char *text, size_t size);
/* Behind "KEY:" and blanks, of the line that begins so; NULL: there is none. */
const char *procfs_value(const char *text, const char *key);

#endif
