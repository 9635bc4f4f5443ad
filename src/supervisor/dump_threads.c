/*
 * dump_threads: each thread of a process, where it is in the kernel, and what
 * it waits for there; see dump_proc.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "base/units.h"
#include "supervisor/dump_proc.h"
#include "supervisor/dump_syscall.h"

#define PATH_SIZE 64
#define SIGNAL_SIZE 16

struct telling {
	struct dump_out *out;
	int no_stack; /* errno, of the first whose stack could not be read */
};

/* Without the newline at its end. */
static ssize_t
read_task(const struct dump_proc *p, pid_t tid, const char *name, char *text,
    size_t size)
{
	char path[PATH_SIZE];
	ssize_t n;

	snprintf(path, sizeof(path), "task/%d/%s", (int)tid, name);
	n = procfs_read(p->dir, path, text, size);
	if (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	return n;
}

static void
say_name(struct dump_out *o, const struct dump_proc *p, pid_t tid)
{
	char text[DUMP_NAME_MAX];
	ssize_t n = read_task(p, tid, "comm", text, sizeof(text));

	dump_say(o, "%d (", (int)tid);
	dump_quote(o, text, n > 0 ? (size_t)n : 0);
	dump_say(o, ")");
}

/* --- its system call --- */

static void
say_fd(struct dump_out *o, const struct dump_proc *p, int fd)
{
	char path[PATH_SIZE];

	if (fd < 0) {
		dump_say(o, "%s", fd == AT_FDCWD ? "AT_FDCWD" : "-1");
		return;
	}
	snprintf(path, sizeof(path), "fd/%d", fd);
	dump_say(o, "%d <", fd);
	dump_quote_link(o, p->dir, path);
	dump_say(o, ">");
}

static void
say_arg(struct dump_out *o, const struct dump_proc *p, enum syscall_arg kind,
    uint64_t value)
{
	char name[SIGNAL_SIZE];

	switch (kind) {
	case ARG_FD:
		say_fd(o, p, (int)value);
		break;
	case ARG_MS:
		if ((int)value == -1)
			dump_say(o, "no timeout");
		else
			dump_say(o, "%d ms", (int)value);
		break;
	case ARG_PID:
		dump_say(o, "process %d", (int)value);
		break;
	case ARG_SIGNAL:
		dump_say(
		    o, "%s", units_signal_name((int)value, name, sizeof(name)));
		break;
	case ARG_NUMBER:
		dump_say(o, "%d", (int)value);
		break;
	case ARG_BYTES:
		dump_say(o, "%" PRIu64, value);
		break;
	default:
		dump_say(o, value == 0 ? "NULL" : "0x%" PRIx64, value);
	}
}

/* glibc's mutex, which begins with the word that is waited at: 2 there is
 * "locked, and somebody waits"; pthreadtypes.h has the rest. */
static void
say_owner(
    struct dump_out *o, const struct dump_proc *p, const struct syscall_line *s)
{
	struct {
		int lock;
		unsigned int count;
		int owner;
	} mutex = {0};
	char path[PATH_SIZE];
	int fd;

	if (!dump_syscall_futex_waits(s->args[1]) || (int)s->args[2] != 2)
		return;
	fd = openat(p->dir, "mem", O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return;
	if (pread(fd, &mutex, sizeof(mutex), (off_t)s->args[0]) !=
	    (ssize_t)sizeof(mutex))
		mutex.owner = 0;
	fd_close(&fd);
	snprintf(path, sizeof(path), "task/%d", mutex.owner);
	if (mutex.lock != 2 || mutex.owner <= 0 ||
	    faccessat(p->dir, path, F_OK, 0) == -1)
		return;
	dump_say(o, ": a mutex, if it is one, that thread ");
	say_name(o, p, mutex.owner);
	dump_say(o, " has locked");
}

static void
say_call(
    struct dump_out *o, const struct dump_proc *p, const struct syscall_line *s)
{
	const char *name = dump_syscall_name(s->number);
	const unsigned char *kinds =
	    dump_syscall_args(name == NULL ? "" : name);
	int i;

	if (name == NULL)
		dump_say(o, "system call %ld(", s->number);
	else
		dump_say(o, "%s(", name);
	for (i = 0; i < SYSCALL_ARGS && kinds[i] != ARG_NONE; i++) {
		dump_say(o, i == 0 ? "" : ", ");
		say_arg(o, p, kinds[i], s->args[i]);
	}
	dump_say(o, ")");
	if (kinds[0] == ARG_FUTEX)
		say_owner(o, p, s);
}

static void
say_syscall(struct dump_out *o, const struct dump_proc *p, pid_t tid)
{
	char text[DUMP_TEXT_BYTES];
	struct syscall_line s;

	if (read_task(p, tid, "syscall", text, sizeof(text)) <= 0) {
		if (errno == EPERM || errno == EACCES)
			dump_say(o, ", its system call may not be seen");
		return;
	}
	dump_syscall_parse(text, &s);
	switch (s.kind) {
	case SYSCALL_RUNNING:
		dump_say(o, ", running");
		break;
	case SYSCALL_NONE:
		dump_say(o, ", in no system call");
		break;
	case SYSCALL_CALL:
		dump_say(o, ", ");
		say_call(o, p, &s);
		break;
	default:
		break;
	}
}

/* --- all of it --- */

static void
say_stack(struct telling *t, const struct dump_proc *p, pid_t tid)
{
	char text[DUMP_TEXT_BYTES];

	if (t->no_stack != 0)
		return;
	if (read_task(p, tid, "stack", text, sizeof(text)) > 0)
		dump_lines(t->out, DUMP_INDENT DUMP_INDENT, text);
	else if (errno == EPERM || errno == EACCES)
		t->no_stack = errno;
}

static void
say_thread(void *arg, const struct dump_proc *p, pid_t tid)
{
	struct telling *t = arg;
	struct dump_out *o = t->out;
	char text[DUMP_TEXT_BYTES];
	const char *state;
	ssize_t n;

	dump_say(o, DUMP_INDENT);
	say_name(o, p, tid);
	if (read_task(p, tid, "status", text, sizeof(text)) <= 0 ||
	    (state = procfs_value(text, "State")) == NULL) {
		dump_say(o, ": gone\n");
		return;
	}
	dump_say(o, ": ");
	dump_quote(o, state, strcspn(state, "\n"));
	if ((n = read_task(p, tid, "wchan", text, sizeof(text))) > 0 &&
	    strcmp(text, "0") != 0) {
		dump_say(o, ", in ");
		dump_quote(o, text, (size_t)n);
	}
	say_syscall(o, p, tid);
	dump_say(o, "\n");
	say_stack(t, p, tid);
}

void
dump_threads(struct dump_out *o, const struct dump_proc *p)
{
	struct telling t = {.out = o};

	dump_heading(o, p, "threads");
	dump_each_thread(p, say_thread, &t);
	if (t.no_stack != 0)
		dump_say(o, DUMP_INDENT "kernel stacks may not be seen: %s\n",
		    strerror(t.no_stack));
}
