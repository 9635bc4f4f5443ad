/*
 * source: the files a fleet was loaded from, as they were then.
 *
 * A cache of texts, of failures to read one, and of the results of globs. It
 * can be written to a descriptor and read back "frozen": then it answers only
 * what it was asked before it was written, and never touches the disk.
 */
#ifndef SVD_CONF_SOURCE_H
#define SVD_CONF_SOURCE_H

#include <stddef.h>

#include "base/err.h"

struct sources;

struct sources *sources_new(void); /* empty, reads from disk on demand */
void sources_free(struct sources *s);
/* True for one made by sources_load: nothing is read from disk. */
int sources_frozen(const struct sources *s);
/*
 * The text of path, NUL-terminated, *len_bytes without the NUL; owned by s.
 * Read from disk the first time, unless s is frozen. A directory, a device
 * or a file over CONF_FILE_MAX is an error, as is a FIFO (never waited for).
 * NULL on failure, with errno set as well (ENOENT: no such file). A failure is
 * remembered as a text is: the same call fails in the same way.
 */
const char *sources_get(
    struct sources *s, const char *path, size_t *len_bytes, struct err *e);
/* The paths that a glob pattern matches, sorted; NULL-terminated, owned by s.
 * No match is an empty list. NULL on error. */
char *const *
sources_glob(struct sources *s, const char *pattern, struct err *e);
/* Makes a [worker:GROUP] have numprocs instances, whatever its file says; kept
 * and saved like a file's text. What s, though frozen, does not know is read
 * from disk from here on: a new instance may have files of its own. -1: no
 * memory. */
int sources_scale(struct sources *s, const char *group, int numprocs);
/* 0: what the file says. */
int sources_scaled(const struct sources *s, const char *group);
/* Writes s to fd in place of what it holds; reads it back, frozen. Both leave
 * the file position at the end. fd, a file or a memfd, is borrowed. */
int sources_save(const struct sources *s, int fd, struct err *e);
struct sources *sources_load(int fd, struct err *e);

#endif
