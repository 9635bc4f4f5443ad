/*
 * view: what was captured of an output, as `svctl logs` reads it: the ring,
 * and of a file what is on disk already, with its older files. For processes of
 * their own: reading a file may stall.
 */
#ifndef SVD_LOGGER_VIEW_H
#define SVD_LOGGER_VIEW_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "logger/cursors.h"

/* Positions are those of the stream; what a file held before svd wrote to it
 * has negative ones. */
struct view {
	const struct cursor *c;
	int ring;
	const char *path; /* NULL: all there is is in the ring */
	uint64_t tail;    /* of the ring, that is shown at most */
};

int64_t view_end(const struct view *v);
/* The first byte that is still there. *mid_line: a line may be cut there. */
int64_t view_oldest(const struct view *v, int *mid_line);
#define VIEW_BUSY (-2)
#define VIEW_WAIT_MS 1000
/* Up to size bytes from there on; 0: nothing yet, -1: not there any more.
 * VIEW_BUSY: it is, or will be, but its file is being exchanged (rotated, or
 * cannot be opened) for longer than VIEW_WAIT_MS. */
ssize_t view_read(const struct view *v, int64_t at, void *buf, size_t size);
/* The same, but fewer than size only where there are no more, or where what
 * follows is what view_read() would say. */
ssize_t view_read_all(const struct view *v, int64_t at, char *buf, size_t size);
/* The first line that is there as a whole. */
int64_t view_first_line(const struct view *v);
/* Where the last n lines begin, of all or of those before end; end: there are
 * none, or they have been overtaken. */
int64_t view_last_lines(const struct view *v, uint64_t n);
int64_t view_lines_before(const struct view *v, int64_t end, uint64_t n);

#endif
