/*
 * ring: what was captured of a stream, in memory that the keeper holds. Where
 * the next byte goes stands in its cursor: splice(2) itself writes it there,
 * and it is the number of bytes ever captured; old pages are given back.
 *
 * Of a ring with a window it is that number modulo the window, whose pages are
 * used again and again: to have a page and give it back costs more than to copy
 * it. That leaves little of what is delivered, so it is for those whose past is
 * in a file.
 */
#ifndef SVD_LOGGER_RING_H
#define SVD_LOGGER_RING_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "logger/cursors.h"

/* A ring takes no more while so much, or its log_tail, is not delivered. */
#define RING_MAX (512 * 1024) /* bytes */
/* Who waits for room waits until no more than this is left: not for each
 * little that is delivered. */
#define RING_GO_ON (RING_MAX / 2)

/* For a piece there is room if no more than RING_MAX is not delivered; and so
 * much is kept of what is, for who follows. */
#define RING_PIECE (64 * 1024)
#define RING_KEPT (64 * 1024)
#define RING_WINDOW (RING_MAX + RING_PIECE + RING_KEPT)

/* The bytes ever captured, whatever was noted of it; -1: the cursor contradicts
 * itself. */
int64_t ring_position(const struct cursor *c);
/*
 * Moves what is in the FIFO to the ring, of which cursor and position are in
 * step: the bytes moved, 0: there is nothing now, -1 and errno.
 */
ssize_t ring_capture(struct cursor *c, int fifo, int ring);
/*
 * The same for a ring that several FIFOs end in: no more than whole lines,
 * unless all is asked for, or a line is longer than the FIFO, or than can be
 * looked at. scratch: an empty non-blocking pipe. *is_open: what was moved does
 * not end with a line's end; or, if nothing was, a piece of one is there.
 */
ssize_t ring_capture_lines(struct cursor *c, int fifo, int ring,
    const int scratch[2], int all, int *is_open);
/*
 * Gives back what is delivered and further than keep bytes from the end, if
 * that is `worth` bytes at least: it keeps out who writes to the ring.
 */
void ring_trim(struct cursor *c, int ring, uint64_t keep, uint64_t worth);
#define RING_WORTH_BUSY (64 * 1024)
#define RING_WORTH_AT_REST (8 * 1024)
/* After a restart: gives back what is below low, in case that was not done. */
void ring_trim_again(const struct cursor *c, int ring);
/* Gives back all of a window but for a little. For who writes to it, where all
 * is delivered. */
void ring_empty(struct cursor *c, int ring);
/* Up to size bytes from position at on, none from the end on, fewer than there
 * are at a window's end. -1 and errno. */
ssize_t
ring_read(int ring, uint64_t window, uint64_t at, void *buf, size_t size);

#endif
