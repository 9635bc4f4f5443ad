/*
 * probe: one question to an address, a path or a URL: does somebody answer
 * there? It never blocks, and ends within a bounded time, whatever the other
 * side does. Who that is, it does not ask.
 */
#ifndef SVD_SUPERVISOR_PROBE_H
#define SVD_SUPERVISOR_PROBE_H

#include <sys/types.h>

#include "core/ready.h"
#include "supervisor/loop.h"

#define PROBE_MS 5000
#define PROBE_BUFFER_BYTES 2048 /* of a request, and of what is looked at */

struct probe;

/* It has ended: error says why not, until probe_start() is called again; NULL:
 * it is answered. The owner may be gone afterwards, and p with it. */
typedef void probe_done_fn(struct probe *p, const char *error);

struct probe {
	struct loop *loop;
	struct loop_io io;
	struct loop_timer limit;
	probe_done_fn *done;
	void *arg; /* the owner's */
	int fd;    /* -1: it is not under way */
	enum ready_kind kind;
	int port;
	int place, nplaces; /* which of several places is tried */
	union {
		char host[READY_HOST_SIZE];
		char path[READY_UNIX_PATH_MAX + 1];
	} at;
	int is_v6;
	size_t len, sent; /* of a request */
	char buffer[PROBE_BUFFER_BYTES];
	char error[160]; /* of the first place */
};

void
probe_init(struct probe *p, struct loop *l, probe_done_fn *done, void *arg);
/* Begins, if it is not under way; conf's kind is TCP, UNIX or HTTP. conf is not
 * needed afterwards. done may be called from here. */
void probe_start(struct probe *p, const struct ready_conf *conf);
void probe_stop(struct probe *p);
/* The status in the first len_bytes of an answer, whose interim ones are
 * skipped. 0: more of it is needed; -1: it is no HTTP. */
int probe_http_status(const char *text, size_t len_bytes);

#endif
