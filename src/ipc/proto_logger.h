/*
 * proto_logger: what supervisor and logger say to each other over the pair
 * that the keeper holds for them, one message a packet of a SEQPACKET socket.
 * Either may be of a later life than the message: it is answered twice, or
 * left unanswered, without harm.
 */
#ifndef SVD_IPC_PROTO_LOGGER_H
#define SVD_IPC_PROTO_LOGGER_H

#include <stddef.h>
#include <stdint.h>

#define PL_TEXT_MAX (128 * 1024) /* bytes, without the NUL: 3000 cursors */
#define PL_DATA_MAX (16 * 1024)
#define PL_ATTACH_FDS 3
#define PL_PACKET_MAX (8 + PL_TEXT_MAX + 1 + PL_DATA_MAX)

enum pl_type {
	/* supervisor -> logger */
	PL_HELLO = 1, /* a new supervisor: the logger answers with HERE and all
	                 its problems */
	PL_LOGS,      /* a client's socket, now the logger's; text: the call's
	                 parameters as JSON, and as `table` the number of the
	                 table of outputs that it is meant for; data: what was
	                 read behind the call */
	PL_REOPEN,    /* open files by their names again */
	PL_ATTACH,    /* as LOGS, but with up to PL_ATTACH_FDS descriptors: the
	                 client's socket, where the worker has one its input,
	                 and a pidfd of it */
	/* logger -> supervisor */
	PL_HERE,    /* pid; also said by itself at start */
	PL_CLIENT,  /* a client's socket, its call is answered; data as above */
	PL_PROBLEM, /* text: "out:ID" or "err:ID"; data: what is wrong with that
	               output, none: nothing any more */
	PL_TYPES
};

struct pl_msg {
	enum pl_type type;
	int32_t pid;
	const char *text; /* a string, "" : none; within the packet after
	                     decoding */
	const char *data; /* bytes, not a string */
	size_t data_len;
};

/* Does this type come with a descriptor? (The others come with none.) */
int pl_carries_fd(enum pl_type type);
/* Length of the packet; 0 where text or data are too long. */
size_t pl_encode(const struct pl_msg *m, unsigned char out[PL_PACKET_MAX]);
/* -1: not a message. */
int pl_decode(const unsigned char *packet, size_t len_bytes, struct pl_msg *m);

#endif
