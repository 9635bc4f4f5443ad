/*
 * shared: a ring that several streams end in, as that of a file that several
 * workers write to. It gets whole lines of each. Where there was but a piece of
 * one, because it is longer than its FIFO, or a kill has cut a move short, or
 * nobody shared the ring then, it is `open`: its stream has its turn until its
 * end comes, for a moment. Whose it is stands in the ring's cursor; that it is
 * open, in the ring's last byte: so both are known after a death.
 */
#ifndef SVD_LOGGER_SHARED_H
#define SVD_LOGGER_SHARED_H

#include "logger/context.h"

/* Is it to get whole lines? */
int shared_is(const struct logger *lg, const struct ring *r);
/* One stream more ends in it now. */
void shared_joined(struct logger *lg, struct ring *r, int64_t now);
/* Is it the turn of another than s? */
int shared_waits(const struct logger *lg, const struct stream *s);
/* Is the line that is open in its ring its own? */
int shared_is_open(const struct stream *s);
/* Before anything of s is moved to a ring that may ever be shared. */
void shared_begin(struct stream *s);
/*
 * Moves whole lines of s, or what there is if all is asked for, or if it is
 * more than a FIFO holds. The bytes moved, 0: there is nothing now, -1 and
 * errno.
 */
ssize_t
shared_capture(struct logger *lg, struct stream *s, int all, int64_t now);
/* Nothing more of s will come. */
void shared_ended(struct stream *s);
/* Is its line to be given up? There must have been room for its end. */
int shared_is_late(struct logger *lg, struct ring *r, int64_t now);
/* Others go on; s: whose line it was, NULL: it is gone. */
void shared_give_up(struct ring *r, struct stream *s);

#endif
