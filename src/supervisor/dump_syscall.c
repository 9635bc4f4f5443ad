/* dump_syscall: see dump_syscall.h. */
#include "supervisor/dump_syscall.h"

#include <inttypes.h>
#include <linux/futex.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

/* By number; made from <sys/syscall.h>, see Makefile. */
static const char *const names[] = {
#include <syscalls.inc>
};

void
dump_syscall_parse(const char *line, struct syscall_line *s)
{
	uint64_t *a = s->args;
	int n;

	memset(s, 0, sizeof(*s));
	s->kind = SYSCALL_UNKNOWN;
	n = sscanf(line,
	    "%ld %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64
	    " %" SCNx64,
	    &s->number, &a[0], &a[1], &a[2], &a[3], &a[4], &a[5]);
	if (strncmp(line, "running", 7) == 0)
		s->kind = SYSCALL_RUNNING;
	else if (n >= 1 && s->number == -1)
		s->kind = SYSCALL_NONE;
	else if (n == SYSCALL_ARGS + 1)
		s->kind = SYSCALL_CALL;
}

const char *
dump_syscall_name(long number)
{
	return number >= 0 && (size_t)number < sizeof(names) / sizeof(*names)
	           ? names[number]
	           : NULL;
}

#define FD ARG_FD
#define NUM ARG_NUMBER
#define PTR ARG_POINTER
#define LEN ARG_BYTES
#define MS ARG_MS

/* Those that a thread is likely to be found in, by name, as the numbers are
 * another architecture's. */
static const struct {
	const char *name;
	unsigned char args[SYSCALL_ARGS];
} known[] = {
    {"read", {FD, PTR, LEN}},
    {"write", {FD, PTR, LEN}},
    {"readv", {FD, PTR, NUM}},
    {"writev", {FD, PTR, NUM}},
    {"pread64", {FD, PTR, LEN, NUM}},
    {"pwrite64", {FD, PTR, LEN, NUM}},
    {"preadv", {FD, PTR, NUM, NUM}},
    {"pwritev", {FD, PTR, NUM, NUM}},
    {"sendfile", {FD, FD, PTR, LEN}},
    {"splice", {FD, PTR, FD, PTR, LEN, NUM}},
    {"tee", {FD, FD, LEN, NUM}},
    {"vmsplice", {FD, PTR, NUM, NUM}},
    {"copy_file_range", {FD, PTR, FD, PTR, LEN, NUM}},
    {"recvfrom", {FD, PTR, LEN, NUM, PTR, PTR}},
    {"recvmsg", {FD, PTR, NUM}},
    {"recvmmsg", {FD, PTR, NUM, NUM, PTR}},
    {"sendto", {FD, PTR, LEN, NUM, PTR, NUM}},
    {"sendmsg", {FD, PTR, NUM}},
    {"sendmmsg", {FD, PTR, NUM, NUM}},
    {"accept", {FD, PTR, PTR}},
    {"accept4", {FD, PTR, PTR, NUM}},
    {"connect", {FD, PTR, NUM}},
    {"shutdown", {FD, NUM}},
    {"close", {FD}},
    {"fsync", {FD}},
    {"fdatasync", {FD}},
    {"sync_file_range", {FD, NUM, NUM, NUM}},
    {"syncfs", {FD}},
    {"ftruncate", {FD, NUM}},
    {"fallocate", {FD, NUM, NUM, NUM}},
    {"flock", {FD, NUM}},
    {"fcntl", {FD, NUM, PTR}},
    {"ioctl", {FD, NUM, PTR}},
    {"fstat", {FD, PTR}},
    {"getdents64", {FD, PTR, LEN}},
    {"openat", {FD, PTR, NUM, NUM}},
    {"newfstatat", {FD, PTR, PTR, NUM}},
    {"statx", {FD, PTR, NUM, NUM, PTR}},
    {"epoll_wait", {FD, PTR, NUM, MS}},
    {"epoll_pwait", {FD, PTR, NUM, MS, PTR, NUM}},
    {"epoll_pwait2", {FD, PTR, NUM, PTR, PTR, NUM}},
    {"io_uring_enter", {FD, NUM, NUM, NUM, PTR, NUM}},
    {"poll", {PTR, NUM, MS}},
    {"ppoll", {PTR, NUM, PTR, PTR, NUM}},
    {"select", {NUM, PTR, PTR, PTR, PTR}},
    {"pselect6", {NUM, PTR, PTR, PTR, PTR, PTR}},
    {"futex", {ARG_FUTEX, NUM, NUM, PTR, PTR, NUM}},
    {"nanosleep", {PTR, PTR}},
    {"clock_nanosleep", {NUM, NUM, PTR, PTR}},
    {"wait4", {ARG_PID, PTR, NUM, PTR}},
    {"waitid", {NUM, ARG_PID, PTR, NUM, PTR}},
    {"rt_sigtimedwait", {PTR, PTR, PTR, NUM}},
    {"rt_sigsuspend", {PTR, NUM}},
    {"kill", {ARG_PID, ARG_SIGNAL}},
    {"tgkill", {ARG_PID, NUM, ARG_SIGNAL}},
    {"sched_yield", {ARG_NONE}},
    {"pause", {ARG_NONE}},
    {"restart_syscall", {ARG_NONE}},
};

const unsigned char *
dump_syscall_args(const char *name)
{
	static const unsigned char all[SYSCALL_ARGS] = {
	    PTR, PTR, PTR, PTR, PTR, PTR};
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strcmp(known[i].name, name) == 0)
			return known[i].args;
	return all;
}

int
dump_syscall_futex_waits(uint64_t op)
{
	switch ((int)op & FUTEX_CMD_MASK) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
	case FUTEX_LOCK_PI:
		return 1;
	default:
		return 0;
	}
}
