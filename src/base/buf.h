/*
 * buf: a byte buffer that grows. Zero it to initialise it; data is always
 * NUL-terminated once something was added. A failed call leaves it as it was.
 */
#ifndef SVD_BASE_BUF_H
#define SVD_BASE_BUF_H

#include <stddef.h>

struct buf {
	char *data;
	size_t len; /* bytes, without the NUL */
	size_t cap;
};

/* All return -1 when there is no memory, else 0. */
int buf_add(struct buf *b, const void *data, size_t len_bytes);
int buf_adds(struct buf *b, const char *text);
int buf_addf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Room for len_bytes more behind data + len; the caller then adds to len. */
int buf_reserve(struct buf *b, size_t len_bytes);
/* Drops the first len_bytes. */
void buf_consume(struct buf *b, size_t len_bytes);
void buf_release(struct buf *b);

#endif
