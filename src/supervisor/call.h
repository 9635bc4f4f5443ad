/*
 * call: one call of the control protocol on its way through its verb; what
 * verbs share. A group of verbs is a file verbs_GROUP.c with a table of them,
 * named below and in verbs.c.
 */
#ifndef SVD_SUPERVISOR_CALL_H
#define SVD_SUPERVISOR_CALL_H

#include <sys/types.h>

#include <jansson.h>

#include "base/buf.h"
#include "supervisor/answer.h"
#include "supervisor/outcome.h"
#include "supervisor/peer.h"
#include "supervisor/supervisor.h"
#include "supervisor/verbs.h"

#define FLEET_INTERFACE "org.svd.Fleet"

struct call {
	struct supervisor *sup;
	json_t *parameters; /* checked against the verb's */
	const struct call_extra *extra;
	enum access access; /* the caller's */
	int upgrade;        /* it knows that no message follows the reply */
	int more;           /* it reads more than one reply */
	struct buf *out;
	struct answer *later; /* set: the answer comes from there */
};

struct verb {
	const char *name; /* NULL ends a table */
	enum access needs;
	const char *in, *out;      /* IDL, without the parentheses */
	int (*fn)(struct call *c); /* 0, or -1: no answer can be made */
	const char *help;          /* a comment of the IDL */
};

extern const struct verb verbs_service[]; /* org.varlink.service */
extern const struct verb verbs_show[], verbs_act[], verbs_logs[];
extern const struct verb verbs_conf[], verbs_floors[];
extern const struct verb verbs_channel[], verbs_upgrade[];
/* How many upgrades have succeeded or failed. */
uint32_t upgrades_over(const struct supervisor *s);
extern const struct verb verbs_dump[];
extern const char dump_types[];
extern const struct verb verbs_attach[]; /* called with `upgrade` */

/* What all that is asked of a worker may be told. */
#define CALL_ASKED "timeout: ?float, id: ?int, called: ?int, again: ?bool"
/* Of Ping with the name of a worker. */
int channel_ping(struct call *c);

/* The errors that there are: a call fails with one of these, so none can be
 * sent that the interface does not declare. */
enum call_error {
	ERROR_INTERFACE_NOT_FOUND, /* of org.varlink.service from here on */
	ERROR_METHOD_NOT_FOUND,
	ERROR_METHOD_NOT_IMPLEMENTED,
	ERROR_INVALID_PARAMETER,
	ERROR_EXPECTED_MORE,
	ERROR_NO_SUCH_WORKER, /* of org.svd.Fleet from here on */
	ERROR_NO_SUCH_FLOOR,
	ERROR_PERMISSION_DENIED,
	ERROR_NOT_RUNNING,
	ERROR_REFUSED,
	ERROR_FAILED,
	ERROR_BAD_CONFIGURATION,
	ERROR_WORKER_EXCEPTION,
	ERROR_WORKER_DIED,
	ERROR_TIMED_OUT,
	ERROR_COUNT
};

struct call_error_kind {
	const char *interface, *name;
	const char *key; /* of its one string; NULL: it has none */
	const char *in;  /* IDL, without the parentheses */
	const char *help;
};

extern const struct call_error_kind call_errors[ERROR_COUNT];

/* Each answers the call and returns 0, or -1 without memory. */
int call_reply(struct call *c, json_t *parameters); /* takes the reference */
int call_fail(struct call *c, enum call_error error, const char *value);
/* For an error of other parameters; takes the reference. */
int call_fail_with(struct call *c, enum call_error error, json_t *parameters);
int call_no_memory(struct call *c);
/* The answer comes from a, which is taken. Returns 0. */
int call_answer_later(struct call *c, struct answer *a);

/* What `names` names, as pick.h has it: *pick is a new reference. -1: an error
 * was answered, *rc is of that. */
int call_check_names(struct call *c, json_t **pick, int *rc);
/* The same, but names of floors are taken too. */
int call_check_names_or_floors(struct call *c, json_t **pick, int *rc);
/*
 * All workers that `names` names, or where it is absent or empty, all there
 * are. NULL: an error was answered, *rc is of that; nothing was done yet.
 */
struct outcome *call_pick(struct call *c, enum outcome_kind kind, int *rc);
/* `names` may be absent only where that is no danger. */
int call_names_nobody(const struct call *c);
/* Is something in `since` no cursor of an output? */
int call_bad_cursor(const struct call *c);
/* Answers at once if all of o is settled or `wait` is false, or else later.
 * Takes o. */
int call_answer_outcome(struct call *c, struct outcome *o);

#endif
