/*
 * sweep: what the dead leave behind. The children of a main process that has
 * ended are the keeper's by then; they are known by their session, which was
 * the dead one's, or by the environment that they were started with.
 *
 * Before a birth they are looked for where orphans come to be, among the
 * children of the keeper's first thread, who are few. Whom a worker makes with
 * CLONE_PARENT, as a sibling of its own, is among the keeper's other children,
 * who are many: those are gone through for members of the session when no birth
 * is due, and whoever was born, often to the processor that we are at, has had
 * a turn at it.
 */
#ifndef SVD_SUPERVISOR_SWEEP_H
#define SVD_SUPERVISOR_SWEEP_H

#include <stddef.h>

#include "supervisor/loop.h"

struct supervisor;
struct worker;

struct sweep {
	struct sweep_dead {
		int sid;                /* 0: go by the environment alone */
		const struct worker *w; /* NULL: go by the session alone */
		int cold; /* it was adopted: its orphans are anybody's */
	} * dead;
	size_t n, cap;
	int rounds; /* that have found somebody, in a row */
	int *late;  /* sessions whose siblings are still to be looked for */
	size_t nlate, late_cap;
	struct loop_timer siblings;
};

/* Zeroed before; the loop is there. */
void sweep_init(struct supervisor *s);
/*
 * Notes that the leader of session sid is dead. Its orphans are killed before
 * the next birth; those that have left the session only if w is given and has
 * no process now.
 */
void sweep_add(struct supervisor *s, int sid, const struct worker *w);
/*
 * The same of a worker that was not the keeper's child, and whose orphans are
 * not either: they are looked for among all processes there are. sid is 0 where
 * its end was not seen: a session by that number may be of anybody by now.
 */
void sweep_add_adopted(struct supervisor *s, int sid, const struct worker *w);
/* Was pid started as w, in this generation and fleet? By its environment. */
int sweep_is_of(const struct worker *w, int pid);
/*
 * One look at the keeper's children for all that were noted. Returns whether
 * some have been killed and may not be dead yet: to be called again.
 */
int sweep_run(struct supervisor *s);
/* One look for siblings of the dead, now or in a while. */
void sweep_siblings(struct supervisor *s);
void sweep_siblings_later(struct supervisor *s);

#endif
