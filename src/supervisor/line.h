/*
 * line: a process that was forked from a floor, and our end of its socket
 * (ipc/proto_floor.h). Until it is told what to do it is a spare; then it is a
 * worker's, which owns it. The keeper holds the socket as
 * "line:TOKEN:PID:FLOOR:SLOT:GENERATION", so that a successor has all of this.
 */
#ifndef SVD_SUPERVISOR_LINE_H
#define SVD_SUPERVISOR_LINE_H

#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/identity.h"
#include "core/fleet.h"
#include "ipc/proto_keeper.h"
#include "supervisor/loop.h"

struct supervisor;
struct worker;

TAILQ_HEAD(line_list, line);

struct line {
	struct supervisor *sup;
	struct worker *worker;          /* NULL: it is a spare */
	char name[KEEPER_NAME_MAX + 1]; /* in the keeper */
	uint64_t token;
	int slot;            /* of the floor */
	uint64_t generation; /* of the floor */
	int pid;
	struct identity id;
	int fd;
	struct loop_io io;
	TAILQ_ENTRY(line) link; /* of the floor's spares */
};

/* What a held line is called. */
struct line_name {
	uint64_t token, generation;
	int pid, slot;
	char floor[FLEET_NAME_MAX + 1];
};

/* -1: it is not the name of one. */
int line_parse_name(const char *held, struct line_name *n);
/* Takes fd, and has the keeper hold it. NULL: no memory, fd is closed. */
struct line *line_new(struct supervisor *s, const struct line_name *n, int fd);
/* Its process is gone, or shall end by itself, if it was not started. Frees. */
void line_end(struct line *l);
/* A spare: is nobody there any more? */
int line_is_dead(const struct line *l);
/*
 * Tells l's process to be l->worker: what needs privilege is done to it, then
 * START. Told twice, it does no harm. -1: *e begins with the stage.
 */
int line_start(struct line *l, struct err *e);
/* Waits for STARTED from here on. */
void line_watch(struct line *l);
/* Obeys one message of the process. 1: there was one, 0: there is none now, -1:
 * there will be no more. */
int line_read(struct line *l);
/* The process has ended: what it said of that comes to the worker's record. */
void line_finish(struct line *l);

#endif
