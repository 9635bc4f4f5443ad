/*
 * proto_attach: what goes over a connection whose call of Attach was answered:
 * frames, both ways. A frame is its type (1 byte), 0, the length of its data (2
 * bytes, little-endian), and the data.
 */
#ifndef SVD_IPC_PROTO_ATTACH_H
#define SVD_IPC_PROTO_ATTACH_H

#include <stddef.h>

#include "base/buf.h"

#define ATTACH_HEAD_BYTES 4
#define ATTACH_DATA_MAX 65535
#define ATTACH_WINDOW_BYTES 4
#define ATTACH_TAKEN_BYTES 2
#define ATTACH_CHUNK 16384 /* bytes of output or input in a frame */

enum attach_type {
	/* client -> svd */
	ATTACH_INPUT = 'i',  /* bytes for the worker */
	ATTACH_WINDOW = 'w', /* of its terminal: rows, columns, 2 bytes each */
	/* svd -> client */
	ATTACH_STDOUT = 'o', /* the cursor behind them, a NUL, bytes */
	ATTACH_STDERR = 'r', /* the same */
	ATTACH_GAP = 'g',    /* some before what follows is not kept any more */
	ATTACH_TAKEN = 'a',  /* so many bytes (2) of input went to the worker */
	ATTACH_ENDED = 'x'   /* the worker's process has ended; all that it has
	                        written was sent, and nothing follows */
};

struct attach_frame {
	enum attach_type type;
	const char *data; /* within what it was taken from */
	size_t len;
};

/* Appends a frame with so many bytes of data, at most ATTACH_DATA_MAX. -1: no
 * memory, nothing was appended. */
int attach_put(
    struct buf *out, enum attach_type type, const void *data, size_t len);
/* An 'o' or 'r' of at most ATTACH_CHUNK bytes. */
int attach_put_output(struct buf *out, enum attach_type type,
    const char *cursor, const void *data, size_t len);
/* Two numbers of two bytes. */
int attach_put_window(struct buf *out, unsigned int rows, unsigned int columns);
/* The first frame of what was received: how many bytes it takes, 0: it is not
 * whole yet, -1: it is none. */
long attach_take(const char *in, size_t len, struct attach_frame *f);
/* The n-th number of two bytes in a frame; 0 where it is not there. */
unsigned int attach_number(const struct attach_frame *f, size_t n);

#endif
