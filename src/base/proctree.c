/*
 * proctree: see proctree.h.
 *
 * A fork under way may end after its caller was sent SIGSTOP, so the tree is
 * read again and again until one whole pass finds every thread stopped and no
 * child that was not known: then nobody is left who could fork. The kill goes
 * bottom up: a stopped parent reaps nobody, so no pid on the list can come to
 * mean another process meanwhile.
 *
 * As a rule there is one process, which sleeps and has no children. That is
 * killed at once: on a busy machine it takes two turns at a processor until it
 * has stopped and has ended, and we would sleep through the first one. What it
 * may have forked meanwhile is looked for before it has had its turn.
 */
#include "base/proctree.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"

#define PROCS_MAX 65536
#define PID_LIMIT 4194304 /* linux/threads.h: PID_MAX_LIMIT */
/* Passes and the time between: at most 5 ms for a thread in the kernel that
 * does not stop, which SIGKILL then keeps from ending its fork. */
#define PASSES_MAX 25
#define PASS_PAUSE_NS 200000
#define STAT_MAX 512 /* bytes of a stat line that hold its state */

#define ANYBODY (-1) /* in place of a parent */

struct proc {
	pid_t pid;
	int pidfd; /* borrowed; -1: none */
	int dead;  /* a zombie, or gone, at the last look */
};

struct tree {
	int proc;           /* /proc */
	struct proc *procs; /* parents before their children */
	size_t nprocs, cap;
	unsigned char *seen;                 /* one bit a pid */
	int quiet;                           /* this pass has changed nothing */
	int found;                           /* by note_*() */
	int awake;                           /* a thread that was visited */
	int (*wanted)(pid_t pid, void *arg); /* of add_if_wanted() */
	void *arg;
};

typedef void child_fn(struct tree *t, pid_t pid);

static int
tree_open(struct tree *t)
{
	t->proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->proc == -1 ||
	    faccessat(t->proc, "thread-self/children", R_OK, 0) == -1)
		return -1;
	/* Pages of it that no pid falls into are never touched. */
	t->seen = calloc(1, PID_LIMIT / 8);
	return t->seen == NULL ? -1 : 0;
}

static void
tree_close(struct tree *t)
{
	fd_close(&t->proc);
	free(t->procs);
	free(t->seen);
}

static int
tree_grow(struct tree *t)
{
	size_t cap = t->cap == 0 ? 64 : t->cap * 2;
	struct proc *procs;

	if (t->nprocs < t->cap)
		return 0;
	if (t->nprocs == PROCS_MAX)
		return -1;
	procs = realloc(t->procs, cap * sizeof(*procs));
	if (procs == NULL)
		return -1;
	t->procs = procs;
	t->cap = cap;
	return 0;
}

static int
send(const struct proc *p, int sig)
{
	return p->pidfd == -1 ? kill(p->pid, sig)
	                      : sys_pidfd_send_signal(p->pidfd, sig);
}

static void
tree_add_proc(struct tree *t, const struct proc *p)
{
	unsigned char bit = (unsigned char)(1 << (p->pid & 7));

	if (p->pid <= 1 || p->pid >= PID_LIMIT || p->pid == getpid() ||
	    (t->seen[p->pid >> 3] & bit) || tree_grow(t) == -1)
		return;
	/* A keeper that a worker has started is below that one, and all of the
	 * fleet below the keeper. */
	if (t->nprocs > 0 && p->pid == getppid())
		return;
	if (send(p, SIGSTOP) == -1)
		return;
	t->seen[p->pid >> 3] |= bit;
	t->procs[t->nprocs++] = *p;
	t->quiet = 0;
}

static void
tree_add(struct tree *t, pid_t pid)
{
	struct proc p = {.pid = pid, .pidfd = -1};

	tree_add_proc(t, &p);
}

static void
add_if_wanted(struct tree *t, pid_t pid)
{
	if (t->wanted(pid, t->arg))
		tree_add(t, pid);
}

static void
note_if_wanted(struct tree *t, pid_t pid)
{
	t->found = t->found || t->wanted(pid, t->arg);
}

static void
note_any(struct tree *t, pid_t pid)
{
	(void)pid;
	t->found = 1;
}

/* Calls fn for each number of a children file. */
static void
each_child(struct tree *t, int task, const char *tid, child_fn *fn)
{
	char path[64], text[4096];
	pid_t pid = 0;
	ssize_t n, i;
	int fd;

	snprintf(path, sizeof(path), "%s/children", tid);
	fd = openat(task, path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return;
	while ((n = read(fd, text, sizeof(text))) > 0)
		for (i = 0; i < n; i++) {
			if (isdigit((unsigned char)text[i])) {
				pid = pid * 10 + (text[i] - '0');
				continue;
			}
			if (pid != 0)
				fn(t, pid);
			pid = 0;
		}
	close(fd);
}

/* The letter of proc(5)'s field 3; 'X' for a thread that is gone. */
static char
thread_state(int task, const char *tid)
{
	char path[32], text[STAT_MAX], *p;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/stat", tid);
	fd = openat(task, path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return 'X';
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 'X';
	text[n] = '\0';
	/* Field 2 is the name in parentheses and may hold anything. */
	p = strrchr(text, ')');
	return p == NULL || p[1] == '\0' ? 'X' : p[2];
}

/* Returns whether the thread lives. Its state first: one that stopped after
 * its children were read may have had one more. */
static int
visit_thread(struct tree *t, int task, const char *tid, child_fn *fn)
{
	char state = thread_state(task, tid);

	if (strchr("ZXx", state) != NULL)
		return 0;
	if (state != 'T' && state != 't')
		t->quiet = 0;
	if (state != 'S')
		t->awake = 1;
	each_child(t, task, tid, fn);
	return 1;
}

/* Children hang on the thread that made them. Returns how many live. */
static int
each_thread(struct tree *t, pid_t pid, child_fn *fn)
{
	char path[32];
	struct dirent *d;
	int fd, alive = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%d/task", (int)pid);
	fd = openat(t->proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return 0;
	dir = fdopendir(fd);
	if (dir == NULL) {
		close(fd);
		return 0;
	}
	while ((d = readdir(dir)) != NULL)
		if (d->d_name[0] != '.')
			alive += visit_thread(t, dirfd(dir), d->d_name, fn);
	closedir(dir);
	return alive;
}

static void
each_process(struct tree *t, child_fn *fn)
{
	int fd = openat(t->proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *d;

	if (dir == NULL) {
		fd_close(&fd);
		return;
	}
	while ((d = readdir(dir)) != NULL)
		if (isdigit((unsigned char)d->d_name[0]))
			fn(t, (pid_t)atoi(d->d_name));
	closedir(dir);
}

/* parent: 0, or whose wanted children belong to the tree too. */
static void
tree_pass(struct tree *t, pid_t parent)
{
	size_t before = t->nprocs, i;

	if (parent == ANYBODY)
		each_process(t, add_if_wanted);
	else if (parent != 0)
		each_thread(t, parent, add_if_wanted);
	/* The parent itself runs on: of it, only a new child counts. */
	t->quiet = t->nprocs == before;
	for (i = 0; i < t->nprocs; i++)
		t->procs[i].dead =
		    each_thread(t, t->procs[i].pid, tree_add) == 0;
}

static int
tree_kill(struct tree *t, pid_t parent)
{
	const struct timespec pause = {.tv_nsec = PASS_PAUSE_NS};
	int pass, killed = 0;
	size_t i;

	for (pass = 0; pass < PASSES_MAX; pass++) {
		tree_pass(t, parent);
		if (t->quiet)
			break;
		nanosleep(&pause, NULL);
	}
	for (i = t->nprocs; i-- > 0;)
		if (!t->procs[i].dead && send(&t->procs[i], SIGKILL) == 0)
			killed++;
	return killed;
}

/* Where the tree cannot be read. */
static int
kill_group(pid_t pid)
{
	if (pid <= 1 || pid == getpgrp())
		return 0;
	return kill(-pid, SIGKILL) == 0;
}

static int
kill_bare(pid_t pid)
{
	int group = getpgid(pid) == pid;

	if (pid <= 1 || pid == getpid() || kill(pid, SIGKILL) == -1)
		return 0;
	if (group)
		kill_group(pid);
	return 1;
}

static int
is_sleeping_leaf(struct tree *t, pid_t pid)
{
	t->found = t->awake = 0;
	return each_thread(t, pid, note_any) == 1 && !t->found && !t->awake;
}

/* Of the open tree; -1: its root was not reached. */
static int
kill_from(struct tree *t, const struct proc *root)
{
	if (root->pid <= 1 || root->pid == getpid())
		return -1;
	if (is_sleeping_leaf(t, root->pid) && send(root, SIGKILL) == 0) {
		each_thread(t, root->pid, tree_add);
		return 1 + (t->nprocs > 0 ? tree_kill(t, 0) : 0);
	}
	tree_add_proc(t, root);
	return t->nprocs > 0 ? tree_kill(t, 0) : -1;
}

int
proctree_kill(pid_t pid)
{
	const struct proc root = {.pid = pid, .pidfd = -1};
	struct tree t = {.proc = -1};
	int killed = -1;

	if (tree_open(&t) == 0)
		killed = kill_from(&t, &root);
	if (killed == -1)
		killed = kill_bare(pid);
	tree_close(&t);
	return killed;
}

int
proctree_kill_proven(pid_t pid, int pidfd)
{
	struct tree t = {.proc = -1};
	const struct proc root = {.pid = pid, .pidfd = pidfd};
	int killed = -1;

	if (tree_open(&t) == 0)
		killed = kill_from(&t, &root);
	if (killed == -1)
		killed = sys_pidfd_send_signal(pidfd, SIGKILL) == 0;
	tree_close(&t);
	return killed;
}

/* As a rule there is nobody, and nothing more need be prepared. */
static int
has_wanted_child(struct tree *t, pid_t parent)
{
	char main_thread[32];

	snprintf(main_thread, sizeof(main_thread), "/proc/%d/task/%d",
	    (int)parent, (int)parent);
	each_child(t, AT_FDCWD, main_thread, note_if_wanted);
	return t->found;
}

int
proctree_kill_children(
    pid_t parent, int adopted, int (*wanted)(pid_t pid, void *arg), void *arg)
{
	struct tree t = {.proc = -1, .wanted = wanted, .arg = arg};
	int killed = 0;

	if (adopted && !has_wanted_child(&t, parent))
		return 0;
	if (tree_open(&t) == 0)
		killed = tree_kill(&t, parent);
	tree_close(&t);
	return killed;
}

int
proctree_kill_all(int (*wanted)(pid_t pid, void *arg), void *arg)
{
	struct tree t = {.proc = -1, .wanted = wanted, .arg = arg};
	int killed = 0;

	if (tree_open(&t) == 0)
		killed = tree_kill(&t, ANYBODY);
	tree_close(&t);
	return killed;
}
