/*
 * vault: descriptors that must outlast every supervisor, by name. Static, of
 * fixed size; the keeper owns what is in it.
 */
#ifndef SVD_KEEPER_VAULT_H
#define SVD_KEEPER_VAULT_H

#include <stddef.h>
#include <stdint.h>

#include "ipc/proto_keeper.h"

#define VAULT_MAX                                                  \
	32768 /* descriptors; RLIMIT_NOFILE ends earlier as a rule \
	       */

/* Who may be handed a copy; the names say to whom which is. */
enum vault_reader {
	VAULT_SUPERVISOR,
	VAULT_LOGGER,
	VAULT_FDSTORE, /* systemd's; fdstore.h */
	VAULT_READERS
};

struct vault_entry {
	char name[KEEPER_NAME_MAX + 1];
	int fd;
	uint32_t told[VAULT_READERS]; /* the life of the role that was handed
	                                 it last, 0: none */
};

struct vault {
	struct vault_entry entries[VAULT_MAX];
	size_t n;
};

/* Takes fd; what was held under that name is closed. -1 where it is full or
 * the name too long: fd is closed then. */
int vault_hold(struct vault *v, const char *name, int fd);
/* As it stands in a table: of a name that is not held. -1 where it is full or
 * the name is no name; fd is not looked at. */
int vault_restore(struct vault *v, const char *name, int fd,
    const uint32_t told[VAULT_READERS]);
/* Closes it. -1: there is none of that name. */
int vault_drop(struct vault *v, const char *name);
int vault_get(const struct vault *v, const char *name); /* borrowed; or -1 */
/* Entry *at or the next one that is for this reader and was not handed to this
 * life of it; *at is set behind it. NULL: there is none. */
struct vault_entry *vault_next(
    struct vault *v, enum vault_reader reader, uint32_t life, size_t *at);
int vault_is_for(const char *name, enum vault_reader reader);
/* Notes that this life of the reader has it. */
void vault_tell(
    struct vault *v, const char *name, enum vault_reader reader, uint32_t life);
/* Closes each entry whose name starts with prefix and whose socket is at EOF
 * with nothing left to read. */
void vault_drop_drained(struct vault *v, const char *prefix);

#endif
