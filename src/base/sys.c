/* sys: see sys.h. */
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define KERNEL_SIGSET_BYTES 8
#define PIDFD_PROCESS_GROUP 4  /* linux/pidfd.h: PIDFD_SIGNAL_PROCESS_GROUP */
#define SHORT_TURN_NS 100000   /* the kernel takes no less */
#define PIDFS_MAGIC 0x50494446 /* linux/magic.h: PID_FS_MAGIC */

int
sys_sigmask(uint64_t mask)
{
	return (int)syscall(
	    SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, KERNEL_SIGSET_BYTES);
}

int
sys_signalfd(uint64_t mask)
{
	return (int)syscall(SYS_signalfd4, -1, &mask, KERNEL_SIGSET_BYTES,
	    O_NONBLOCK | O_CLOEXEC);
}

/* The kernel's struct sigaction on all but a few machines: a handler, flags,
 * perhaps a restorer, a mask. All zero is the default on every one. */
struct kernel_sigaction {
	void (*handler)(int);
	unsigned long rest[3];
};

void
sys_signals_default(uint64_t set)
{
	struct kernel_sigaction sa;
	int sig;

	memset(&sa, 0, sizeof(sa));
	for (sig = 1; sig <= 64; sig++)
		if ((set & SIG_BIT(sig)) && sig != SIGKILL && sig != SIGSTOP)
			syscall(SYS_rt_sigaction, sig, &sa, NULL,
			    KERNEL_SIGSET_BYTES);
}

void
sys_signals_ignore(uint64_t set)
{
	struct sigaction sa;
	int sig;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = SIG_IGN;
	for (sig = 1; sig <= 64; sig++)
		if (set & SIG_BIT(sig))
			sigaction(sig, &sa, NULL);
}

int
sys_exec_fd(int fd, char *const argv[], char *const envp[])
{
	return (int)syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
}

int
sys_open_self(void)
{
	int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);

	/* AT_EXECFN is a number cast by the kernel's own definition. */
	if (fd == -1)
		fd = open(
		    (const char *)getauxval(AT_EXECFN), O_PATH | O_CLOEXEC);
	return fd;
}

int
sys_pidfd_open(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

int
sys_pidfd_send_signal(int pidfd, int sig)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0);
}

int
sys_pidfd_send_signal_group(int pidfd, int sig)
{
	return (int)syscall(
	    SYS_pidfd_send_signal, pidfd, sig, NULL, PIDFD_PROCESS_GROUP);
}

int
sys_pidfd_is_dead(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	return poll(&p, 1, 0) == 1 && p.revents != 0;
}

uint64_t
sys_pidfd_inode(int pidfd)
{
	struct statfs fs;
	struct stat st;

	if (fstatfs(pidfd, &fs) == -1 || fs.f_type != PIDFS_MAGIC ||
	    fstat(pidfd, &st) == -1)
		return 0;
	return st.st_ino;
}

/* A number of /proc/PID/stat, from the third on; 0 if unreadable. */
static uint64_t
stat_field(pid_t pid, int wanted)
{
	char path[40], text[1024], *p;
	ssize_t n;
	int fd, field;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	/* Field 2 is the name in parentheses and may hold anything. */
	p = strrchr(text, ')');
	for (field = 2; p != NULL && field < wanted; field++)
		p = strchr(p + 1, ' ');
	return p == NULL ? 0 : strtoull(p + 1, NULL, 10);
}

uint64_t
sys_start_time(pid_t pid)
{
	return stat_field(pid, 22);
}

pid_t
sys_parent(pid_t pid)
{
	return (pid_t)stat_field(pid, 4);
}

pid_t
sys_pidfd_pid(int pidfd)
{
	char path[40], text[512], *p;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	p = strstr(text, "\nPid:");
	return p == NULL ? 0 : (pid_t)strtol(p + strlen("\nPid:"), NULL, 10);
}

/* linux/pidfd.h: struct pidfd_info, as it was first, and what is asked for. */
struct exit_info {
	uint64_t mask, cgroup;
	uint32_t ids[11];
	int32_t exit_code;
};

#define INFO_EXIT (UINT64_C(1) << 3)
#define GET_INFO _IOWR(0xff, 11, struct exit_info)
#define STAT_EXIT_CODE 52 /* proc(5); 0 also for who may not know it */

static int
is_own(pid_t pid)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	return stat(path, &st) == 0 && st.st_uid == geteuid();
}

/* Of a zombie. It is the same one for as long as its pidfd has its pid. */
static int
zombie_status(int pidfd, int *status)
{
	pid_t pid = sys_pidfd_pid(pidfd);
	int own;

	if (pid <= 0)
		return 0;
	*status = (int)stat_field(pid, STAT_EXIT_CODE);
	own = is_own(pid);
	return (*status != 0 || own) && sys_pidfd_pid(pidfd) == pid;
}

int
sys_pidfd_status(int pidfd, int *status)
{
	struct exit_info info = {.mask = INFO_EXIT};
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	int rc;

	if (!sys_pidfd_is_dead(pidfd))
		return 0;
	if (zombie_status(pidfd, status))
		return 1;
	/* POLLHUP: it has been reaped. First: who is reaped after this is asked
	 * again. */
	poll(&p, 1, 0);
	rc = ioctl(pidfd, GET_INFO, &info);
	*status = info.exit_code;
	if (rc == 0 && (info.mask & INFO_EXIT))
		return 1;
	if (rc == -1 && sys_pidfd_pid(pidfd) > 0)
		return 0;
	return rc == -1 || (p.revents & POLLHUP) ? -1 : 0;
}

/* sched_setattr(2), as of Linux 3.14. */
struct sched_attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period; /* ns */
};

void
sys_short_turns(int on)
{
	struct sched_attributes a = {0};
	int error = errno;

	if (syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0) == 0 &&
	    (a.policy == SCHED_OTHER || a.policy == SCHED_BATCH)) {
		a.runtime = on ? SHORT_TURN_NS : 0;
		syscall(SYS_sched_setattr, 0, &a, 0);
	}
	errno = error;
}

int
sys_memfd(const char *name)
{
	return memfd_create(name, MFD_CLOEXEC);
}

uint64_t
sys_random(void)
{
	uint64_t v;

	if (getrandom(&v, sizeof(v), GRND_NONBLOCK) != sizeof(v)) {
		struct timespec t;

		/* Early at boot: it need be unlikely to repeat, no secret. */
		clock_gettime(CLOCK_MONOTONIC, &t);
		v = (uint64_t)t.tv_nsec * 0x9e3779b97f4a7c15u ^
		    (uint64_t)t.tv_sec << 20 ^ (uint64_t)getpid();
	}
	return v;
}

static int64_t
clock_ms(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t
sys_now_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

int64_t
sys_realtime_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}
