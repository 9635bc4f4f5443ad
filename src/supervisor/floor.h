/*
 * floor: a floor of the fleet. Its processes are run as two workers, its slots
 * (core/fleet.h), one of which serves; here is what makes a floor of the two:
 * the spares that were forked, who waits for one, which slot is to serve, and
 * the replacement of its workers, one by one, by those of a new generation.
 */
#ifndef SVD_SUPERVISOR_FLOOR_H
#define SVD_SUPERVISOR_FLOOR_H

#include <stddef.h>
#include <sys/queue.h>

#include "core/fleet.h"
#include "supervisor/floor_socket.h"
#include "supervisor/line.h"
#include "supervisor/loop.h"
#include "supervisor/worker.h"

#define FLOOR_RETRY_MS 1000 /* after a fork that failed, a spare that died */

LIST_HEAD(floor_list, floor);

struct floor {
	LIST_ENTRY(floor) link; /* of the supervisor */
	struct supervisor *sup;
	char name[FLEET_NAME_MAX + 1];
	struct worker *slots[FLOOR_SLOTS]; /* NULL: not (any more) */
	struct worker_queue waiting;       /* for a spare */
	struct line_list spares;
	struct floor_socket_list sockets;
	struct loop_timer turn;
	int stillborn; /* spares that have died since one was wanted and lived
	                */
	int starting;  /* pid of the last spare that became a worker, or 0 */
	struct loop_timer proof; /* that a new generation's workers run on */
	int64_t not_before;      /* no FORK is sent */
	char halted[RECORD_FAULT_MAX + 96]; /* why the last replacement was not
	                                       brought to its end, "" */
};

/* w is one of its slots, from the beginning of its life to its end. 0, or -1:
 * no memory. */
int floor_attach(struct worker *w);
void floor_detach(struct worker *w);
/* NULL: there is none of that name. */
struct floor *floor_find(struct supervisor *s, const char *name);
/* That w stands on; NULL: on none. */
struct floor *floor_of(const struct worker *w);
/* The slot that serves, NULL: none does. */
struct worker *floor_serving(const struct floor *f);
/* Its socket. NULL: it has none. */
struct floor_socket *floor_socket_of(const struct worker *slot);
/* The one that is, or shall be, the newest generation. */
struct worker *floor_newest(const struct floor *f);
struct worker *
floor_other_slot(const struct floor *f, const struct worker *slot);
uint64_t floor_next_generation(const struct floor *f);

/* w's queued birth: a spare becomes w, or w waits for one. */
void floor_spawn(struct worker *w);
void floor_add_spare(struct floor *f, struct line *l);
size_t floor_count_spares(const struct floor *f);
/* Those of generations before this one. */
void floor_end_spares(struct floor *f, uint64_t before);
/* A fork did not succeed: so has the birth of who waits first, and there is a
 * pause before the next. */
void floor_fork_failed(struct floor *f, const char *what);
/* What was forked has ended before it was needed: again and again, that is a
 * failure to fork. */
void floor_spare_died(struct floor *f, const char *what);
/* A worker is about to be born on it: where there is no spare, it forks while
 * the death is still being recorded. NULL: nothing. */
void floor_expect(struct floor *f);
/* Something has changed: f is looked at from the next turn of the loop. */
void floor_wake(struct floor *f);
void floor_worker_changed(struct worker *w);
/* Why those that wait for it do so in vain; NULL: they do not. */
const char *floor_failure(const struct floor *f);

/*
 * A new generation is loaded; once it serves, all workers are replaced, one
 * after the other. Returns the slot of the new one.
 */
struct worker *floor_renew(struct floor *f);
/* Looked at whenever something has changed: is one of two slots too many, is it
 * the next worker's turn to be replaced? */
void floor_choose_slot(struct floor *f);
void floor_roll(struct floor *f);
/* Is a new generation to be loaded, because its stanza has changed? */
int floor_outdated(const struct floor *f);
/* What its stanza asks for after a (re)load: see reload_reconcile(). */
void floor_reconcile_slot(struct worker *slot);

/* Is pid a spare's, or a worker's that was one? */
int floors_know(const struct supervisor *s, int pid);
/* Reads all that floors say now. */
void floors_read(struct supervisor *s);
/* pid has ended. Returns whether it was a spare. */
int floors_spare_ended(struct supervisor *s, int pid, const struct death *d);
/* The fleet goes down: spares end. */
void floors_stop(struct supervisor *s);
/* A successor's, after the replay. */
void floors_adopt(struct supervisor *s);

#endif
