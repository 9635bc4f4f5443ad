/*
 * keeper: PID 1, or a child subreaper. It reaps, holds descriptors, restarts
 * the supervisor and the logger, and has the last word. It decides nothing
 * else, reads no configuration, allocates nothing once it runs (all of struct
 * keeper is static) and never blocks but in ppoll(2).
 */
#ifndef SVD_KEEPER_KEEPER_H
#define SVD_KEEPER_KEEPER_H

#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "ipc/proto_keeper.h"
#include "keeper/notify.h"
#include "keeper/role.h"
#include "keeper/fdstore.h"
#include "keeper/upgrade.h"
#include "keeper/vault.h"

#define KEEPER_CHILDREN_MAX 65536 /* announced ones; workers are fewer */
#define KEEPER_LITTER 3
#define KEEPER_ARG_ROLE 2 /* of argv */

/* The supervisor, and what it has been asked. */
struct keeper_supervisor {
	struct role role;
	pid_t exits_sent[KEEPER_EXITS_MAX]; /* wait for their ACK */
	size_t nexits_sent;
	uint64_t signals_sent;   /* wait for SIGNALLED */
	int64_t exit_sent_at;    /* or the last ACK; 0: no exit waits */
	int64_t signals_sent_at; /* 0: none wait */
};

/* An announced one. */
struct keeper_child {
	pid_t pid;
	uint32_t life; /* of the supervisor that announced it last */
};

enum stop_phase {
	STOP_NONE,
	STOP_ASKED, /* the supervisor was told; it must confirm */
	STOP_CONFIRMED,
	STOP_ALONE, /* it did not: TERM was sent to all */
	STOP_FLUSH, /* nobody is left to write: the logger's last work */
	STOP_KILL   /* KILL was sent to all; leave when nobody is left */
};

struct keeper {
	struct vault vault;
	struct keeper_supervisor sup;
	struct role logger;
	struct keeper_upgrade upgrade;
	int pong_due;   /* to the logger */
	int detach;     /* STOP_FLUSH: whoever runs is left running */
	int flush_told; /* STOP_FLUSH: the logger knows */
	struct keeper_child children[KEEPER_CHILDREN_MAX];
	size_t nchildren;
	size_t looked_at; /* of them, by reap_announce(), the last one */
	pid_t sigchld_of; /* whom the last SIGCHLD was about, 0: looked at */
	int may_be_dead;  /* somebody of whom the supervisor was not told */
	uint64_t pending; /* signals that no supervisor has answered */
	uint64_t epoch;
	int64_t grace; /* ms, from LIMITS */
	/* ms: how often roles are asked whether they live, and how long they
	 * may take to answer; 0: they are not asked */
	int64_t ping_every, ping_limit;
	struct notify notify;
	struct fdstore fdstore;
	enum stop_phase stop;
	int asked_to_stop;     /* by a TERM or INT */
	int64_t stop_deadline; /* 0: none */
	int kill_rounds;
	int64_t orphaned_since; /* without a supervisor since; 0: has one */
	int exit_code;
	int init_mode; /* svd -- COMMAND: every signal is passed on */
	int log_fd; /* log.c's, which the roles inherit; -1: standard error */
	int signal_fd, self_fd, terminal_fd;
	int children_fds[2]; /* of the first thread and of the one that works;
	                        -1: none */
	int foreground;      /* init mode: the terminal is ours or COMMAND's */
	int had_terminal;
	struct rlimit nofile; /* as svd was started with */
	int nohup;            /* SIGHUP was ignored when svd was started */
	pid_t command;        /* init mode: the first child announced */
	char **argv;          /* svd: keeper -P ROLE ... */
};

struct keeper_options {
	char **argv;  /* main()'s */
	int table_fd; /* table.h; taken */
	/* variables of the environment, NULL: not set, or not for svd */
	const char *notify_socket, *watchdog_usec, *watchdog_pid, *fdstore;
	const char *litter[KEEPER_LITTER]; /* files removed at the very end, the
	                                      first also where it detaches;
	                                      NULL: none */
	int init_mode;
	int one_thread; /* where threads are hard to follow; see keeper.c */
};

/* Its part of an upgrade (upgrade.h) in which we are NEW; the exit status. */
int keeper_rehearse(int table, int report);
/* Its value is svd's exit status. */
int keeper_main(const struct keeper_options *o);

#endif
