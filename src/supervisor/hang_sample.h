/*
 * hang_sample: what the kernel counts of a process and of its machine, twice:
 * once when it is late, and again when it is judged (core/hang.h). A few small
 * files of /proc, and none of a process that is not late.
 */
#ifndef SVD_SUPERVISOR_HANG_SAMPLE_H
#define SVD_SUPERVISOR_HANG_SAMPLE_H

#include <stdint.h>

#include "core/hang.h"

/* Of the machine, in the units of their files; 0 where there are none. */
struct hang_machine {
	int64_t at; /* loop_now(); 0: not taken */
	uint64_t steal, total;
	uint64_t cpu_pressure, io_pressure;
	int has_pressure;
};

struct hang_sample;
struct worker;

/* NULL: no memory, or no process. */
struct hang_sample *hang_sample_take(const struct worker *w);
void hang_sample_free(struct hang_sample *s); /* NULL is allowed */
/* What happened from one to the other, of one process. NULL: nothing is known
 * but whatever the other tells. */
void hang_sample_compare(const struct hang_sample *from,
    const struct hang_sample *to, struct hang_span *h);

#endif
