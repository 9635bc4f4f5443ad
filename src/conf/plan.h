/*
 * plan: what becomes of each worker when one set of stanzas takes the place of
 * another. Compares what came of the files, not their text: a key that is
 * written out with its default changes nothing. Pure but for memory.
 */
#ifndef SVD_CONF_PLAN_H
#define SVD_CONF_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "conf/keys.h"
#include "core/fleet.h"

enum plan_kind {
	PLAN_SAME,
	PLAN_LIVE,    /* only keys have changed that need no restart */
	PLAN_RESTART, /* a running process is of another stanza */
	PLAN_ADD,
	PLAN_REMOVE
};

struct plan_step {
	enum plan_kind kind;
	const struct worker_conf *was, *is; /* borrowed; NULL: there is none */
};

struct plan {
	struct plan_step *steps; /* as the new ones stand, then the removed */
	size_t n;
};

/* Instances are the same where their ids are. -1: no memory. */
int plan_make(struct plan *p, const struct worker_conf *const *was, size_t nwas,
    const struct worker_conf *is, size_t nis);
void plan_release(struct plan *p);

/* One key that differs; NULL where it has no value. */
typedef int plan_change_fn(
    const struct conf_key *key, const char *was, const char *is, void *arg);

/*
 * Calls fn for each key that differs, environments as they are once put
 * together; numprocs is not one of an instance's. masked: see value_format().
 * -1: no memory, or fn said so.
 */
int plan_changes(const struct worker_conf *was, const struct worker_conf *is,
    int masked, plan_change_fn *fn, void *arg);

/* The same for what [fleet] says, other than to its workers. */
int plan_fleet_changes(const struct fleet *was, const struct fleet *is,
    plan_change_fn *fn, void *arg);

/*
 * A hash of all that a change of needs a restart; never 0. What is not set or
 * has its default is left out, and the order of the table is nothing to it, so
 * that a key that a later version brings does not change it. -1: no memory.
 */
int plan_fingerprint(const struct worker_conf *c, uint64_t *print);

#endif
