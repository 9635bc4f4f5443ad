/*
 * floor_socket: our end of the socket of one process of a floor, from its birth
 * until all that it and its intermediates have said is read. The keeper holds
 * it as "floor:TOKEN:FLOOR:SLOT:GENERATION", and beside it what the floor said
 * when it was loaded ("load:...") and the memory in which its workers note what
 * they load later ("late:...").
 */
#ifndef SVD_SUPERVISOR_FLOOR_SOCKET_H
#define SVD_SUPERVISOR_FLOOR_SOCKET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/err.h"
#include "core/fleet.h"
#include "ipc/proto_keeper.h"
#include "supervisor/loop.h"

struct floor;
struct supervisor;
struct worker;

#define FLOOR_ASKED_MAX 16 /* FORKs under way */

LIST_HEAD(floor_socket_list, floor_socket);

struct floor_socket {
	LIST_ENTRY(floor_socket) link; /* of the floor */
	struct floor *floor;
	uint64_t token; /* of the process's birth: worker_record.line */
	int slot;
	uint64_t generation;
	char suffix[KEEPER_NAME_MAX + 1]; /* of the names in the keeper */
	int fd;
	struct loop_io io;
	struct loop_timer deadline;       /* of the oldest FORK, or its retry */
	uint64_t tokens[FLOOR_ASKED_MAX]; /* of FORKs that are not answered */
	unsigned int asked;               /* so many */
	unsigned int unknown; /* those that a predecessor may have sent */
	int load, late;       /* memfds, -1: not loaded, or none */
	int ended;            /* it is read to its end; its process may live */
};

/* Makes the pair for the birth that w's record intends; the keeper holds our
 * end, *end is the process's, to be closed by the caller. */
int floor_socket_make(struct worker *w, int *end, struct err *e);
/* A successor's: one that the keeper holds. -1: it is not the name of one, or
 * nobody's any more. fd is taken. */
int floor_socket_adopt(struct supervisor *s, const char *held, int fd);
/* Drops and frees it; what it has not said is lost. */
void floor_socket_end(struct floor_socket *fs);
/* Reads all that it says now; at its end, and its process's, it is freed. */
void floor_socket_read(struct floor_socket *fs);
/* The same for the last time before the process is known to have ended; it is
 * kept if an intermediate may still say something. */
void floor_socket_finish(struct floor_socket *fs);
/* One worker more. -1: not now. */
int floor_socket_ask(struct floor_socket *fs);
void floor_socket_retire(struct floor_socket *fs);

#endif
