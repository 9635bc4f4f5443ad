/*
 * reload: one fleet file takes the place of another while the fleet runs.
 * What is to be done with each worker follows from what its record and the
 * file in force say, so that whoever sees both, as a successor does, goes on
 * with it.
 */
#ifndef SVD_SUPERVISOR_RELOAD_H
#define SVD_SUPERVISOR_RELOAD_H

#include <stddef.h>

#include "conf/conf.h"
#include "conf/plan.h"
#include "conf/source.h"
#include "core/fleet.h"

struct supervisor;
struct worker;

/* One worker that is not as it was. */
struct reload_item {
	enum plan_kind kind; /* never PLAN_SAME once prepared */
	struct worker *worker;
};

struct reload {
	struct supervisor *sup;
	struct fleet next;
	struct plan plan;
	struct diags diags;         /* what is wrong, and warnings */
	int fd;                     /* the new snapshot */
	struct worker_conf **confs; /* of all steps of the plan */
	struct worker **workers;    /* the same; those to be added are new */
	struct reload_item *items;
	size_t nitems;
	int keep_first; /* [fleet] says what waits for svd's next start */
};

/* The parts of a reload, in this order; reload_release() after any of them. */

/* Loads from src what would be, and compares it with what is: next and plan.
 * -1: diags says why not. */
int reload_load(struct reload *r, struct supervisor *s, struct sources *src);
/* All that can fail. */
int reload_prepare(struct reload *r, struct sources *src);
/* From here on it is in force; items says whom it concerns. Nothing was done to
 * a process yet. */
void reload_commit(struct reload *r);
/* Starts, stops and restarts. */
void reload_finish(struct reload *r);
void reload_release(struct reload *r);

/* All of it, from the files on disk, said to the log: HUP. */
void reload_by_signal(struct supervisor *s);

/* What the file in force asks of w is done, if it is not yet. */
void reload_reconcile(struct worker *w);
/* Workers that have left and are at rest are forgotten. */
void reload_forget(struct supervisor *s);

#endif
