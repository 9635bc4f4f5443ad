/*
 * frame: what svd and a worker say to each other over the worker's channel, one
 * frame a packet of a SEQPACKET socket, svd-channel(7). A packet is sent and
 * received whole, so that a supervisor that is killed leaves no half of one. A
 * value that is too long for a packet stands in a sealed memfd that comes
 * along.
 *
 * A frame is a head, a name and a value, unless that is in the memfd. All in
 * the header, as it is linked into other people's programs too.
 */
#ifndef SVD_IPC_FRAME_H
#define SVD_IPC_FRAME_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ipc/le.h"

#define FRAME_MAGIC 0x01435653 /* "SVC", and the version, 1 */
#define FRAME_HEAD_BYTES 36
#define FRAME_NAME_MAX 1024
#define FRAME_INLINE_MAX 65536    /* bytes of a value in the packet */
#define FRAME_VALUE_MAX (1 << 30) /* in a memfd */
#define FRAME_PACKET_MAX (FRAME_HEAD_BYTES + FRAME_NAME_MAX + FRAME_INLINE_MAX)
#define FRAME_ENV "SVD_CHANNEL_FD"

enum frame_type {
	/* svd -> worker: requests */
	FRAME_RUN = 1, /* value: code */
	FRAME_CALL,    /* name: of a method; value: its parameters, JSON */
	FRAME_STORE,   /* name: a key; value: JSON */
	FRAME_LOAD,    /* value: an expression */
	FRAME_PING,
	/* worker -> svd */
	FRAME_IMPORTED = 16, /* its code is loaded */
	FRAME_LOOP,          /* it takes requests */
	FRAME_RESULT,        /* value: JSON */
	FRAME_EXCEPTION,     /* value: JSON, never in a memfd */
	FRAME_ANSWERED       /* that request has had its answer before */
};

enum {
	FRAME_IN_MEMFD = 1 /* a flag: the value is there */
};

struct frame {
	enum frame_type type;
	unsigned int flags;
	uint64_t id;          /* of a request, and of what answers it */
	uint64_t deadline_ms; /* CLOCK_MONOTONIC, 0: none; it need not be
	                         begun later */
	const char *name;     /* not NUL-terminated */
	const char *value;    /* NULL where it is in the memfd */
	size_t name_len, value_len;
};

static inline void
frame_put_head(const struct frame *f, unsigned char out[FRAME_HEAD_BYTES])
{
	le_put(out, FRAME_MAGIC, 4);
	out[4] = (unsigned char)f->type;
	out[5] = (unsigned char)f->flags;
	le_put(out + 6, 0, 2);
	le_put(out + 8, f->id, 8);
	le_put(out + 16, f->deadline_ms, 8);
	le_put(out + 24, f->name_len, 4);
	le_put(out + 28, f->value_len, 8);
}

/* One whole packet and the number of descriptors with it. What is wrong with
 * it, for people; NULL: *f is right, and points into it. Types are the
 * reader's business. */
static inline const char *
frame_parse(
    const unsigned char *packet, size_t len, size_t nfds, struct frame *f)
{
	uint64_t name, value;

	if (len < FRAME_HEAD_BYTES)
		return "a torn frame";
	if (le_get(packet, 4) != FRAME_MAGIC || le_get(packet + 6, 2) != 0 ||
	    packet[5] > FRAME_IN_MEMFD)
		return "an alien frame";
	name = le_get(packet + 24, 4);
	value = le_get(packet + 28, 8);
	if (name > FRAME_NAME_MAX || value > FRAME_VALUE_MAX)
		return "a frame that is too long";
	if (nfds != (size_t)packet[5])
		return "a frame with descriptors that do not belong to it";
	if (len - FRAME_HEAD_BYTES != name + (nfds > 0 ? 0 : value))
		return "a torn frame";
	*f = (struct frame){.type = (enum frame_type)packet[4],
	    .flags = packet[5],
	    .id = le_get(packet + 8, 8),
	    .deadline_ms = le_get(packet + 16, 8),
	    .name = (const char *)packet + FRAME_HEAD_BYTES,
	    .name_len = (size_t)name,
	    .value_len = (size_t)value};
	if (nfds == 0)
		f->value = f->name + name;
	return NULL;
}

#endif
