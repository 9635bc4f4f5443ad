/*
 * dump_syscall: what a thread waits for in the kernel, from the line that
 * /proc/PID/task/TID/syscall has of it.
 */
#ifndef SVD_SUPERVISOR_DUMP_SYSCALL_H
#define SVD_SUPERVISOR_DUMP_SYSCALL_H

#include <stdint.h>

#define SYSCALL_ARGS 6

enum syscall_kind {
	SYSCALL_RUNNING, /* it runs, in the kernel or not */
	SYSCALL_NONE,    /* it is held up otherwise than in a call: a page that
	                    has to be read */
	SYSCALL_CALL,
	SYSCALL_UNKNOWN /* the line is of no form that is known */
};

struct syscall_line {
	enum syscall_kind kind;
	long number;
	uint64_t args[SYSCALL_ARGS];
};

void dump_syscall_parse(const char *line, struct syscall_line *s);
/* NULL: this architecture has none of that number. */
const char *dump_syscall_name(long number);

/* What its arguments are. */
enum syscall_arg {
	ARG_NONE, /* the last of them */
	ARG_FD,
	ARG_NUMBER,
	ARG_POINTER,
	ARG_BYTES,  /* a size */
	ARG_MS,     /* a time, -1: none */
	ARG_PID,    /* of a child, as wait4(2) has it */
	ARG_SIGNAL, /* its number */
	ARG_FUTEX   /* an address that others wait at too */
};

/* SYSCALL_ARGS of them. */
const unsigned char *dump_syscall_args(const char *name);
/* Of futex(2): does it wait? */
int dump_syscall_futex_waits(uint64_t op);

#endif
