/*
 * readers: main's side of the processes that answer `svctl logs` and
 * `svctl attach`, one a call.
 */
#ifndef SVD_LOGGER_READERS_H
#define SVD_LOGGER_READERS_H

#include "ipc/proto_logger.h"
#include "logger/context.h"

/* Starts one for the call in m; fds: what came with it, borrowed, the client's
 * socket first. */
void readers_start(struct logger *lg, const struct pl_msg *m, const int *fds,
    size_t nfds, int64_t now);
/* A child has ended. 1: it was one of them. */
int readers_reaped(struct logger *lg, pid_t pid);
/* A process that somebody is attached to may have ended: it is noted up to
 * where its output goes, before a next one's comes. */
void readers_look(struct logger *lg);
/* The same for a terminal: all that was shown there is in its FIFO. */
void readers_life_over(
    struct logger *lg, const char *id, unsigned long long generation);
/* The fleet has ended: they say what is left to say. */
void readers_finish(struct logger *lg);
/* How many there are. */
size_t readers_count(const struct logger *lg);

#endif
