/*
 * spawn: makes a process that is the keeper's child, and sets it up.
 *
 * As a rule by one clone(CLONE_PARENT|CLONE_VM|CLONE_VFORK): no page table is
 * copied and the call returns when the program runs. Where the kernel or its
 * imitation does not honour CLONE_PARENT, a double vfork: the intermediate's
 * death hands the child to the keeper.
 */
#ifndef SVD_SUPERVISOR_SPAWN_H
#define SVD_SUPERVISOR_SPAWN_H

#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/err.h"
#include "core/fleet.h"
#include "core/record.h"
#include "supervisor/notify_socket.h"
#include "supervisor/stored.h"

struct spawner {
	pid_t keeper;
	int birth_read, birth_write; /* borrowed */
	int null[2];                 /* /dev/null, to read and to write */
	int double_vfork;            /* CLONE_PARENT is not to be had */
	int init_mode;
	int terminal;         /* init mode: svd's, or -1 */
	struct rlimit nofile; /* as svd found it; workers get it back */
	const char *fleet_name;
	const char *socket; /* the control socket's path; NULL: there is none */
	int notes;          /* DIR/births, where the born note their pid for an
	                       svd to come; owned; -1: there is none */
	int *lock;  /* the supervisor's copy, which its children have too; NULL:
	               none */
	int nnotes; /* in it by now; -1: it may have ones of earlier lives */
};

struct spawn_request {
	uint64_t token;
	const struct worker_conf *conf;
	char **argv; /* conf->argv, or that of what runs aside; NULL: nothing
	                is executed */
	const char *program;       /* NULL: argv[0], along PATH */
	const struct store *store; /* what it has left, from descriptor 3 on;
	                              NULL: nothing */
	int pass;  /* becomes the next descriptor, as a rule 3; 0: none */
	int ready; /* becomes descriptor 4; 0: none */
	int input; /* its end of what svctl attach sends to: stdin, or
	              where conf->tty, all three; borrowed; 0: none */
	struct notify_lent notify; /* its socket */
	uint64_t generation;
	pid_t pid;        /* of one that was forked from a floor; 0: it is to be
	                     made */
	pid_t main_pid;   /* of what runs aside: the worker's */
	const int *fifos; /* a description for each captured stream, of
	                     OUTPUT_STREAMS; borrowed; NULL, -1: none */
};

/* Opens dir's notes of births; without them an svd that comes after a keeper's
 * death may not know who was just being born. */
void spawner_open_notes(struct spawner *sp, const char *dir);
/* All births that are noted until now are in the journal. */
void spawner_forget_notes(struct spawner *sp);
/*
 * Finds out how processes can be made here. birth_read, birth_write: the
 * supervisor's own pair, borrowed; sp's other members are filled before. The
 * environment variable SVD_SPAWN=vfork asks for the double vfork.
 */
int spawner_init(struct spawner *sp, pid_t keeper, int birth_read,
    int birth_write, struct err *e);
/* All that is held was taken over: low numbers are free again, and what every
 * child needs gets such ones. */
void spawner_settle(struct spawner *sp);
/*
 * 0: *pid has been born, and runs its program or is dead; the birth socket
 * tells which. -1: there is no process, *e begins with the stage.
 */
int spawn_process(struct spawner *sp, const struct spawn_request *r, pid_t *pid,
    struct identity *id, struct err *e);

#endif
