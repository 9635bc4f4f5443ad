/*
 * streams: the FIFOs that workers write to, and the pipe of svd's own log; what
 * is in them is moved into rings.
 */
#ifndef SVD_LOGGER_STREAMS_H
#define SVD_LOGGER_STREAMS_H

#include "logger/context.h"

/* A descriptor that the keeper holds is here; taken. */
void streams_handed(struct logger *lg, const char *name, int fd);
/* The one of that key, there already or new. NULL: no memory, which is
 * logged. */
struct stream *streams_get(struct logger *lg, const char *key);
/* From now on it ends in r. */
void streams_direct(
    struct logger *lg, struct stream *s, struct ring *r, int64_t now);
/* epoll says that there is something in it. */
void streams_ready(struct logger *lg, struct stream *s);
/* Moves some of what there is. 1: there may be more. */
int streams_turn(struct logger *lg, int64_t now);
/* Is there room for one that waits? */
int streams_can_go_on(const struct logger *lg);
/* A FIFO that holds a piece of a line was written to. */
void streams_look_at_pieces(struct logger *lg);
/* Moves some of every stream, whether epoll has said so or not. */
void streams_look_at_all(struct logger *lg, int64_t now);
/* For a copy of main that has nothing to do with them: gives back their memory,
 * of which it would soon be the only owner. */
void streams_leave(struct logger *lg);
/* Lines that others wait for, and whose end does not come, are left as they
 * are. */
void streams_end_lines(struct logger *lg, int64_t now);
/* At the end: what is there by now, and no more, is to be moved ... */
void streams_begin_to_drain(struct logger *lg);
/* ... full rings or not; of those that cannot grow as far as there is room. 1:
 * it has been. */
int streams_drain(struct logger *lg, int64_t now);

#endif
