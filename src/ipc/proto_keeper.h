/*
 * proto_keeper: what keeper and supervisor say to each other, one message a
 * packet of their SEQPACKET pair. Little-endian, no raw structs; the fields of
 * each type stand in one table in proto_keeper.c. The version is in HELLO.
 * Allocates nothing: the keeper uses it.
 */
#ifndef SVD_IPC_PROTO_KEEPER_H
#define SVD_IPC_PROTO_KEEPER_H

#include <stddef.h>
#include <stdint.h>

#define KEEPER_PROTO_VERSION 1
#define KEEPER_NAME_MAX 63    /* bytes of a held descriptor's name */
#define KEEPER_TEXT_MAX 16000 /* bytes: 250 names with their NULs */
#define KEEPER_PACKET_MAX (KEEPER_TEXT_MAX + 64)

enum keeper_msg_type {
	/* keeper -> supervisor */
	KM_HELLO = 1, /* version, epoch, life, keeper's pid, how the
	                 predecessor ended, descriptors that follow */
	KM_FD,        /* text: names, each with its NUL; as many descriptors */
	KM_EXIT,      /* pid, code (CLD_*), status, user + system time in us */
	KM_SIGNAL,    /* mask: bit n-1 for signal n; answered by SIGNALLED */
	KM_PING,      /* answered by PONG */
	/* supervisor -> keeper */
	KM_READY,     /* reattached; its births may be read by a successor */
	KM_HOLD,      /* text: a name; one descriptor, replaces the former */
	KM_DROP,      /* text: a name */
	KM_BORN,      /* pid of a worker */
	KM_ACK,       /* pid: its exit is recorded */
	KM_SIGNALLED, /* mask */
	KM_PONG,
	KM_LIMITS,   /* ms: the largest grace; ms: the watchdog, 0 off */
	KM_STOPPING, /* the fleet is going down, in order; code: svd's exit
	                status, the first that is not 0 stays */
	KM_QUIT,     /* the fleet has ended */
	KM_TYPES
};

/* How the predecessor of a supervisor ended, in HELLO's code. */
enum keeper_obituary {
	OBITUARY_NONE, /* there was none */
	OBITUARY_EXITED,
	OBITUARY_SIGNALLED,
	OBITUARY_HUNG /* the keeper ended it */
};

struct keeper_msg {
	enum keeper_msg_type type;
	uint32_t version, life, count;
	int32_t pid, code, status;
	uint64_t epoch, mask, ms, ms2, us;
	const char *text; /* within the packet after decoding */
	size_t text_len;  /* bytes, the last NUL included */
};

/* Length of the packet, 0 where text is too long. */
size_t keeper_msg_encode(
    const struct keeper_msg *m, unsigned char out[KEEPER_PACKET_MAX]);
/* -1: not a message of this version. */
int keeper_msg_decode(
    const unsigned char *packet, size_t len_bytes, struct keeper_msg *m);

#endif
