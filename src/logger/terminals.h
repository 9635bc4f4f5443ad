/*
 * terminals: the masters of workers' terminals, held as "tty:ID:GENERATION", or
 * as "rest:..." once their life is over. What is in them is moved into the
 * worker's FIFO, so that from there on it is captured as anybody's output.
 */
#ifndef SVD_LOGGER_TERMINALS_H
#define SVD_LOGGER_TERMINALS_H

#include "logger/context.h"

/* 1: it is one, and taken; 0: it is something else. */
int terminals_handed(struct logger *lg, const char *name, int fd);
/* The stream has a FIFO: they are watched from here on. */
void terminals_join(struct logger *lg, struct stream *s);
/* The stream is no more; whoever has ended with it is dropped. */
void terminals_part(struct logger *lg, struct stream *s);
/* Moves some into the stream's FIFO: older lives first. The bytes. */
size_t terminals_pump(struct logger *lg, struct stream *s);
/* At the start, once all streams are known: what is left is nobody's. */
void terminals_drop_left_over(struct logger *lg);
/* For a copy of main: closes them, as each that is open keeps a terminal. */
void terminals_leave(struct logger *lg);

#endif
