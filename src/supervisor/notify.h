/*
 * notify: hears what workers say by sd_notify(3) (ipc/notify_text.h). Each has
 * a socket of its own (notify_socket.h), so that the socket says who speaks:
 * whoever may write to it, which are the worker's user and root, speaks for the
 * worker. The keeper holds it as "notify:ID", so that it and what is in it
 * outlives us; a message is looked at, recorded, and only then taken.
 */
#ifndef SVD_SUPERVISOR_NOTIFY_H
#define SVD_SUPERVISOR_NOTIFY_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "supervisor/loop.h"
#include "supervisor/notify_socket.h"

/* Times stop_timeout: then a stop ends that its worker draws out. */
#define NOTIFY_STOP_EXTENSION 10

struct supervisor;
struct worker;

/* Of all workers: one epoll descriptor, which the loop watches. */
struct notify_sockets {
	int listening;
	int epoll;
	struct loop_io io;
	struct loop_timer pause; /* of those that say too much */
};

/* What a worker has of it. */
struct worker_notify {
	int fd;            /* -1: there is none */
	ino_t inode;       /* of its path; 0: not looked at yet */
	int64_t window;    /* in which it has said so much: */
	unsigned int said; /* messages */
	int paused;        /* until the timer */
	int reading;
	int missing; /* none could be made, which was said */
	int warned;  /* of a message that is none */
};

/* What the keeper holds, after the replay. */
void notify_adopt(struct supervisor *s);
/* Makes those that are missing, and hears from here on: once all births of
 * earlier lives are settled, and nobody may take our place. Does nothing
 * before, nor in init mode. */
void notify_listen(struct supervisor *s);
/* The fleet has ended: their names go. */
void notify_finish(struct supervisor *s);

void notify_worker_init(struct worker *w);
void notify_worker_release(struct worker *w);
/* The worker has left the fleet. */
void notify_forget(struct worker *w);
/* Another life is to begin: what was said until now was of the last one. The
 * caller records it. */
void notify_begin(struct worker *w);
/* For a birth: its socket, which is made anew where its path has gone. -1: it
 * can have none, which it needs; *e begins with the stage. Who does not need it
 * goes without. */
int notify_lend(struct worker *w, struct notify_lent *lent, struct err *e);
/* Reads what is there now: its process has ended, or its time is up. */
void notify_read(struct worker *w);

#endif
