/*
 * client: one connection of the control socket: bytes in, one call at a time,
 * its answer out. When each of these is done is control.c's to say, which is
 * also the only one to include this.
 */
#ifndef SVD_SUPERVISOR_CLIENT_H
#define SVD_SUPERVISOR_CLIENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "ipc/varlink.h"
#include "supervisor/answer.h"
#include "supervisor/loop.h"
#include "supervisor/peer.h"

struct supervisor;

TAILQ_HEAD(client_queue, client);

/* What clients have in common. */
struct clients {
	struct supervisor *sup;
	int hangups; /* an epoll set of those that wait for an answer; its data
	                is the client */
	struct loop_timer trim;
};

struct client {
	struct clients *common;
	void *control;            /* control.c's own, as all up to turn_link */
	TAILQ_ENTRY(client) link; /* of all */
	int64_t active_at;        /* when it last sent or took a byte */
	struct client_queue *queue; /* it is in, or NULL */
	TAILQ_ENTRY(client) turn_link;
	struct loop_io io; /* control.c's to watch */
	int fd;
	struct peer peer;
	struct varlink_in in;
	int given; /* a descriptor that came with a call, or -1 */
	struct buf out;
	size_t sent;          /* bytes of out */
	int giving;           /* goes with the next bytes, or -1 */
	struct answer *later; /* to its call, not given yet or not to its end */
	int acts;             /* that call does more than look */
	int served;           /* a call before */
};

/* Takes fd. NULL and errno: no memory, or it is no socket of ours. */
struct client *client_new(struct clients *common, int fd, gid_t readers);
void client_free(struct client *cl);

/*
 * Each of these does one bounded thing. -1: the client is gone, or of no more
 * use.
 */
/* Reads what there is, up to a limit. */
int client_read(struct client *cl);
/* Sends what there is to send, as far as it takes that. */
int client_flush(struct client *cl);
/* Serves one call that was read, if a whole one is there. */
int client_serve(struct client *cl);
/* Says one piece of what its answer has to say, if it has. */
int client_answer(struct client *cl);

/* Has it asked for more than a look? That goes before what others look at. */
int client_wants_to_act(struct client *cl);
/* Its answer has something to say, and its client would take it. */
int client_has_answer(const struct client *cl);
/* Nothing comes from it, neither does it wait for us. */
int client_is_idle(const struct client *cl);

#endif
