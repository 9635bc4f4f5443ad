/*
 * fd: descriptors. All of svd's are O_CLOEXEC from birth; 0, 1 and 2 are
 * always open.
 */
#ifndef SVD_BASE_FD_H
#define SVD_BASE_FD_H

#include <stddef.h>

#include "base/err.h"

/* Closes *fd and sets it to -1; nothing if it is -1. Keeps errno. */
void fd_close(int *fd);
/*
 * /dev/null, O_CLOEXEC; without /dev a substitute: a pipe at its end to read
 * from, a socket that refuses, without a SIGPIPE, what is written. flags:
 * O_RDONLY, O_WRONLY or O_RDWR. -1 and errno.
 */
int fd_open_null(int flags);
/* Opens such a one where 0, 1 or 2 is closed. */
int fd_fill_standard(struct err *e);
/* Sets or clears FD_CLOEXEC. -1 and errno on failure. */
int fd_set_cloexec(int fd, int on);
/* Out of the low numbers, to FD_HIGH or above if there is room: what is of one
 * worker is nothing for the children made for others (child.h). fd is taken;
 * the new number, or where there is none the old one. */
#define FD_HIGH 512
int fd_raise(int fd);
/* The other way round: what all children need gets the lowest number that is
 * free, if that is a lower one. */
void fd_lower(int *fd);
/* Writes all of it, over short writes and EINTR. -1 and errno on failure. */
int fd_write_all(int fd, const void *data, size_t len_bytes);
/*
 * Reads from fd's current position to its end into a new NUL-terminated
 * buffer (*len_bytes without the NUL), to be freed by the caller. NULL and
 * errno on failure; EFBIG where there is more than max_bytes.
 */
char *fd_read_all(int fd, size_t max_bytes, size_t *len_bytes);

#endif
