/* dump_child: see dump_child.h. */
#include "supervisor/dump_child.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "supervisor/dump_proc.h"

#define PROCESSES_MAX 64 /* of a tree that are told of */

struct tree {
	struct dump_proc list[PROCESSES_MAX];
	size_t n, left_out;
};

static void
add(struct tree *t, const struct dump_job *job, pid_t pid, pid_t parent)
{
	struct dump_proc *p = &t->list[t->n];
	char path[32];

	if (t->n == PROCESSES_MAX) {
		t->left_out++;
		return;
	}
	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	*p = (struct dump_proc){.pid = pid,
	    .parent = parent,
	    .until = job->until,
	    .is_main = t->n == 0};
	p->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->dir == -1)
		return;
	procfs_read(p->dir, "comm", p->name, sizeof(p->name));
	p->name[strcspn(p->name, "\n")] = '\0';
	t->n++;
}

struct adding {
	struct tree *tree;
	const struct dump_job *job;
};

/* Children hang on the thread that made them. */
static void
add_children(void *arg, const struct dump_proc *p, pid_t tid)
{
	const struct adding *a = arg;
	char path[64], text[DUMP_TEXT_BYTES], *at = text, *end;
	pid_t pid;

	snprintf(path, sizeof(path), "task/%d/children", (int)tid);
	if (procfs_read(p->dir, path, text, sizeof(text)) <= 0)
		return;
	while ((pid = (pid_t)strtol(at, &end, 10)) > 0 && end != at) {
		add(a->tree, a->job, pid, p->pid);
		at = end;
	}
}

static void
find_tree(struct tree *t, const struct dump_job *job)
{
	struct adding a = {t, job};
	size_t i;

	add(t, job, job->pid, 0);
	for (i = 0; i < t->n; i++)
		dump_each_thread(&t->list[i], add_children, &a);
}

/* Of each process, before the next part of any: what is cut off is what takes
 * long. */
static void (*const parts[])(struct dump_out *o, const struct dump_proc *p) = {
    dump_threads,
    dump_status,
    dump_fds,
    dump_python,
    dump_sockets,
    dump_stacks,
};

void
dump_child(int out, void *arg)
{
	static struct tree t;
	struct dump_out o = {.fd = out};
	size_t part, i;
	struct err e;

	/* What is opened is none of these. */
	if (fd_fill_standard(&e) == -1)
		return;
	find_tree(&t, arg);
	if (t.left_out > 0)
		dump_say(
		    &o, "%zu processes more, which are left out\n", t.left_out);
	for (part = 0; part < sizeof(parts) / sizeof(*parts); part++)
		for (i = 0; i < t.n; i++) {
			parts[part](&o, &t.list[i]);
			dump_flush(&o);
		}
	buf_release(&o.text);
}
