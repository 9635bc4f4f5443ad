/*
 * output: the supervisor's part in what workers write: it makes their FIFOs
 * and has the keeper hold them, writes the table that tells the logger what
 * to do with each, and talks to the logger over the pair that the keeper
 * holds. It never reads what a worker writes, and keeps none of the FIFOs open:
 * each birth copies the supervisor's descriptors.
 */
#ifndef SVD_SUPERVISOR_OUTPUT_H
#define SVD_SUPERVISOR_OUTPUT_H

#include <stddef.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "base/err.h"
#include "core/fleet.h"
#include "ipc/proto_logger.h"
#include "supervisor/fifo.h"
#include "supervisor/loop.h"

struct supervisor;
struct worker;

struct lingering;
TAILQ_HEAD(lingering_list, lingering);

struct output {
	struct supervisor *sup;
	struct fifos fifos;
	int pair;          /* to the logger; -1: there is none */
	pid_t logger;      /* 0: not heard of */
	unsigned int due;  /* messages to be sent once there is room */
	int has_table;     /* the keeper has had one: there is a logger */
	uint64_t table;    /* number of the last one; 0: none was written */
	struct loop_io io; /* of the pair */
	struct loop_timer table_turn;
	struct lingering_list lingering; /* FIFOs of streams that have left */
	struct loop_timer linger_turn;
};

/* What a worker has of it. */
struct worker_output {
	ino_t fifo[OUTPUT_STREAMS];    /* 0: not captured, or not yet made */
	char *problem[OUTPUT_STREAMS]; /* as the logger says; NULL: none */
};

/*
 * Takes what the keeper holds, makes the FIFOs that are missing, and tells the
 * logger. What cannot be made is tried again at the worker's birth. In init
 * mode there is no output.
 */
void output_init(struct supervisor *s);
/* The fleet has ended: the FIFOs' names go. */
void output_finish(struct supervisor *s);

void output_worker_init(struct worker *w);
void output_worker_release(struct worker *w);
/*
 * For a birth: fds[i] is a description of the FIFO of stream i, for the worker
 * alone, to be closed by output_close(); -1 where that is not captured. The
 * keeper holds the FIFO. -1: *e begins with the stage.
 */
int output_open(struct worker *w, int fds[OUTPUT_STREAMS], struct err *e);
void output_close(int fds[OUTPUT_STREAMS]);
/* The worker is no more: its FIFOs go once the logger has emptied them. */
void output_forget(struct worker *w);
/* Some worker's keys of output are not what they were, or a worker came or
 * went: the logger is told from the next turn of the loop. */
void output_changed(struct supervisor *s);

/* The number of the table that says all there is to say now. Whoever is left to
 * the logger is so together with it, as `table`: the table goes another way. */
int64_t output_table(struct supervisor *s);

/* What is wrong with a stream of w, as text, or NULL. */
const char *output_problem(const struct worker *w);
/* Opens the files by their names again: USR1. */
void output_reopen(struct supervisor *s);
/*
 * Leaves a client to the logger, which does what m says: m's type LOGS or
 * ATTACH, the parameters as a JSON text, what was read behind the call. fds are
 * those that go with it, the client's own first; they stay the caller's, who
 * closes them. -1: it cannot be asked now.
 */
int output_send_client(struct supervisor *s, const struct pl_msg *m,
    const int *fds, size_t nfds, struct err *e);

#endif
