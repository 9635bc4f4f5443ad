/*
 * notify_text: what a worker says by sd_notify(3): a datagram of lines
 * "KEY=VALUE". Pure; nothing of it is believed that does not read as it should.
 */
#ifndef SVD_IPC_NOTIFY_TEXT_H
#define SVD_IPC_NOTIFY_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define NOTIFY_TEXT_MAX 4096 /* bytes of a datagram */

/* Bytes of an FDNAME; with systemd, 255. */
#define NOTIFY_FDNAME_MAX 36
#define NOTIFY_FDNAME_DEFAULT "stored"

/* What can be said without a value. */
enum notify_says {
	SAYS_READY = 1 << 0,
	SAYS_RELOADING = 1 << 1,
	SAYS_STOPPING = 1 << 2,
	SAYS_WATCHDOG = 1 << 3,         /* a heartbeat */
	SAYS_WATCHDOG_TRIGGER = 1 << 4, /* as if that had been missed */
	SAYS_FDSTORE = 1 << 5,
	SAYS_FDSTOREREMOVE = 1 << 6
};

struct notify_text {
	unsigned int says;  /* of enum notify_says */
	const char *status; /* within the datagram, without a NUL; NULL: none */
	size_t status_len;  /* bytes */
	int64_t watchdog_usec, extend_usec; /* -1: none */
	int main_pid;                       /* 0: none */
	int error;                          /* errno; 0: none */
	char fdname[NOTIFY_FDNAME_MAX + 1]; /* "": none */
};

/* Borrows the datagram. NULL, or what is wrong with it: nothing of it counts
 * then. A line that cannot be understood is left out, as an unknown one is. */
const char *
notify_text_parse(const char *text, size_t len_bytes, struct notify_text *n);

#endif
