/* floor_fork: see floor_fork.h. */
#include "lib/floor_fork.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/sys.h"
#include "ipc/chan.h"
#include "ipc/proto_floor.h"
#include "lib/svd/floor.h"

#if __has_include(<sys/rseq.h>)
#	include <sys/rseq.h>
#	pragma weak __rseq_offset
#	pragma weak __rseq_size
#	define RSEQ_BYTES_MIN 32U
#endif

/* What the intermediate says by its exit status, beside 0 and an errno. */
#define MIDDLE_NO_RSEQ 250
#define MIDDLE_THREADS 251

#define PACKET_BYTES 512

/* One worker in the making. */
struct making {
	const struct floor_fork *f;
	const char *token;
	const char *way;
	int line[2];  /* svd's end, the worker's */
	int middle;   /* wait status of the intermediate */
	pid_t parent; /* the worker's: the intermediate */
};

/* Its number of links: two and one for each thread. */
unsigned int
floor_fork_threads(void)
{
	struct stat st;

	if (stat("/proc/self/task", &st) == -1 || st.st_nlink < 3)
		return 0;
	return (unsigned int)st.st_nlink - 2;
}

const char *
floor_fork_way(const struct floor_fork *f)
{
	return f->use_double || floor_fork_threads() != 1 ? "double" : "vfork";
}

/*
 * A process that shares its parent's memory has no rseq, and neither would what
 * it forks: the kernel would write the number of the CPU nowhere, and
 * sched_getcpu() say the same for ever. The parent, asleep, lends us its own.
 */
static int
register_rseq(void)
{
#ifdef RSEQ_BYTES_MIN
	unsigned int size;
	void *area;

	if (&__rseq_size == NULL || __rseq_size == 0)
		return 0;
	size = __rseq_size < RSEQ_BYTES_MIN ? RSEQ_BYTES_MIN : __rseq_size;
	area = (char *)__builtin_thread_pointer() + __rseq_offset;
	/* EBUSY: where vfork is a fork, as under valgrind, it is still on. */
	if (syscall(SYS_rseq, area, size, 0, RSEQ_SIG) == -1 && errno != EBUSY)
		return -1;
#endif
	return 0;
}

/* On the stack all of it: this may be the intermediate. */
static int
announce(const struct making *m, pid_t pid)
{
	char data[PACKET_BYTES];
	struct floor_packet p;
	int fds[2] = {m->line[0], sys_pidfd_open(pid)}, rc;

	floor_begin(&p, data, sizeof(data), "FORKED");
	floor_add(&p, "token", m->token);
	floor_add_number(&p, "pid", (uint64_t)pid);
	floor_add(&p, "way", m->way);
	floor_add(&p, "fd", "line");
	if (fds[1] != -1)
		floor_add(&p, "fd", "pidfd");
	rc = chan_send(m->f->sock, data, p.len, fds, fds[1] == -1 ? 1 : 2, 0);
	/* Descriptors are not shared with the floor, only memory is. */
	fd_close(&fds[1]);
	return rc;
}

/*
 * The intermediate's life. It returns in the worker only, whose stack is its
 * own by then. Who was made but not announced reads the end of its line once
 * all have closed svd's end, and ends.
 */
static __attribute__((noinline)) void
be_intermediate(struct making *m, int shares_memory)
{
	pid_t pid;

	if (shares_memory && register_rseq() == -1)
		_exit(MIDDLE_NO_RSEQ);
	m->parent = getpid();
	pid = fork();
	if (pid == 0)
		return;
	if (pid == -1)
		_exit(errno);
	/* By a fork handler: they end with us, and the floor, whose memory says
	 * that they run, must start them by itself. */
	if (shares_memory && floor_fork_threads() > 1)
		_exit(MIDDLE_THREADS);
	_exit(announce(m, pid) == -1 ? errno : 0);
}

/* The child of vfork() must not return from the function that called it; the
 * worker may, as it is no longer that. A frame of its own, in which the floor
 * needs nothing but the result. */
static __attribute__((noinline)) pid_t
make_by_vfork(struct making *m)
{
	pid_t middle = vfork();

	if (middle == 0)
		be_intermediate(m, 1);
	return middle;
}

static pid_t
make_by_double_fork(struct making *m)
{
	pid_t middle = fork();

	if (middle == 0)
		be_intermediate(m, 0);
	return middle;
}

/* Where SIGCHLD is ignored, no status is kept. */
static void
keep_statuses(struct sigaction *before)
{
	struct sigaction plain = {.sa_handler = SIG_DFL};

	sigaction(SIGCHLD, NULL, before);
	if (before->sa_handler == SIG_IGN || (before->sa_flags & SA_NOCLDWAIT))
		sigaction(SIGCHLD, &plain, NULL);
}

/* 1: this is the worker; 0: the floor, with the intermediate's status. */
static int
make(struct making *m)
{
	struct sigaction before;
	pid_t middle;

	keep_statuses(&before);
	m->way = floor_fork_way(m->f);
	if (m->way[0] == 'v')
		middle = make_by_vfork(m);
	else
		middle = make_by_double_fork(m);
	if (middle == 0)
		return 1;
	m->middle = middle == -1 ? W_EXITCODE(errno, 0) : 0;
	/* ECHILD: some thread of the floor's waits for whatever comes. */
	while (middle != -1 && waitpid(middle, &m->middle, 0) == -1)
		if (errno != EINTR)
			break;
	if (before.sa_handler == SIG_IGN || (before.sa_flags & SA_NOCLDWAIT))
		sigaction(SIGCHLD, &before, NULL);
	return 0;
}

static void
run_hook(void (*hook)(void))
{
	int saved = errno;

	if (hook != NULL)
		hook();
	errno = saved;
}

static void
be_worker(struct making *m, const struct svd_floor_hooks *hooks)
{
	setsid();
	fd_close(&m->line[0]);
	close(m->f->sock);
	run_hook(hooks->child);
}

static void
say_failed(const struct making *m, const char *what)
{
	char data[PACKET_BYTES];
	struct floor_packet p;

	floor_begin(&p, data, sizeof(data), "FORKFAIL");
	floor_add(&p, "token", m->token);
	floor_add(&p, "what", what);
	/* Where this fails svd is gone, and the floor will read that next. */
	chan_send(m->f->sock, data, p.len, NULL, 0, 0);
}

/* 1: to be tried again, in the other way. */
static int
judge(struct floor_fork *f, const struct making *m)
{
	int status = WIFEXITED(m->middle) ? WEXITSTATUS(m->middle) : 0;
	struct err e;

	/* EPERM, ENOSYS: a filter of system calls may forbid vfork(). */
	if (status == MIDDLE_NO_RSEQ || status == MIDDLE_THREADS ||
	    (!f->use_double && (status == EPERM || status == ENOSYS))) {
		f->use_double = 1;
		return 1;
	}
	if (WIFSIGNALED(m->middle))
		err_set(&e, "what forks was killed by signal %d",
		    WTERMSIG(m->middle));
	else if (status != 0)
		err_sys(&e, status, "cannot fork");
	else
		return 0;
	say_failed(m, e.text);
	return 0;
}

/* -1: to be tried again, else as floor_fork(). */
static int
try_to_fork(struct floor_fork *f, struct making *m)
{
	static const struct svd_floor_hooks none;
	const struct svd_floor_hooks *hooks = f->hooks ? f->hooks : &none;
	sigset_t mask;
	struct err e;

	/* Whatever was loaded may have closed them. */
	if (fd_fill_standard(&e) == -1 || chan_pair(m->line) == -1) {
		err_sys(&e, errno, "cannot fork");
		say_failed(m, e.text);
		return 0;
	}
	fflush(NULL);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	sys_sigmask(SIG_ALL);
	run_hook(hooks->before);
	if (make(m)) {
		be_worker(m, hooks);
		return 1;
	}
	run_hook(hooks->parent);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	fd_close(&m->line[0]);
	fd_close(&m->line[1]);
	return judge(f, m) ? -1 : 0;
}

int
floor_fork(
    struct floor_fork *f, const char *token, struct floor_fork_made *made)
{
	struct making m = {.f = f, .token = token};
	int rc;

	do
		rc = try_to_fork(f, &m);
	while (rc == -1);
	made->line = m.line[1];
	made->parent = m.parent;
	return rc;
}
