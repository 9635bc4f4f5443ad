/*
 * backoff: when to start again, and whether at all. Pure.
 */
#ifndef SVD_CORE_BACKOFF_H
#define SVD_CORE_BACKOFF_H

#include <stdint.h>

#include "core/fleet.h"
#include "core/record.h"
#include "core/worker_fsm.h"

#define BACKOFF_FLOOR_MS 100 /* the second wait where backoff_delay is 0 */

/*
 * The wait before restart number `run` (1: after the first death of a run of
 * deaths), in ms: min(limit, delay * factor^(run-1)), plus up to jitter of it.
 * random: 0 to UINT32_MAX. backoff_delay 0: at once, then 100 ms growing.
 */
int64_t
backoff_wait(const struct worker_conf *c, uint32_t run, uint32_t random);

/* Which event a death is. */
struct verdict_input {
	const struct worker_conf *conf;
	const struct death *death;
	int want_up;
	int stopping;   /* it was told to end, by somebody's wish */
	int overdue;    /* it was told to end because it hung: a failure,
	                   however it ended */
	int64_t recent; /* deaths within restart_interval, this one
	                   included */
	int hopeless;   /* its set-up does harm */
	int found_gone; /* it was to be adopted, and nobody saw it end */
};

enum worker_event backoff_verdict(const struct verdict_input *in);
/* Did it end as success_exit_status says? */
int death_is_success(const struct worker_conf *c, const struct death *d);
/* It was not born, or its set-up failed; the rest says how. */
int death_is_unborn(const struct death *d);
/* "exit status 3", "killed by SEGV (core dumped)", the fault. */
const char *death_describe(const struct death *d, char *out, size_t size);

#endif
