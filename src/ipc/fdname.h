/*
 * fdname: names of held descriptors as systemd takes them (FDNAME in
 * sd_notify(3)): printable ASCII without a colon, which separates them in
 * LISTEN_FDNAMES. Allocates nothing: the keeper uses it.
 */
#ifndef SVD_IPC_FDNAME_H
#define SVD_IPC_FDNAME_H

#include "ipc/proto_keeper.h"

#define FDNAME_SIZE (3 * KEEPER_NAME_MAX + 1)

/* Of a name of KEEPER_NAME_MAX bytes at most: '%' and two hexadecimal digits
 * for what may not stand there. */
void fdname_encode(const char *name, char out[FDNAME_SIZE]);
/* The first len bytes. -1: nothing that fdname_encode() makes. */
int fdname_decode(const char *text, size_t len, char out[KEEPER_NAME_MAX + 1]);

#endif
