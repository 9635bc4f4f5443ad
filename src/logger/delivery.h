/*
 * delivery: one ring on its way to where it belongs, in the writer's process.
 * What all destinations have in common; sink.h and forward.h are the
 * destinations.
 */
#ifndef SVD_LOGGER_DELIVERY_H
#define SVD_LOGGER_DELIVERY_H

#include <stdint.h>

#include "logger/context.h"

struct delivery {
	/* Given, and not written to: they are main's. */
	struct logger *lg;
	const struct ring *r; /* without a path: fd is all there is */
	struct cursor *c;     /* of r */

	/* Ours. */
	int fd;                 /* sink, socket; -1: not open */
	unsigned char begun;    /* where to go on is known */
	unsigned char regular;  /* a file with a position */
	unsigned char line_end; /* what was delivered ends with a newline */
	unsigned char untrimmed;
	char *map;          /* a ring's window, while it is busy, or NULL */
	unsigned int chunk; /* bytes written at once, where looked at */
	uint64_t at;        /* delivered */
	uint64_t file_pos;  /* a regular file's position */
	uint64_t rested;    /* what was there when nothing was to do */
	uint64_t reopened;  /* head's reopen, as far as it is obeyed */
	int64_t retry_at;   /* CLOCK_MONOTONIC ms, 0: at once */
	int64_t rotate_at;  /* a rotation that failed is tried again then */
};

/*
 * Takes it a step further. 1: it got on, 0: there is nothing to do, -1: it
 * failed, which is noted, and will be tried again at retry_at.
 */
typedef int delivery_fn(struct delivery *d);

/* Is something to do, now or later? */
int delivery_is_due(const struct delivery *d);
/* There was nothing to do, as things are. */
void delivery_rests(struct delivery *d);
/* Are the next len bytes the last that there will be? */
int delivery_is_final(const struct delivery *d, size_t len_bytes);
/* Notes what does not work; always -1. */
int delivery_failed(struct delivery *d, enum cursor_trouble what, int errnum);
/* So many bytes more are delivered, and all is well. */
void delivery_done(struct delivery *d, uint64_t bytes);
/* At rest: gives back what was not worth it before. */
void delivery_trim(struct delivery *d);
/* Before and after a call that may stall. */
void delivery_busy(struct delivery *d, int busy);

#endif
