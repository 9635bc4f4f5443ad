/*
 * inherited: the descriptors that svd is started with. Nothing of them is meant
 * for its workers; those that an svd before it has left with systemd
 * (keeper/fdstore.h) come back in LISTEN_FDS, and will be held again.
 */
#ifndef SVD_INHERITED_H
#define SVD_INHERITED_H

#include <stddef.h>

#include "ipc/proto_keeper.h"

struct inherited {
	char name[KEEPER_NAME_MAX + 1];
	int fd; /* O_CLOEXEC */
};

/*
 * Closes all descriptors from 3 on but those; a list of them, allocated, their
 * number in *n. NULL: there are none. What is not of the kind that its name
 * says, or of no name that svd uses, is closed too; of several of one name the
 * first, which is the newest, is taken.
 */
struct inherited *inherited_take(size_t *n);

#endif
