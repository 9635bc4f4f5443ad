/*
 * verbs: what the control protocol can be asked. The table in verbs.c is the
 * interface: it finds the function, checks the parameters, says who may call,
 * and is what GetInterfaceDescription prints.
 */
#ifndef SVD_SUPERVISOR_VERBS_H
#define SVD_SUPERVISOR_VERBS_H

#include <sys/types.h>

#include <jansson.h>

#include "base/buf.h"

#define VERBS_INTERFACE "org.svd.Fleet"
#define VERBS_PROTOCOL 1 /* counts up when a client would have to know */

struct outcome;
struct supervisor;

/*
 * Does what msg, from a process of uid, asks for. The answer is appended to
 * out; or there is none yet, and *wait is what has to be settled first, the
 * caller's to keep. -1: no answer can be made (no call, no memory); the
 * connection is of no more use.
 */
int verbs_call(struct supervisor *s, uid_t uid, json_t *msg, struct buf *out,
    struct outcome **wait);
/* The answer once all of o is settled; frees o. -1: no memory. */
int verbs_answer(struct outcome *o, struct buf *out);

#endif
