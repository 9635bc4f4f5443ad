/*
 * marks: in which order pieces of different outputs were captured, for who
 * reads several of them. A file of a fixed size, written in turn, which the
 * keeper holds; in no process's memory. No byte depends on it, only the order
 * in which lines are shown: of what no mark tells it is not known.
 */
#ifndef SVD_LOGGER_MARKS_H
#define SVD_LOGGER_MARKS_H

#include <stddef.h>
#include <stdint.h>

#include "logger/cursors.h"

#define MARKS_MAX 16384 /* so far back the order is known: 512 KiB */

/* From one output to another. Each is named by its cursor's epoch. */
struct mark {
	uint64_t number;      /* from 1 on, in the order of time */
	uint64_t epoch, from; /* this one, from here on */
	uint64_t to;          /* the one before it, of the last mark, so far */
};

/* For main. */
struct marks {
	int fd; /* -1: there are none */
	struct mark last;
	uint64_t at; /* the last one's output has come so far */
};

/* Goes on behind what is in fd, taken, about outputs in t; or begins there, in
 * an empty one. */
void marks_open(struct marks *m, int fd, const struct cursors *t);
/* So many bytes of it are captured, at its position. Told before that moves
 * on: who sees bytes finds their mark. */
void marks_add(struct marks *m, const struct cursor *c, uint64_t bytes);

/* Whoever reads them while main goes on. */
struct marks_reading {
	int fd;
	uint64_t next; /* begins with 1 */
	/* Epochs, of the outputs that the last one and the one before it began;
	 * 0: not known. */
	uint64_t open, ended;
};

/* The next one, or the oldest that is still there; 0: there is none yet. */
int marks_next(struct marks_reading *r, struct mark *m);

#endif
