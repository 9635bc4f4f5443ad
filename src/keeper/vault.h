/*
 * vault: descriptors that must outlast every supervisor, by name. Static, of
 * fixed size; the keeper owns what is in it.
 */
#ifndef SVD_KEEPER_VAULT_H
#define SVD_KEEPER_VAULT_H

#include <stddef.h>

#include "ipc/proto_keeper.h"

#define VAULT_MAX                                                  \
	32768 /* descriptors; RLIMIT_NOFILE ends earlier as a rule \
	       */

struct vault_entry {
	char name[KEEPER_NAME_MAX + 1];
	int fd;
};

struct vault {
	struct vault_entry entries[VAULT_MAX];
	size_t n;
};

/* Takes fd; what was held under that name is closed. -1 where it is full or
 * the name too long: fd is closed then. */
int vault_hold(struct vault *v, const char *name, int fd);
/* Closes it. -1: there is none of that name. */
int vault_drop(struct vault *v, const char *name);
int vault_get(const struct vault *v, const char *name); /* borrowed; or -1 */
/* Closes each entry whose name starts with prefix and whose socket is at EOF
 * with nothing left to read. */
void vault_drop_drained(struct vault *v, const char *prefix);

#endif
