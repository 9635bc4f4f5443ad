/*
 * notify: what the keeper tells systemd, or whoever else has set NOTIFY_SOCKET:
 * the protocol of sd_notify(3). Only the keeper speaks, as it is the process
 * that was started. What is to be said is kept as flags and one text, not as a
 * queue: where the socket is full it waits, and what is newer takes its place.
 * Never blocks; that nobody listens is no error.
 */
#ifndef SVD_KEEPER_NOTIFY_H
#define SVD_KEEPER_NOTIFY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define NOTIFY_STATUS_MAX 255 /* bytes of a status */
#define NOTIFY_AGAIN_MS 100   /* a full socket is tried again */

struct keeper;

struct notify {
	struct sockaddr_un to;
	socklen_t to_len; /* 0: nobody wants to know */
	int fd;
	int64_t watchdog; /* ms that it may hear nothing of us, 0: any time */
	unsigned int due; /* what is to be said */
	unsigned int stop_told; /* the phase of the stop */
	char status[NOTIFY_STATUS_MAX + 1];
	int64_t again_at; /* the socket was full; 0: it was not */
	int complained;
};

/* As the environment has them: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID, each
 * may be NULL. What is not understood counts as not set. */
void notify_init(struct notify *n, const char *socket_name,
    const char *watchdog_usec, const char *watchdog_pid);
/* Does anybody want to know? */
int notify_is_heard(const struct notify *n);
/* Sends these lines at once, with fd (borrowed) or -1. -1: the socket is full;
 * who could not be reached counts as told. */
int notify_send(struct notify *n, const char *text, int fd);
/* What the supervisor says: an enum keeper_notify, and the line of text. */
void notify_hear(struct keeper *k, int32_t state, const char *status);
/* The supervisor has answered. */
void notify_alive(struct keeper *k);
/* Says what is to be said, as far as the socket takes it. */
void notify_flush(struct keeper *k, int64_t now);
/* Is there something that it did not take? */
int notify_is_due(const struct keeper *k);
/* When it is to be tried again, 0: never. */
int64_t notify_deadline(const struct keeper *k);

#endif
