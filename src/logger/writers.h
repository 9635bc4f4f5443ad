/*
 * writers: main's side of the processes that deliver. Each is an immutable
 * copy of main: where its set of rings changes, it is killed and forked anew.
 * None before there is something to do.
 */
#ifndef SVD_LOGGER_WRITERS_H
#define SVD_LOGGER_WRITERS_H

#include "logger/context.h"

/* The one for this ring, by kind and path; NULL: no memory. */
struct writer *writers_find(struct logger *lg, const struct ring *r);
/* What it is to deliver is not what it was. */
void writers_changed(struct logger *lg, struct writer *w);
/* There is more to deliver; it is woken by writers_tend(). */
void writers_touch(struct logger *lg, const struct ring *r);
/* Wakes, kills, starts. Call once a turn. */
void writers_tend(struct logger *lg, int64_t now);
/* A child has ended. 1: it was one of them. */
int writers_reaped(struct logger *lg, pid_t pid, int status, int64_t now);
/* The keeper has answered our PING. */
void writers_pong(struct logger *lg, int64_t now);
/* Does each that runs look at nothing but what is its own now? */
int writers_are_settled(const struct logger *lg);
/* 0: none. */
int64_t writers_deadline(const struct logger *lg);

#endif
