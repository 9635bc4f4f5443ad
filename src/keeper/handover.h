/*
 * handover: what a keeper begins with, a table in a memfd whose number is in
 * its argument. The launcher writes a small one, of a few descriptors; a keeper
 * that executes a newer svd, all that must outlive that. Text, a line a fact:
 *
 *	svd-keeper MAJOR.MINOR	the first line
 *	version VERSION		of the svd that wrote it; the launcher does not
 *	KEY NUMBER		a member of struct keeper, see handover.c
 *	held FD LIFE LIFE NAME	a held descriptor, and which life of supervisor
 *				and logger was handed it last
 *	child PID LIFE		an announced one; which life announced it last
 *	exit PID		told to the supervisor, and not acknowledged
 *	end LINES		the last line: how many there are before it
 *
 * A keeper reads its own major version and the one before. Of a newer minor
 * version it skips what it does not know; anything else must be as it is
 * written here. Allocates nothing.
 */
#ifndef SVD_KEEPER_HANDOVER_H
#define SVD_KEEPER_HANDOVER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "keeper/vault.h"

#ifndef HANDOVER_MAJOR /* tests build a next one */
#	define HANDOVER_MAJOR 1
#endif
#define HANDOVER_MINOR 0

struct keeper;

/* One that is being written. */
struct handover {
	int fd;    /* borrowed */
	int error; /* errno of the first failure, 0: none */
	unsigned int lines;
	size_t len;
	char text[4096];
};

void handover_begin(struct handover *t, int fd);
void handover_put(struct handover *t, const char *key, int64_t value);
/* told: by reader; NULL: nobody was. */
void handover_put_held(struct handover *t, const char *name, int fd,
    const uint32_t told[VAULT_READERS]);
/* -1 and errno: some of it could not be written. */
int handover_end(struct handover *t);

/* All of k that outlives it. -1 and errno. */
int handover_write(const struct keeper *k, int fd);
/* Reads one from its beginning into k, which is all zero. Looks at no
 * descriptor but fd, which is borrowed. */
int handover_read(struct keeper *k, int fd, struct err *e);
/* Whether the descriptors that stand in k's table are closed when another
 * program is executed. -1: one of them is not open. */
int handover_set_cloexec(const struct keeper *k, int on);

#endif
