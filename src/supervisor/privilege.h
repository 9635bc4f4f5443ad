/*
 * privilege: what is done to a process from a floor from outside, as by itself
 * it may not be able to: its limits, nice and oom_score_adj. It is the keeper's
 * child and not acknowledged, so that its pid is its own.
 */
#ifndef SVD_SUPERVISOR_PRIVILEGE_H
#define SVD_SUPERVISOR_PRIVILEGE_H

#include "base/err.h"
#include "core/fleet.h"
#include "lib/set_up.h"

/* What c asks for, as `to` has it. -1: *e begins with the stage. */
int privilege_give(const struct worker_conf *c, const struct set_up *to,
    int pid, struct err *e);

#endif
