/*
 * role: what the keeper does alike for its supervisor and its logger: start,
 * greet, hand over what is held, hear, ping, find dead, start again, for ever.
 * What only one of them means is in life.c and logger.c.
 */
#ifndef SVD_KEEPER_ROLE_H
#define SVD_KEEPER_ROLE_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ipc/proto_keeper.h"
#include "keeper/vault.h"

#define ROLE_ABRT_MS 2000 /* from ABRT to KILL */
#define ROLE_OLD_MS 10000 /* a life this long starts the count anew */
#define ROLE_AGAIN_MS 100 /* until a start that failed is tried again */
#define ROLE_FDS_MAX 4    /* descriptors in a role's argument */

struct keeper;
struct role;

/* Obeys one message; takes the descriptors of a HOLD or UPGRADE, and no
 * others. */
typedef void role_obey_fn(struct keeper *k, struct role *r,
    const struct keeper_msg *m, const int *fds, size_t nfds);

/* What a role is; static. */
struct role_kind {
	const char *name; /* "supervisor" */
	enum vault_reader reader;
	int keeps_copies; /* of what it gives to hold: not handed back to it */
	int own_session;  /* for which the kernel may have a share of the
	                     processors (autogroup): what moves output takes
	                     nothing from who decides */
	role_obey_fn *const *obey; /* by type; NULL: not for it to say */
};

/* Its present life, and what is known of the last one. Times are
 * CLOCK_MONOTONIC ms. */
struct role {
	const struct role_kind *kind;
	pid_t pid;      /* 0: there is none */
	int sock;       /* -1 while there is none */
	int hung_up;    /* it closed the socket; its death will follow */
	uint32_t lives; /* so far, this one included */
	int ready;
	int replaced; /* we have ended it, for the sake of the next */
	int greeted;  /* it was handed all that was held when it began */
	int owed;     /* there may be something held that it has not got */
	int64_t started;
	int64_t start_at;          /* the next life, while there is none */
	unsigned int young_deaths; /* in a row */
	int64_t ping_sent_at, next_ping; /* 0: no */
	int64_t kill_at; /* it was found hung: ABRT was sent; 0: no */
	enum keeper_obituary obituary;
	int obituary_status;
};

/* Ends it, which is no sign of a fault; the next one will start at once. */
void role_replace(struct role *r);
/* Before another program of svd's own is executed in a new process, whose
 * parent is keeper. */
void role_become_child(const struct keeper *k, pid_t keeper, int own_session);
/* Executes svd as `name`, with fds (borrowed, ROLE_FDS_MAX + 1 at most) in its
 * argument; the rest of the arguments are ours. Returns only if it fails,
 * with errno. */
void role_execute(struct keeper *k, int binary, const char *name,
    const int *fds, size_t nfds);
/*
 * Starts one if its time has come; fds (ROLE_FDS_MAX at most) are inherited
 * and stand in its argument behind its socket. Its pid, or -1: not now.
 */
pid_t role_start(struct keeper *k, struct role *r, const int *fds, size_t nfds);
/* Goes on handing over what is held for it, as far as the socket takes it. */
void role_hand_over(struct keeper *k, struct role *r);
/* Reads and obeys a bounded number of its messages. Returns whether there may
 * be more. */
int role_receive(struct keeper *k, struct role *r);
/* fd: borrowed, or -1. -1: the message could not be sent now. */
int role_send(const struct role *r, const struct keeper_msg *m, int fd);
/* Looks whether it has died; then obeys what it had said, reaps it, plans the
 * next life, and returns 1 with *si. */
int role_check_death(struct keeper *k, struct role *r, siginfo_t *si);
/* It has been reaped by somebody else. */
void role_forget(struct role *r);
/* Ends it if it was found hung (overdue: in the caller's eyes), or leaves a
 * ping unanswered; pings it if that is asked for. */
void
role_check_answers(struct keeper *k, struct role *r, int overdue, int64_t now);
/* Begins to ping it, if there is a watchdog. */
void role_watch(const struct keeper *k, struct role *r);
/* The earliest time at which one of these has something to do, 0: never. */
int64_t role_deadline(const struct keeper *k, const struct role *r);
/* The earlier one of a and since + after; since 0: a, a 0: never. */
int64_t role_earlier(int64_t a, int64_t since, int64_t after);
/* Has `since` (0: never) been more than limit ago? */
int role_overdue(int64_t since, int64_t limit, int64_t now);

/* What any role may say. */
role_obey_fn role_on_hold, role_on_drop, role_on_pong;

#endif
