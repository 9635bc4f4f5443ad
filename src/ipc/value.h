/*
 * value: what is too long for a packet or a message, in a memfd that is sealed,
 * so that it can be read without a surprise by whoever it is passed to.
 */
#ifndef SVD_IPC_VALUE_H
#define SVD_IPC_VALUE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* -1: fd is no memfd, or somebody could still change it. */
int64_t value_size(int fd);
/* A new one. -1 and *e. */
int value_make(const char *text, size_t len, struct err *e);
/* Appends all of it. -1: it is over max bytes, or no memory. */
int value_read(int fd, size_t max, struct buf *out, struct err *e);

#endif
