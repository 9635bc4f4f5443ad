/*
 * readiness: from the moment that a worker's program runs, or its entry is
 * called, to the one at which it is ready, as its key `ready` says, or
 * start_timeout is over. What it says itself is kept where a successor finds
 * it: the keeper holds the pipe that is its SVD_READY_FD as "ready:ID". What is
 * asked of others is asked again.
 */
#ifndef SVD_SUPERVISOR_READINESS_H
#define SVD_SUPERVISOR_READINESS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct death;
struct supervisor;
struct worker;

/*
 * For a birth, or a START that may be told again: *end is to be the worker's
 * SVD_READY_FD, to be closed; 0: it has none. -1: *e begins with the stage.
 */
int readiness_prepare(struct worker *w, int *end, struct err *e);
/* Its program runs. Where that is all, it is ready; told again, by a successor
 * too, it does no harm. */
void readiness_begin(struct worker *w);
/* It is ready, or to end, or has ended. */
void readiness_end(struct worker *w);
/* Its stanza is another, with a start_timeout that was this before. */
void readiness_take_timeout(struct worker *w, int64_t was);
/* start_timeout is over. */
void readiness_overdue(struct worker *w);
/* What it has said and nobody has read. */
void readiness_listen(struct worker *w);
/* The command that is asked. */
void readiness_command_failed(struct worker *w, const char *fault);
/* 1: w is ready, and is recorded. */
int readiness_command_ended(struct worker *w, const struct death *d);
/* What it waits for, for people: "tcp:127.0.0.1:80: Connection refused". */
const char *readiness_text(const struct worker *w, char *out, size_t size);
/* A successor's, after the replay. */
void readiness_adopt(struct supervisor *s);

#endif
