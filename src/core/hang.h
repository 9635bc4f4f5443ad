/*
 * hang: has a process that is silent had a chance to speak? Starved is who had
 * no processor for most of the time, together with its machine or by a limit
 * on its cgroup; whoever had one, or asked for none, hangs. Pure.
 */
#ifndef SVD_CORE_HANG_H
#define SVD_CORE_HANG_H

#include <stddef.h>
#include <stdint.h>

#define HANG_TEXT_SIZE 200
#define HANG_UNKNOWN_TIME (-1)

/* What was measured of it over some time, all in ms. What the machine does
 * not tell is HANG_UNKNOWN_TIME. */
struct hang_span {
	int64_t span;
	char state;     /* of its first thread at the end, as proc(5) has it:
	                   'R' ...; 0: unknown */
	int64_t ran;    /* on processors, all threads together */
	int64_t waited; /* for a processor, of the thread that did so longest */
	int64_t stolen; /* from each processor, by other virtual machines */
	int64_t throttled; /* by its cgroup's limit; evidence only, as it is in
	                      waited too, and so are these: */
	int64_t cpu_pressure, io_pressure; /* somebody on the machine waited */
};

enum hang_verdict {
	HANG_UNKNOWN, /* nothing was measured */
	HANG_HUNG,
	HANG_STARVED
};

/* Says why in text: "asleep, ran 0s and waited ...". */
enum hang_verdict
hang_judge(const struct hang_span *h, char text[HANG_TEXT_SIZE]);

#endif
