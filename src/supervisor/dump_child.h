/*
 * dump_child: what a dump's child does: writes all that there is to be known of
 * a process and of those below it, cheap things first. It may be ended at any
 * time.
 */
#ifndef SVD_SUPERVISOR_DUMP_CHILD_H
#define SVD_SUPERVISOR_DUMP_CHILD_H

#include <stdint.h>
#include <sys/types.h>

/* The first member of whatever dump_child() is called with. */
struct dump_job {
	pid_t pid;
	int64_t until; /* CLOCK_MONOTONIC ms */
};

void dump_child(int out, void *job);

#endif
