/*
 * notify_socket: where workers' sd_notify(3) messages come in: a datagram
 * socket for each, DIR/notify/ID, mode 0600 within 0711, that of its user.
 */
#ifndef SVD_SUPERVISOR_NOTIFY_SOCKET_H
#define SVD_SUPERVISOR_NOTIFY_SOCKET_H

#include <sys/types.h>

#include "base/err.h"
#include "base/runtime.h"

#define NOTIFY_PATH_SIZE (RUNTIME_SOCKET_MAX + 1)

/* One that a process is told of. */
struct notify_lent {
	char path[NOTIFY_PATH_SIZE]; /* "": there is none */
	uid_t owner;                 /* as it is now */
};

/* Of the worker with this id in runtime directory dir. Where that would be too
 * long for an address, a short name stands for the id: of two ids it may be the
 * same one. */
void
notify_socket_path(const char *dir, const char *id, char out[NOTIFY_PATH_SIZE]);
/* Makes one in place of whatever is there, and dir/notify if need be. Its
 * descriptor; -1: *e begins with the stage of a birth. */
int notify_socket_make(const char *dir, const char *path, struct err *e);
/* What is a socket at path: its inode, and whose it is. 0: there is none. */
ino_t notify_socket_find(const char *path, uid_t *owner);
/* Nobody hears what is sent to them any more: all that are in dir/notify. */
void notify_sockets_remove(const char *dir);

#endif
