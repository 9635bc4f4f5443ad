/* keeper: see keeper.h. The loop, and the meaning of signals. */
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/sys.h"
#include "keeper/jobs.h"
#include "keeper/life.h"
#include "keeper/logger.h"
#include "keeper/reap.h"
#include "keeper/stop.h"
#include "keeper/handover.h"

#define ORPHANED_MS 60000 /* then orphans are reaped unseen */
#define SIGNAL_BATCH 64
#define STACK_BYTES (256 << 10) /* of which a few pages are ever used */

static struct keeper keeper;

/*
 * The kernel tells a session's leader that its terminal has hung up; a shell
 * tells its jobs, and the terminal is gone then. Either is the end of a
 * foreground fleet, not a wish to reload; unless svd was started to survive it.
 */
static int
is_hang_up(const struct keeper *k, const struct signalfd_siginfo *si)
{
	int fd;

	if (k->nohup)
		return 0;
	if (si->ssi_code == SI_KERNEL)
		return 1;
	if (!k->had_terminal)
		return 0;
	fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd == -1)
		return 1;
	close(fd);
	return 0;
}

/* Container managers and systemd stop an init so. */
static int
init_signal(int sig)
{
	return sig == SIGRTMIN + 3 || sig == SIGPWR ? SIGTERM : sig;
}

/* A second TERM or INT needs nobody's answer. What came in one batch is one. Of
 * a fleet that stops for another reason the first one is not the second. */
static void
obey_stop(struct keeper *k, int sig, int asked_before)
{
	k->asked_to_stop = 1;
	if (k->detach)
		return; /* it is over in a moment, for svd alone */
	if (k->stop == STOP_NONE) {
		log_info("stopping on signal %d", sig);
		k->pending |= SIG_BIT(SIGTERM);
		stop_ask(k);
	} else if (asked_before && k->stop != STOP_KILL) {
		log_warn("second signal %d: KILL to all", sig);
		stop_kill(k, 128 + sig);
	}
}

static void
obey_signal(
    struct keeper *k, const struct signalfd_siginfo *si, int asked_before)
{
	int sig = init_signal((int)si->ssi_signo);

	if (sig == SIGCHLD) {
		k->sigchld_of = (pid_t)si->ssi_pid;
		k->may_be_dead = 1;
	}
	if (sig == SIGCHLD || si->ssi_pid == (uint32_t)getpid())
		return; /* also the SIGPIPE of a write of our own */
	if (k->init_mode) {
		if (sig == SIGCONT)
			jobs_continue(k);
		k->pending |= SIG_BIT(sig);
		return;
	}
	if (sig == SIGHUP && is_hang_up(k, si))
		sig = SIGTERM;
	switch (sig) {
	case SIGTERM:
	case SIGINT:
		obey_stop(k, sig, asked_before);
		break;
	case SIGQUIT:
		log_warn("stopping without grace on signal %d", sig);
		stop_kill(k, 0);
		break;
	default:
		k->pending |= SIG_BIT(sig);
	}
}

static void
read_signals(struct keeper *k)
{
	static struct signalfd_siginfo si[SIGNAL_BATCH];
	int asked_before = k->asked_to_stop;
	ssize_t n;
	size_t i;

	n = read(k->signal_fd, si, sizeof(si));
	if (n <= 0)
		return;
	for (i = 0; i < (size_t)n / sizeof(si[0]); i++)
		obey_signal(k, &si[i], asked_before);
}

static int64_t
next_deadline(const struct keeper *k)
{
	int64_t d = 0;

	if (k->stop == STOP_KILL)
		return k->stop_deadline;
	if (k->stop != STOP_FLUSH)
		d = life_deadline(k);
	if (!logger_is_done(k))
		d = role_earlier(d, role_deadline(k, &k->logger), 0);
	d = role_earlier(d, k->stop_deadline, 0);
	d = role_earlier(d, notify_deadline(k), 0);
	d = role_earlier(d, upgrade_deadline(k), 0);
	d = role_earlier(d, fdstore_deadline(k), 0);
	return role_earlier(d, k->orphaned_since, ORPHANED_MS);
}

static void
watch_role(struct pollfd *p, nfds_t *n, const struct role *r)
{
	/* The dead one's socket would wake us for ever. */
	if (r->pid == 0 || r->hung_up)
		return;
	p[*n].fd = r->sock;
	p[*n].events = POLLIN;
	if (r->owed)
		p[*n].events |= POLLOUT;
	(*n)++;
}

/* Sleeps until something happens. Everything is looked at afterwards, so what
 * poll says is of no interest. */
static void
wait_for_something(const struct keeper *k, int more_to_read)
{
	struct pollfd p[3] = {{.fd = k->signal_fd, .events = POLLIN}};
	struct timespec ts = {0, 0}, *timeout = NULL;
	int64_t deadline = next_deadline(k), wait;
	nfds_t n = 1;

	watch_role(p, &n, &k->sup.role);
	watch_role(p, &n, &k->logger);
	if (deadline != 0 || more_to_read) {
		wait = more_to_read ? 0 : deadline - sys_now_ms();
		if (wait > 0) {
			ts.tv_sec = wait / 1000;
			ts.tv_nsec = wait % 1000 * 1000000;
		}
		timeout = &ts;
	}
	ppoll(p, n, timeout, NULL);
}

static void
serve_roles(struct keeper *k)
{
	life_start(k);
	role_hand_over(k, &k->sup.role);
	upgrade_tell(k);
	life_send_signals(k);
	/* What a death leads to must find the logger told of what came before.
	 */
	logger_start(k);
	logger_tell(k);
	reap_announce(k);
}

static int
turn(struct keeper *k)
{
	int64_t now;
	int more;

	read_signals(k);
	more = role_receive(k, &k->sup.role);
	more |= role_receive(k, &k->logger);
	life_check_death(k);
	logger_check_death(k);
	now = sys_now_ms();
	life_check_answers(k, now);
	role_check_answers(k, &k->logger, 0, now);
	upgrade_check(k, now);
	if (stop_check(k, now) == 1)
		return 0;
	if (k->stop != STOP_KILL)
		serve_roles(k);
	if (k->orphaned_since != 0 && now - k->orphaned_since >= ORPHANED_MS) {
		reap_unannounced(k);
		k->orphaned_since = now;
	}
	jobs_check(k);
	notify_flush(k, now);
	fdstore_flush(k, now);
	wait_for_something(k, more);
	return 1;
}

/* What is held must not end at the soft limit. */
static void
raise_nofile(struct keeper *k)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &k->nofile) == -1)
		return;
	l = k->nofile;
	l.rlim_cur = l.rlim_max;
	setrlimit(RLIMIT_NOFILE, &l);
}

/* Opened for good: /proc may be covered later. */
static int
open_children(int thread)
{
	char path[48];

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", thread);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Is this not svd's start, but NEW in an upgrade's? */
static int
is_upgraded(const struct keeper *k)
{
	return k->upgrade.version[0] != '\0';
}

static int
read_table(struct keeper *k, int fd)
{
	struct err e;
	int rc = handover_read(k, fd, &e);

	fd_close(&fd);
	if (rc == 0 && handover_set_cloexec(k, 1) == -1)
		rc = err_set(&e, "a descriptor of the keeper's table is not "
				 "open");
	if (rc == -1)
		log_error("cannot start: %s", e.text);
	return rc;
}

/* What only svd's start can tell. */
static void
look_around(struct keeper *k)
{
	struct sigaction hup;
	int fd;

	k->nohup =
	    sigaction(SIGHUP, NULL, &hup) == 0 && hup.sa_handler == SIG_IGN;
	sys_signals_default(SIG_ALL);
	sys_signals_ignore(SIG_BIT(SIGTTOU) | SIG_BIT(SIGTTIN));
	fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	k->had_terminal = fd != -1;
	if (fd != -1)
		close(fd);
	k->foreground = jobs_have_terminal(k);
	raise_nofile(k);
	k->epoch = sys_random();
	k->grace = 15000; /* until LIMITS says otherwise */
}

/* Kept over the execution, but by kernels before 5.11 not if a thread does it
 * that is not the first. */
static void
lock_again(const struct keeper *k)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = vault_get(&k->vault, "lock");

	if (fd != -1 && fcntl(fd, F_SETLK, &fl) == -1)
		log_error("cannot lock the runtime directory again: %s",
		    strerror(errno));
}

/* Signals that are ignored, pending or blocked are as they were. */
static void
go_on(struct keeper *k)
{
	lock_again(k);
	k->may_be_dead = 1;
	k->sup.role.owed = k->logger.owed = 1;
	upgrade_done(k);
}

static int
keeper_init(struct keeper *k, const struct keeper_options *o)
{
	life_init(k);
	notify_init(
	    &k->notify, o->notify_socket, o->watchdog_usec, o->watchdog_pid);
	fdstore_init(k, o->fdstore);
	if (logger_init(k) == -1)
		return -1;
	jobs_init(k);
	if (is_upgraded(k))
		go_on(k);
	else
		look_around(k);
	k->children_fds[0] = open_children((int)getpid());
	k->children_fds[1] = -1;
	/* Those that a former self began. */
	role_watch(k, &k->sup.role);
	role_watch(k, &k->logger);
	k->signal_fd = sys_signalfd(SIG_ALL);
	if (k->signal_fd == -1)
		return -1;
	return getpid() == 1 ? 0 : prctl(PR_SET_CHILD_SUBREAPER, 1);
}

/* What the logger has not taken of svd's own log is said on standard error,
 * as far as that takes it at once. */
static void
spill_log(const struct keeper *k)
{
	struct pollfd in = {
	    .fd = vault_get(&k->vault, "own"), .events = POLLIN};
	struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
	char lines[4096]; /* what a pipe with room for anything takes */
	ssize_t n;

	while (in.fd != -1 && poll(&in, 1, 0) == 1 && (in.revents & POLLIN) &&
	       poll(&out, 1, 0) == 1 && (out.revents & POLLOUT)) {
		n = read(in.fd, lines, sizeof(lines));
		if (n <= 0 || write(STDERR_FILENO, lines, (size_t)n) == -1)
			return;
	}
}

static int
run(const struct keeper_options *o)
{
	struct keeper *k = &keeper;
	size_t i;

	while (turn(k))
		;
	jobs_end(k);
	spill_log(k);
	/* The socket is the first; the rest is for an svd to come. */
	for (i = 0; i < (k->detach ? 1 : KEEPER_LITTER); i++)
		if (o->litter[i] != NULL)
			unlink(o->litter[i]);
	return k->exit_code;
}

static int
second_thread(void *arg)
{
	keeper.children_fds[1] = open_children((int)syscall(SYS_gettid));
	_exit(run(arg)); /* of the whole process */
}

/*
 * All the work is done by a second thread, and the first one sleeps for good.
 * The kernel gives orphans to the first thread of their new parent, while what
 * the supervisor makes are children of the thread that made the supervisor. So
 * /proc lists orphans apart, and the supervisor need not read through all
 * workers to find what a dead one has left. If there is no second thread, all
 * are in one list, and only that is lost. The two share even what is a
 * thread's own, as only one of them ever runs.
 *
 * After an upgrade there is one thread, for good, which costs a supervisor of
 * 1000 workers 0.2 ms a death: the execution has made the second one the first,
 * with all its children. Those ask for a SIGKILL at its
 * end (PR_SET_PDEATHSIG), which is the thread's, not the process's; the next
 * execution by another thread would be that.
 */
static void
go_on_in_second_thread(const struct keeper_options *o)
{
	static unsigned char stack[STACK_BYTES] __attribute__((aligned(64)));

	if (clone(second_thread, stack + sizeof(stack),
		CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
		    CLONE_THREAD | CLONE_SYSVSEM,
		(void *)o) == -1)
		return;
	for (;;)
		ppoll(NULL, 0, NULL, NULL);
}

int
keeper_main(const struct keeper_options *o)
{
	struct keeper *k = &keeper;

	/* First of all: what comes now waits for its turn. */
	sys_sigmask(SIG_ALL);
	k->argv = o->argv;
	k->init_mode = o->init_mode;
	if (read_table(k, o->table_fd) == -1)
		return 1;
	if (keeper_init(k, o) == -1) {
		log_error("cannot start: %s", strerror(errno));
		return 1;
	}
	if (!o->one_thread && !is_upgraded(k))
		go_on_in_second_thread(o);
	return run(o);
}

int
keeper_rehearse(int table, int report)
{
	return upgrade_rehearse(&keeper, table, report);
}
