/*
 * varlink: messages of the control protocol, https://varlink.org.
 *
 * A message is a JSON object and a NUL. Used by both sides; what is here turns
 * bytes into messages and back and never touches a descriptor.
 */
#ifndef SVD_IPC_VARLINK_H
#define SVD_IPC_VARLINK_H

#include <stddef.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"
#include "ipc/json_scan.h"

#define VARLINK_CALL_MAX (1024 * 1024) /* bytes of a call, its NUL included */
#define VARLINK_REPLY_MAX (64 * 1024 * 1024)
#define VARLINK_SERVICE "org.varlink.service"

/* What was received. Zero it to initialise it. */
struct varlink_in {
	struct buf buf;
	size_t scanned; /* bytes known to hold no NUL, so that a message which
	                   comes byte by byte is looked through once */
};

/* Is a whole message there? */
int varlink_pending(struct varlink_in *in);
/* The method that the message at *at calls, with its quotes, if the message is
 * whole and writes that in the ordinary way; *at is behind it then. 0 is where
 * the next one stands. */
struct json_slice varlink_method(struct varlink_in *in, size_t *at);
/*
 * Takes the next message: 1 and a new reference in *msg; 0 if it is not yet
 * whole; -1 if it is over max_bytes, no JSON, or no object. After -1 the stream
 * is of no more use.
 */
int varlink_take(
    struct varlink_in *in, size_t max_bytes, json_t **msg, struct err *e);

/* An array of that key, whose elements are had one by one: a tree of all of a
 * large one takes longer to make than it takes to read them. */
struct varlink_rows {
	const char *key; /* as it stands in JSON */
	void (*take)(void *arg, const json_t *row);
	void *arg;
};

/* The same; in *msg the array is empty. Some may be taken before a failure. */
int varlink_take_rows(struct varlink_in *in, size_t max_bytes,
    const struct varlink_rows *rows, json_t **msg, struct err *e);
/*
 * The same, where the parameters may have a member `value`, of any kind: its
 * text comes into value as it is, and in *msg it is 0. value->len 0: there is
 * none.
 */
int varlink_take_value(struct varlink_in *in, size_t max_bytes,
    struct buf *value, json_t **msg, struct err *e);
void varlink_in_release(struct varlink_in *in);

struct varlink_call {
	const char *method;
	json_t *parameters; /* an object */
	int more, oneway, upgrade;
};

/* Points into msg. -1: it is not a call. */
int varlink_read_call(json_t *msg, struct varlink_call *c, struct err *e);

struct varlink_reply {
	const char *error;  /* NULL: it is none */
	json_t *parameters; /* an object */
	int continues;
};

int varlink_read_reply(json_t *msg, struct varlink_reply *r, struct err *e);

/*
 * These append one message and take over the reference to parameters; NULL
 * stands for what could not be made for want of memory. -1 and out as it was:
 * no memory.
 */
enum {
	VARLINK_MORE = 1,   /* several replies are wanted */
	VARLINK_UPGRADE = 2 /* after the reply there are no messages any more */
};

/* flags: VARLINK_* */
int varlink_write_call(
    struct buf *out, const char *method, json_t *parameters, int flags);
int varlink_write_reply(struct buf *out, json_t *parameters);
/* A reply that others follow. */
int varlink_write_part(struct buf *out, json_t *parameters);
int varlink_write_error(struct buf *out, const char *error, json_t *parameters);

/* Around the members of a reply's parameters that are appended as text, see
 * json_text.h. -1: no memory, out may end anywhere. */
int varlink_begin_reply(struct buf *out);
int varlink_begin_part(struct buf *out);
int varlink_end(struct buf *out);

/* A string of any bytes: those that are not UTF-8 become '?'. NULL or "":
 * JSON's null. */
json_t *varlink_string(const char *text);

#endif
