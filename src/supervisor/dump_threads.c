/* dump_threads: each thread of a process and what it does; see dump_proc.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/procfs.h"
#include "supervisor/dump_proc.h"

#define PATH_SIZE 64

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
say_thread(void *arg, const struct dump_proc *p, pid_t tid)
{
	struct dump_out *o = arg;
	char text[DUMP_TEXT_BYTES];
	const char *state;
	ssize_t n;

	n = read_task(p, tid, "comm", text, sizeof(text));
	dump_say(o, DUMP_INDENT "%d (", (int)tid);
	dump_quote(o, text, n > 0 ? (size_t)n : 0);
	if (read_task(p, tid, "status", text, sizeof(text)) <= 0 ||
	    (state = procfs_value(text, "State")) == NULL) {
		dump_say(o, "): gone\n");
		return;
	}
	dump_say(o, "): ");
	dump_quote(o, state, strcspn(state, "\n"));
	if ((n = read_task(p, tid, "wchan", text, sizeof(text))) > 0 &&
	    strcmp(text, "0") != 0) {
		dump_say(o, ", in ");
		dump_quote(o, text, (size_t)n);
	}
	dump_say(o, "\n");
	if ((n = read_task(p, tid, "syscall", text, sizeof(text))) > 0) {
		dump_say(o, DUMP_INDENT DUMP_INDENT "system call: ");
		dump_quote(o, text, (size_t)n);
		dump_say(o, "\n");
	}
}

void
dump_threads(struct dump_out *o, const struct dump_proc *p)
{
	dump_heading(o, p, "threads");
	dump_each_thread(p, say_thread, o);
}
