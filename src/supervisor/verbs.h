/*
 * verbs: what the control protocol can be asked. The tables of verbs are the
 * interface: they find the function, check the parameters, say who may call,
 * and are what GetInterfaceDescription prints.
 */
#ifndef SVD_SUPERVISOR_VERBS_H
#define SVD_SUPERVISOR_VERBS_H

#include <jansson.h>

#include "base/buf.h"

#define VERBS_PROTOCOL 1 /* counts up when a client would have to know */

/* What a call has beside its message. */
struct call_extra {
	struct buf value; /* JSON of its parameter `value`, which the message
	                     has as 0; empty: it has none */
	int *given;       /* a descriptor that came along, or -1; to be taken
	                     by setting it to -1 */
};

/* Does this method, a JSON string with its quotes, do more than look? */
int verbs_act_by(const char *method, size_t len);

struct answer;
struct peer;
struct supervisor;

/*
 * Does what msg, from this peer, asks for. The answer is appended to
 * out; or there is none yet, and it comes from *later, the caller's to free.
 * -1: no answer can be made (no memory); the connection is of no more use.
 */
int verbs_call(struct supervisor *s, const struct peer *peer, json_t *msg,
    const struct call_extra *extra, struct buf *out, struct answer **later);

#endif
