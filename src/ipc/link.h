/*
 * link: a role's end of its socket to the keeper.
 */
#ifndef SVD_IPC_LINK_H
#define SVD_IPC_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "ipc/proto_keeper.h"

struct link_held {
	char name[KEEPER_NAME_MAX + 1];
	int fd; /* ours, a copy of the keeper's; -1 once taken */
};

/* What the keeper told last of an upgrade of svd. */
struct link_upgrade {
	uint32_t number;            /* how many were begun */
	enum keeper_upgraded state; /* of the last; while number is 0: none */
	char text[512];
	size_t text_len; /* bytes, its last NUL included */
};

#define LINK_DROPS_BYTES 4096

struct link {
	int sock;
	int keeper_pid;
	uint64_t epoch;
	uint32_t life; /* 1: the first of this role and keeper */
	enum keeper_obituary predecessor;
	int predecessor_status;
	uint32_t version; /* of the keeper's protocol */
	struct link_upgrade upgrade;
	struct link_held *held;
	size_t nheld, held_cap;
	/* Not sent yet: */
	struct keeper_msg born, acks;
	char drops[LINK_DROPS_BYTES]; /* names, each with its NUL */
	size_t drops_len;
};

/* Takes sock; waits for HELLO and all that is held. */
int link_open(struct link *l, int sock, struct err *e);
void link_close(struct link *l);
/* The descriptor held under that name, now the caller's; -1: none. */
int link_take(struct link *l, const char *name);
int link_has(const struct link *l, const char *name);
/*
 * One message from the keeper, not waiting; packet must live as long as m is
 * used. What UPGRADED says is noted. What an FD brings is added to what can be
 * taken; several of one name: the last one counts, the others are closed. 1:
 * there is one, 0: none now, -1: the keeper is gone.
 */
int link_receive(struct link *l, unsigned char packet[KEEPER_PACKET_MAX],
    struct keeper_msg *m);
/* Sends; waits where the keeper has not kept up. fd: borrowed, or -1. A
 * keeper that is gone is noticed when receiving. */
void link_send(struct link *l, const struct keeper_msg *m, int fd);
/* BORN, ACK and a DROP that is not urgent wait for link_flush(), or the next
 * message, so that the keeper is woken once for many. A birth is told before
 * any exit; and what was held of a process is dropped before its exit is
 * acknowledged: a successor of ours would not be told of that any more. */
void link_born(struct link *l, int pid);
void link_ack(struct link *l, int pid);
void link_drop_later(struct link *l, const char *name);
/* -1: some of it could not be sent, for want of memory; the next one will. */
int link_flush(struct link *l);
void link_hold(struct link *l, const char *name, int fd);
/* The same for n at once: names[i] and fds[i], borrowed. */
void link_hold_many(
    struct link *l, const char *const *names, const int *fds, size_t n);
/* fd (taken) is held from here on, and is also there to be taken, as if it had
 * been handed over. -1: no memory. */
int link_keep(struct link *l, const char *name, int fd);
void link_drop(struct link *l, const char *name);

#endif
