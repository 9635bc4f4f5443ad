/*
 * dump_proc: what the parts of a dump's child have in common: where they write
 * to, and the processes they write of. In the child only.
 */
#ifndef SVD_SUPERVISOR_DUMP_PROC_H
#define SVD_SUPERVISOR_DUMP_PROC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

#define DUMP_NAME_MAX 64 /* bytes of a process's name, in /proc at most 15 */
#define DUMP_TEXT_BYTES 8192 /* of one file of /proc */
#define DUMP_INDENT "    "

struct dump_out {
	int fd;
	struct buf text; /* not yet written */
};

/* As printf: nothing in it may be of a worker's choice but numbers. */
void dump_say(struct dump_out *o, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Of anybody's choice: control characters and backslashes are escaped. */
void dump_quote(struct dump_out *o, const char *text, size_t len);
/* What a link of /proc leads to. */
void dump_quote_link(struct dump_out *o, int dir, const char *path);
/* Text of several lines, each behind indent. */
void dump_lines(struct dump_out *o, const char *indent, const char *text);
/* What was said is to be read now: what comes may never end. */
void dump_flush(struct dump_out *o);

struct dump_proc {
	pid_t pid, parent;
	int dir; /* /proc/PID: what is read there is this process's, or fails */
	int is_main; /* the worker's own */
	char name[DUMP_NAME_MAX];
	int64_t until; /* CLOCK_MONOTONIC ms */
};

/* "process PID (NAME): what\n" */
void
dump_heading(struct dump_out *o, const struct dump_proc *p, const char *what);
/* Calls fn for each thread, by its number. Returns how many there were. */
int dump_each_thread(const struct dump_proc *p,
    void (*fn)(void *arg, const struct dump_proc *p, pid_t tid), void *arg);

/* The parts. */
void dump_threads(struct dump_out *o, const struct dump_proc *p);
void dump_status(struct dump_out *o, const struct dump_proc *p);
void dump_fds(struct dump_out *o, const struct dump_proc *p);
void dump_sockets(struct dump_out *o, const struct dump_proc *p);
void dump_python(struct dump_out *o, const struct dump_proc *p);
void dump_stacks(struct dump_out *o, const struct dump_proc *p);

#endif
