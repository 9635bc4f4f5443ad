/*
 * supervisor: the role that decides. One thread, one loop; holds nothing that
 * its successor could not have again from the keeper, `state` and the snapshot
 * of the fleet file.
 */
#ifndef SVD_SUPERVISOR_SUPERVISOR_H
#define SVD_SUPERVISOR_SUPERVISOR_H

#include <jansson.h>
#include <sys/queue.h>

#include "base/runtime.h"
#include "core/fleet.h"
#include "supervisor/births.h"
#include "supervisor/dump.h"
#include "supervisor/events.h"
#include "supervisor/floor.h"
#include "supervisor/hang_sample.h"
#include "ipc/link.h"
#include "supervisor/loop.h"
#include "supervisor/notify.h"
#include "supervisor/bulletin.h"
#include "supervisor/output.h"
#include "supervisor/roster.h"
#include "supervisor/snapshot.h"
#include "supervisor/spawn.h"
#include "supervisor/status.h"
#include "supervisor/state.h"
#include "supervisor/sweep.h"
#include "supervisor/worker.h"

struct control;

struct supervisor {
	struct loop *loop;
	struct fleet fleet;
	struct roster roster; /* the workers; fleet.workers is empty */
	struct spawner spawner;
	struct births births;
	struct link link;   /* to the keeper */
	struct state state; /* the journal */
	struct output output;
	struct notify_sockets notify;
	struct control *control; /* NULL in init mode without -r */
	struct events events;
	struct statuses statuses;
	struct bulletin bulletin;
	int measurers;          /* children that measure workers, */
	int dumpers;            /* and that look into them */
	struct dump_list dumps; /* under way */
	struct dump_queue dumps_waiting;
	struct dump_lines *dump_lines; /* not yet logged, see dump_log.h */
	struct worker_queue spawns;
	struct floor_list floors;
	struct loop_timer spawn_turn;
	const char *runtime_dir; /* NULL in init mode without -r */
	const char *fleet_path;  /* NULL in init mode */
	struct snapshots snapshots;
	uint32_t last_token; /* of this life */
	struct loop_io keeper_io;
	struct loop_timer state_retry;
	/* Exits that could not be recorded yet, for their ACK. */
	int withheld[KEEPER_EXITS_MAX];
	int nwithheld;
	struct sweep sweep;
	struct hang_machine machine; /* as it was looked at last */
	int program; /* a memfd: where svd was started from; -1: not taken */
	int lock; /* the keeper's, copied: with it, those that are being set up
	             hold off an svd to come */
	int former;           /* the old journal, while it is needed; or -1 */
	json_t *reattached;   /* see reattach.h; NULL: there was nothing */
	int reattach_changed; /* the keeper holds an older one */
	char socket[RUNTIME_SOCKET_MAX + 1]; /* the control socket's path */
	int init_mode;
	uint64_t init_signals; /* to be passed on once COMMAND is born */
	int resumed;           /* all births of earlier lives are settled */
	int stopping;          /* the fleet is going down */
	int detaching;         /* svd ends, and leaves its workers */
	int may_end;           /* something has come to rest since it was looked
	                          whether that was the last */
	int exit_code;
	int quit; /* the keeper was told that it is over */
};

/* What main.c knows. */
struct supervisor_options {
	int keeper_fd;                     /* SEQPACKET to the keeper; taken */
	int birth_read_fd, birth_write_fd; /* taken */
	const char *runtime_dir;           /* or NULL */
	const char *fleet_path;            /* NULL: init mode */
	char **command;                    /* init mode: argv */
	int log_level;
};

/* Never returns before the fleet has ended; its value is the exit status. */
int supervisor_main(const struct supervisor_options *o);

/* `web` is all its instances, `web:2` one (`web:0` also where it is the only
 * one), `all` every worker. Calls fn for each; returns how many there were. */
int supervisor_each_named(struct supervisor *s, const char *name,
    void (*fn)(struct worker *w, void *arg), void *arg);
/* A graceful stop of the fleet; with_grace 0: KILL at once. */
void supervisor_stop(struct supervisor *s, int with_grace, int exit_code);
/* The end of svd, not of its workers. -1 and *e: it cannot be now. */
int supervisor_detach(struct supervisor *s, struct err *e);
/* Called by worker.c after each change of a worker. */
void supervisor_worker_changed(struct supervisor *s, struct worker *w);
/* Some process of an earlier life has been heard of. */
void supervisor_births_changed(struct supervisor *s);
/* Tells the keeper what depends on the fleet file. */
void supervisor_send_limits(struct supervisor *s);
uint64_t supervisor_new_token(struct supervisor *s);
/* There is something for supervisor_spawn_turn() to do. */
void supervisor_wake(struct supervisor *s);
/* Sweeps, makes a bounded number of the queued births, looks for the end. */
void supervisor_spawn_turn(struct supervisor *s);
void supervisor_queue_spawn(struct supervisor *s, struct worker *w);
/* Out of whichever queue it is in. */
void supervisor_unqueue_spawn(struct worker *w);

#endif
