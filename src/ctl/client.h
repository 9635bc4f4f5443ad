/*
 * client: svctl's side of the control protocol. The supervisor may be killed
 * and replaced at any time while the keeper holds the listening socket: a
 * connection then waits in its queue, and a lost call is sent again.
 */
#ifndef SVD_CTL_CLIENT_H
#define SVD_CTL_CLIENT_H

#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"
#include "ipc/varlink.h"

#define CLIENT_NEVER INT64_MAX /* a deadline that does not come */

struct client {
	const char *path; /* of the socket */
	int fd;           /* -1: not connected */
	int output;   /* -1, or a descriptor: give up once nobody reads it */
	pid_t peer;   /* who holds the listening socket; once connected */
	int repeated; /* its last call was lost on the way once, or oftener */
	struct varlink_in in;
	const struct varlink_rows *rows; /* of replies; NULL: whole trees */
	int giving;                      /* goes with each call, borrowed; -1 */
	int given;                       /* came with a reply, or -1 */
	int takes_value;                 /* of replies: */
	struct buf value;                /* as varlink_take_value() has it */
};

enum client_result {
	CLIENT_REPLY,   /* also one that is a typed error */
	CLIENT_ABSENT,  /* nobody listens */
	CLIENT_DENIED,  /* the socket's mode forbids it */
	CLIENT_TIMEOUT, /* the deadline has come */
	CLIENT_UNREAD,  /* nobody reads our output any more */
	CLIENT_LOST,    /* the connection ended before the reply */
	CLIENT_CONFUSED /* what came is no reply, or no memory */
};

void client_init(struct client *c, const char *path);
void client_close(struct client *c);

/*
 * Deadlines are CLOCK_MONOTONIC milliseconds. Each call says in *e why it did
 * not go well. Parameters are borrowed.
 */
/* Connects if need be, and sends one call. */
enum client_result client_send(struct client *c, const char *method,
    json_t *parameters, int64_t deadline, struct err *e);
/* The same for a call with more than one reply. */
enum client_result client_send_more(struct client *c, const char *method,
    json_t *parameters, int64_t deadline, struct err *e);
/* The same for one after whose reply the connection carries something else. */
enum client_result client_send_upgrade(struct client *c, const char *method,
    json_t *parameters, int64_t deadline, struct err *e);
/* Waits for its reply, or the next of them: a new reference in *reply. May be
 * called again after CLIENT_TIMEOUT. */
enum client_result client_receive(
    struct client *c, int64_t deadline, json_t **reply, struct err *e);
/* Both, again and again while the connection is lost before the reply; from the
 * second time on with the members of again, which may be NULL, too: whether
 * the first was obeyed is not known. */
enum client_result
client_call(struct client *c, const char *method, json_t *parameters,
    json_t *again, int64_t deadline, json_t **reply, struct err *e);
/* A moment, before another attempt. Returns 0 if the deadline comes first. */
int client_pause(int64_t deadline);
/* Waits until whoever held the listening socket at the last connection has
 * ended. CLIENT_ABSENT is success. */
enum client_result
client_wait_gone(struct client *c, int64_t deadline, struct err *e);

#endif
