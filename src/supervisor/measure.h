/*
 * measure: what processes use of memory and processor time, read from /proc by
 * a forked child: reading a huge process takes long, and reading a hung one may
 * never end. What cannot be had, or not in time, is unknown.
 */
#ifndef SVD_SUPERVISOR_MEASURE_H
#define SVD_SUPERVISOR_MEASURE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct measure;
struct supervisor;

/* -1: unknown. Shared and private pages are of the resident ones. */
struct measured {
	int64_t pid;
	int64_t rss_kb, pss_kb, private_kb, shared_kb;
	int64_t cpu_ms; /* user and system time */
};

/*
 * Begins to measure n pids, copied; done is called from the loop once all that
 * can be known is. NULL: no memory, or too much of this is going on already.
 */
struct measure *measure_new(struct supervisor *s, const int *pids, size_t n,
    void (*done)(void *arg), void *arg, struct err *e);
int measure_done(const struct measure *m);
/* NULL: pid was not to be measured. */
const struct measured *measure_find(const struct measure *m, int pid);
/* At any time; NULL is allowed. */
void measure_free(struct measure *m);

#endif
