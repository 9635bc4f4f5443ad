/* peer: see peer.h. The credentials are those of the time of the connect. */
#include "supervisor/peer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/group.h"
#include "base/log.h"

#ifndef SO_PEERGROUPS
#	define SO_PEERGROUPS 59 /* Linux 4.13 */
#endif

/* The kernel says how much room it wants. NULL: none, or no memory. */
static gid_t *
groups_of(int fd, size_t *n)
{
	socklen_t len = 0;
	gid_t *groups;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) == 0 ||
	    errno != ERANGE || (groups = malloc(len)) == NULL)
		return NULL;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == -1) {
		free(groups);
		return NULL;
	}
	*n = len / sizeof(*groups);
	return groups;
}

static int
has_group(int fd, gid_t gid)
{
	gid_t *groups;
	size_t i, n = 0;
	int found = 0;

	groups = groups_of(fd, &n);
	for (i = 0; i < n; i++)
		found |= groups[i] == gid;
	free(groups);
	return found;
}

int
peer_of(int fd, gid_t readers, struct peer *p)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1)
		return -1;
	p->uid = cred.uid;
	p->access = ACCESS_NONE;
	if (cred.uid == 0 || cred.uid == geteuid())
		p->access = ACCESS_ACT;
	else if (readers != PEER_NO_GROUP &&
		 (cred.gid == readers || has_group(fd, readers)))
		p->access = ACCESS_READ;
	return 0;
}

/* A group that is gone since the start has no members. */
gid_t
peer_find_group(const char *name)
{
	gid_t gid;

	if (name == NULL)
		return PEER_NO_GROUP;
	if (group_find(name, &gid) == 0)
		return gid;
	log_warn("control_group: unknown group '%s'", name);
	return PEER_NO_GROUP;
}
