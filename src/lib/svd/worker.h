/*
 * svd/worker.h: what a worker of svd may call, libsvdworker; its twin in
 * Python is the module svd. Works for workers of any kind, and does nothing
 * harmful in a process that svd did not start. Example: worker.c beside it in
 * the documentation; svd.worker(3) describes each. Not for several threads at
 * once, but for svd_ready(), svd_status() and svd_heartbeat().
 */
#ifndef SVD_WORKER_H
#define SVD_WORKER_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* This worker is ready: READY=1 to NOTIFY_SOCKET (sd_notify(3)), a newline to
 * SVD_READY_FD, which is closed then; whichever there is. 1: told; 0: nobody
 * wants to know; -1 and errno. */
int svd_ready(void);
/* One line on what it is doing, for people (STATUS=). As svd_ready(), but it
 * never waits: EAGAIN. */
int svd_status(const char *text);
/* It is alive (WATCHDOG=1). As svd_status(). */
int svd_heartbeat(void);
/* Half of the time within which heartbeats are expected, in ms (from
 * WATCHDOG_USEC, if that is for this process); 0: they are not. */
unsigned int svd_heartbeat_ms(void);

/* Its name, "web:2" (SVD_WORKER), the name of its fleet (SVD_FLEET), its
 * instance number (SVD_INSTANCE) and how often it has been started
 * (SVD_GENERATION); NULL, NULL, -1 and 0 where svd did not start it. */
const char *svd_name(void);
const char *svd_fleet(void);
int svd_instance(void);
unsigned long svd_generation(void);

/* A file of data, to be read only: where its floor has preloaded it by this
 * name, what that has mapped; else it is mapped now, for good. NULL and errno.
 */
const void *svd_data(const char *path, size_t *len_bytes);

/*
 * The worker's channel (channel = rpc): what svctl run, call, store and load
 * ask. A request is done by a handler, in the thread that serves, one after
 * another. What is given and answered is JSON, code or an expression are text.
 */
struct svd_request {
	const char *name;  /* of the method, the key; else "" */
	const char *value; /* with a NUL behind it; "" where there is none */
	size_t value_len;  /* bytes */
	void *arg;         /* the service's */
	void *answer;      /* the library's own */
};

typedef void svd_handler(struct svd_request *q);

struct svd_method {
	const char *name;
	svd_handler *fn;
};

/* Whatever is NULL is refused as an exception; of methods, a row of NULLs is
 * the last. */
struct svd_service {
	const struct svd_method *methods;
	svd_handler *run, *store, *load;
	void *arg;
};

/* Within a handler, once: its answer, JSON of any length, or an exception, a
 * class of Python's for those who use that ("ValueError"). A handler that says
 * neither answers null. -1 and errno: ENOMEM, EALREADY; EMSGSIZE: over 1 GiB,
 * or an exception over 4096 bytes. */
int svd_answer(struct svd_request *q, const char *json, size_t len_bytes);
int svd_raise(struct svd_request *q, const char *type, const char *message);

/* Serves for ever: once the channel has ended it only waits, as a worker goes
 * on without svd. -1 and ENOTCONN: this process has no channel. */
int svd_serve(const struct svd_service *service);
/* The same for a program with a loop of its own: at most one request, not
 * waiting, whenever svd_channel_fd() can be read. 1: there was one, 0: there
 * was none, -1 and EPIPE: the channel has ended, ENOTCONN: there is none. */
int svd_dispatch(const struct svd_service *service);
int svd_channel_fd(void); /* -1: there is none */

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
