/*
 * dump_stacks: the stacks of a process's threads in their own memory, as a
 * debugger that is installed shows them; see dump_proc.h.
 *
 * A debugger stops whom it looks at, and if it is killed while it does, that
 * one may stay so: who is ended with a debugger at work lets the process go on.
 * What the debugger reads is of the worker's making. So it runs as the worker's
 * user where it can, with no environment, and is to execute nothing of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "base/sys.h"
#include "supervisor/dump_proc.h"

#define ARGS_MAX 16
#define PATH_SIZE 4096
#define LINE_SIZE 512
#define WHY_LINES 3 /* of what a debugger says that shows no stack */
#define LOOKS 20    /* for threads that cannot be stopped */
#define LOOK_NS 5000000
#define LINES_MAX 4096
#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

/* The pid comes last. */
static const struct tool {
	const char *argv[ARGS_MAX];
} tools[] = {
    {{"eu-stack", "-n", "64", "-m", "-p"}},
    {{"gdb", "-nx", "-nh", "-batch", "-q", "-iex", "set auto-load off", "-iex",
	"set debuginfod enabled off", "-ex", "thread apply all backtrace 64",
	"-p"}},
};

/* For the handler. */
static volatile struct {
	pid_t tool, target;
	int dir, was_stopped;
} at_work;

static int
is_stopped(int dir)
{
	char text[512];
	const char *state;

	procfs_read(dir, "status", text, sizeof(text));
	state = procfs_value(text, "State");
	return state != NULL && *state == 'T';
}

static void
end_tool(void)
{
	kill(at_work.tool, SIGKILL);
	waitpid(at_work.tool, NULL, 0);
	if (!at_work.was_stopped && is_stopped(at_work.dir))
		kill(at_work.target, SIGCONT);
}

static void
ended(int sig)
{
	(void)sig;
	end_tool();
	_exit(1);
}

/* Of a line of status: the first number. */
static unsigned int
id_of(const char *status, const char *key)
{
	const char *value = procfs_value(status, key);

	return value == NULL ? 0 : (unsigned int)strtoul(value, NULL, 10);
}

/* Where Yama lets nobody look but root, as who we are. -1: it cannot be. */
static int
become_user_of(const struct dump_proc *p)
{
	char text[DUMP_TEXT_BYTES];
	unsigned int uid, gid;

	if (geteuid() != 0)
		return 0;
	if (procfs_read(AT_FDCWD, "/proc/sys/kernel/yama/ptrace_scope", text,
		sizeof(text)) > 0 &&
	    text[0] != '0')
		return 0;
	if (procfs_read(p->dir, "status", text, sizeof(text)) <= 0)
		return -1;
	uid = id_of(text, "Uid");
	gid = id_of(text, "Gid");
	if (uid == 0)
		return 0;
	return setgroups(0, NULL) == -1 || setresgid(gid, gid, gid) == -1 ||
	               setresuid(uid, uid, uid) == -1
	           ? -1
	           : 0;
}

static _Noreturn void
exec_tool(const struct tool *t, const char *path, const struct dump_proc *p,
    int out, pid_t parent)
{
	char *env[] = {
	    "PATH=" DEFAULT_PATH, "LC_ALL=C", "HOME=/", "TERM=dumb", NULL};
	char *argv[ARGS_MAX], pid[16];
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC), i;

	for (i = 0; t->argv[i] != NULL; i++)
		argv[i] = (char *)t->argv[i];
	snprintf(pid, sizeof(pid), "%d", (int)p->pid);
	argv[i] = pid;
	argv[i + 1] = NULL;
	sys_signals_default(SIG_ALL);
	if (null == -1 || dup2(null, 0) == -1 || dup2(out, 1) == -1 ||
	    dup2(out, 2) == -1 || chdir("/") == -1 || become_user_of(p) == -1)
		_exit(127);
	close_range(3, ~0U, 0);
	/* A change of user undoes it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	execve(path, argv, env);
	_exit(127);
}

/* "#0  0x... in main ()", "TID 12:", "Thread 1 (LWP 12):" */
static int
is_stack(const char *line)
{
	return line[0] == '#' || strncmp(line, "TID ", 4) == 0 ||
	       strncmp(line, "Thread ", 7) == 0;
}

/* Returns how many lines there were of stacks; or what else was said. */
static int
show(struct dump_out *o, FILE *from)
{
	char line[LINE_SIZE], why[WHY_LINES][LINE_SIZE];
	int n = 0, others = 0, i;

	while (fgets(line, sizeof(line), from) != NULL && n < LINES_MAX) {
		if (is_stack(line)) {
			dump_lines(o,
			    line[0] == '#' ? DUMP_INDENT DUMP_INDENT
					   : DUMP_INDENT,
			    line);
			/* It may be ended before it has come to its end. */
			dump_flush(o);
			n++;
		} else if (others < WHY_LINES && line[0] != '\n')
			memcpy(why[others++], line, sizeof(line));
	}
	for (i = 0; n == 0 && i < others; i++)
		dump_lines(o, DUMP_INDENT "it says: ", why[i]);
	return n;
}

static void
run(struct dump_out *o, const struct dump_proc *p, const struct tool *t,
    const char *path)
{
	int fds[2];
	pid_t parent = getpid();
	FILE *from;

	if (pipe2(fds, O_CLOEXEC) == -1)
		return;
	at_work.dir = p->dir;
	at_work.target = p->pid;
	at_work.was_stopped = is_stopped(p->dir);
	sys_sigmask(SIG_BIT(SIGTERM));
	at_work.tool = fork();
	if (at_work.tool == 0)
		exec_tool(t, path, p, fds[1], parent);
	if (at_work.tool != -1)
		signal(SIGTERM, ended);
	sys_sigmask(0);
	fd_close(&fds[1]);
	from = fdopen(fds[0], "r");
	if (from != NULL && show(o, from) == 0)
		dump_say(o, DUMP_INDENT "it shows none\n");
	sys_sigmask(SIG_BIT(SIGTERM));
	if (at_work.tool != -1)
		end_tool();
	signal(SIGTERM, SIG_DFL);
	sys_sigmask(0);
	if (from != NULL)
		fclose(from);
	else
		fd_close(&fds[0]);
}

static void
count_uninterruptible(void *arg, const struct dump_proc *p, pid_t tid)
{
	int *n = arg;
	char path[64], text[512];
	const char *state;

	snprintf(path, sizeof(path), "task/%d/status", (int)tid);
	procfs_read(p->dir, path, text, sizeof(text));
	state = procfs_value(text, "State");
	*n += state != NULL && *state == 'D';
}

/* A debugger waits until each thread has stopped, and none does in state D,
 * where most are for moments only. */
static int
would_hang(const struct dump_proc *p)
{
	const struct timespec pause = {.tv_nsec = LOOK_NS};
	int i, n;

	for (i = 0; i < LOOKS; i++) {
		n = 0;
		dump_each_thread(p, count_uninterruptible, &n);
		if (n == 0)
			return 0;
		nanosleep(&pause, NULL);
	}
	return 1;
}

/* The first of that name in PATH. */
static int
find(const char *name, char *path, size_t size)
{
	const char *dir = getenv("PATH");
	size_t len;

	for (dir = dir == NULL ? DEFAULT_PATH : dir; *dir != '\0';
	     dir += len + (dir[len] == ':')) {
		len = strcspn(dir, ":");
		snprintf(path, size, "%.*s/%s", (int)len, dir, name);
		if (*dir == '/' && access(path, X_OK) == 0)
			return 1;
	}
	return 0;
}

static void
say_hang(struct dump_out *o, const struct dump_proc *p)
{
	dump_heading(o, p, "stacks");
	dump_say(o, DUMP_INDENT "none: a thread of it is in state D, and a "
				"debugger would wait for it\n");
}

void
dump_stacks(struct dump_out *o, const struct dump_proc *p)
{
	char path[PATH_SIZE], what[64];
	size_t i;

	for (i = 0; i < sizeof(tools) / sizeof(*tools); i++) {
		if (!find(tools[i].argv[0], path, sizeof(path)))
			continue;
		if (would_hang(p)) {
			say_hang(o, p);
			return;
		}
		snprintf(what, sizeof(what), "stacks, by %s", tools[i].argv[0]);
		dump_heading(o, p, what);
		dump_flush(o);
		run(o, p, &tools[i], path);
		return;
	}
	if (p->is_main)
		dump_say(o, "neither eu-stack nor gdb is installed: no stacks "
			    "of what is not Python\n");
}
