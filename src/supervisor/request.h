/*
 * request: what is asked of a worker by its channel, from a call of the control
 * protocol to one of the ends that there are: a result, an exception, the
 * time's, the worker's, or the channel's.
 *
 * Whoever asks names each request by a number of its own, so that it can ask
 * again when a supervisor is killed: the worker does nothing twice, and an
 * answer that the next supervisor finds is kept a while (unclaimed.h).
 */
#ifndef SVD_SUPERVISOR_REQUEST_H
#define SVD_SUPERVISOR_REQUEST_H

#include <stdint.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "base/err.h"
#include "core/record.h"
#include "ipc/frame.h"
#include "supervisor/loop.h"
#include "supervisor/unclaimed.h"

struct channel;
struct request;
struct supervisor;
struct worker;

enum request_state {
	REQUEST_NEW,
	REQUEST_WAITS, /* for room in the socket */
	REQUEST_SENT,
	/* From here on it has come to its end. */
	REQUEST_RESULT,    /* .answer, or .memfd where that is not -1 */
	REQUEST_EXCEPTION, /* .answer */
	REQUEST_TIMED_OUT,
	REQUEST_DIED,  /* .death */
	REQUEST_FAILED /* .reason */
};

/* now: not in the midst of a worker's step. May free r. */
typedef void request_done_fn(struct request *r, int now);

struct request {
	TAILQ_ENTRY(request) link;
	struct requests *among; /* or NULL */
	enum request_state state;
	uint64_t id;
	struct buf packet; /* to be sent, with */
	int given;         /* a memfd, or -1 */
	struct buf answer;
	int memfd;
	struct death death;
	char reason[ERR_TEXT_MAX];
	struct loop_timer deadline;
	request_done_fn *done;
};

TAILQ_HEAD(request_list, request);

/* The last one, for people: also once it has come to its end. */
struct request_last {
	enum frame_type type; /* 0: there was none */
	char name[48];        /* of what was asked, or as much as fits */
	uint64_t id;
	int64_t at, deadline; /* 0: none */
	int64_t ended_at;     /* 0: it waits for its answer */
	enum request_state state;
};

/* Of one channel. */
struct requests {
	struct channel *channel;
	struct request_list list; /* in the order they were asked in */
	struct unclaimed_answers unclaimed;
	int unasked; /* answers that nobody has asked for */
	struct request_last last;
};

void request_init(struct request *r, struct supervisor *s, uint64_t id,
    request_done_fn *done);
void request_release(struct request *r);
/* Asks w, which has a channel, as f says; its value may be in r->given.
 * timeout_ms: 0 for none. r->done may be called at once. */
void request_ask(
    struct request *r, struct worker *w, struct frame *f, int64_t timeout_ms);
void request_end(struct request *r, enum request_state state, int now);

/* For people: which was the last, and what has become of it; and how many wait
 * for their answer. Returns out. */
const char *
requests_text(const struct requests *q, int64_t now, char *out, size_t size);

/* For channel.c. */
void requests_init(struct requests *q, struct channel *c);
void requests_release(struct requests *q);
/* Sends what waits, as long as there is room. -1: nobody is there. */
int requests_send(struct requests *q);
void requests_fail(struct requests *q, const char *why, int now);
void requests_died(struct requests *q, const struct death *d);
/* What came, of a request. NULL, or what is wrong with it. *fd: set to -1 if it
 * is taken. */
const char *
request_answered(struct requests *q, const struct frame *f, int *fd, int now);

#endif
