/*
 * fdstore: copies of held descriptors at systemd, which hands them to the next
 * svd: sd_notify(3), FDSTORE. What workers have written, and their terminals,
 * then outlast the keeper, too. Only where a store was promised. Of what is
 * held the vault's table says what goes there.
 */
#ifndef SVD_KEEPER_FDSTORE_H
#define SVD_KEEPER_FDSTORE_H

#include <stdint.h>

#include "ipc/proto_keeper.h"

#define FDSTORE_GONE_MAX 256 /* names that wait to be removed */

struct keeper;

struct fdstore {
	int wanted;
	int owed; /* there may be something held that is not stored */
	char gone[FDSTORE_GONE_MAX][KEEPER_NAME_MAX + 1]; /* before that */
	unsigned int ngone;
	int complained;
	int64_t again_at; /* the socket was full; 0: it was not */
};

/* After notify_init(). size: of the store, as the environment has it in
 * FDSTORE; NULL: it is not set. */
void fdstore_init(struct keeper *k, const char *size);
/* Something else is held. */
void fdstore_changed(struct keeper *k);
/* What is held under that name is about to be dropped or replaced. */
void fdstore_forget(struct keeper *k, const char *name);
/* Stores and removes, as far as the socket takes it. */
void fdstore_flush(struct keeper *k, int64_t now);
/* Is there something that is yet to be removed? What is to be stored would be
 * found again. */
int fdstore_is_due(const struct keeper *k);
/* When it is to be tried again, 0: never. */
int64_t fdstore_deadline(const struct keeper *k);

#endif
