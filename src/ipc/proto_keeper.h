/*
 * proto_keeper: what the keeper and its roles, supervisor and logger, say to
 * each other, one message a packet of a SEQPACKET pair. Little-endian, no raw
 * structs; the fields of each type stand in one table in proto_keeper.c. The
 * version is in HELLO. Allocates nothing: the keeper uses it.
 */
#ifndef SVD_IPC_PROTO_KEEPER_H
#define SVD_IPC_PROTO_KEEPER_H

#include <stddef.h>
#include <stdint.h>

#ifndef KEEPER_PROTO_VERSION /* tests build a next one */
#	define KEEPER_PROTO_VERSION 1
#endif
#define KEEPER_NAME_MAX 95    /* bytes of a held descriptor's name */
#define KEEPER_TEXT_MAX 24000 /* bytes: 250 names with their NULs */
#define KEEPER_PACKET_MAX (KEEPER_TEXT_MAX + 64)
#define KEEPER_PIDS_MAX 32 /* in one message */
#define KEEPER_LOOK_MS                                                        \
	2000                /* that a KILL waits behind its grace, so that it \
	                       be seen why */
#define KEEPER_EXITS_MAX 32 /* told and not acknowledged */

enum keeper_msg_type {
	/* keeper -> either */
	KM_HELLO = 1, /* version, epoch, life, keeper's pid, how the
	                 predecessor ended */
	KM_FD,        /* text: names, each with its NUL; as many descriptors */
	KM_HANDED,    /* that was all that is held for it */
	KM_PING,      /* answered by PONG; from the logger: by PONG too, once
	                 all that was held before has been handed to it */
	KM_PONG,
	/* keeper -> supervisor */
	KM_EXIT,   /* pid, code (CLD_*), status, user + system time in us */
	KM_SIGNAL, /* mask: bit n-1 for signal n; answered by SIGNALLED */
	/* either -> keeper */
	KM_READY, /* it has taken over */
	KM_HOLD,  /* as FD; each replaces what was held under that name */
	KM_DROP,  /* text: a name */
	/* supervisor -> keeper */
	KM_BORN,      /* pids of workers */
	KM_ACK,       /* pids: their exits are recorded */
	KM_SIGNALLED, /* mask */
	KM_LIMITS,    /* ms: the largest grace; ms: the watchdog, 0 off */
	KM_STOPPING,  /* the fleet is going down, in order; code: svd's exit
	                 status, the first that is not 0 stays */
	KM_QUIT,      /* the fleet has ended; keeper -> logger: finish */
	KM_NOTIFY,    /* code: an enum keeper_notify; text: a line about the
	                 fleet, for systemd */
	KM_UPGRADE, /* text: a path; the descriptor of the svd that is there */
	/* keeper -> supervisor */
	KM_UPGRADED, /* version; life: how many upgrades were begun; code:
	                how the last one ended (keeper_upgraded); text */
	KM_DETACH,   /* supervisor -> keeper: end svd, leave the workers */
	KM_TYPES
};

/* The fleet as systemd sees it; that it stops the keeper says. */
enum keeper_notify {
	NOTIFY_SAME, /* as it was; at first it is starting */
	NOTIFY_READY,
	NOTIFY_RELOADING
};

/* How the predecessor of a supervisor ended, in HELLO's code. */
enum keeper_obituary {
	OBITUARY_NONE, /* there was none */
	OBITUARY_EXITED,
	OBITUARY_SIGNALLED,
	OBITUARY_HUNG /* the keeper ended it */
};

/* The code of UPGRADED, and what its text says. */
enum keeper_upgraded {
	UPGRADED_DONE,   /* two versions, each with its NUL: from, to */
	UPGRADED_FAILED, /* why */
	UPGRADED_UNDER_WAY,
	UPGRADED_ON_TRIAL /* under way, and it is the new svd that is told */
};

struct keeper_msg {
	enum keeper_msg_type type;
	uint32_t version, life;
	int32_t pid, code, status;
	uint64_t epoch, mask, ms, ms2, us;
	int32_t pids[KEEPER_PIDS_MAX];
	uint32_t npids;
	const char *text; /* within the packet after decoding */
	size_t text_len;  /* bytes, the last NUL included */
};

/* Length of the packet, 0 where text or a list is empty or too long. */
size_t keeper_msg_encode(
    const struct keeper_msg *m, unsigned char out[KEEPER_PACKET_MAX]);
/* -1: not a message of this version. */
int keeper_msg_decode(
    const unsigned char *packet, size_t len_bytes, struct keeper_msg *m);

#endif
