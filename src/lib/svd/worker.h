/*
 * svd/worker.h: what a worker of svd may call, libsvdworker; its twin in
 * Python is the module svd. Works for workers of any kind, and does nothing
 * harmful in a process that svd did not start. Example: worker.c beside it in
 * the documentation; svd.worker(3) describes each.
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

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
