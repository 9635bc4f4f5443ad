/*
 * peer: who is at the other end of a control connection, and what he may.
 */
#ifndef SVD_SUPERVISOR_PEER_H
#define SVD_SUPERVISOR_PEER_H

#include <sys/types.h>

/* What somebody may; each may all that those before it may. */
enum access {
	ACCESS_NONE,
	ACCESS_READ, /* but environments are masked */
	ACCESS_ASK,  /* as ACT, too often for the log */
	ACCESS_ACT
};

struct peer {
	uid_t uid;
	enum access access;
};

#define PEER_NO_GROUP ((gid_t)-1)

/* Root and whoever runs svd may act, members of readers may read. -1 and errno:
 * fd is no connected Unix socket. */
int peer_of(int fd, gid_t readers, struct peer *p);
/* The group of that name, or PEER_NO_GROUP; NULL: none is named. */
gid_t peer_find_group(const char *name);

#endif
