/* set_up: see set_up.h. */
#include "lib/set_up.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/terminal.h"
#include "ipc/proto_birth.h"

/*
 * Our parent sleeps until we are through. A directory or program on a file
 * system that hangs must not hold it up for ever: a timer of ours, which exec
 * removes, ends us. (Not alarm(), which exec keeps.)
 */
int
set_up_deadline(void)
{
	struct sigevent ev = {
	    .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
	struct itimerspec at = {.it_value = {.tv_sec = SET_UP_MS / 1000}};
	int id;

	/* Without it, the keeper's patience is what is left. */
	if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id) == -1)
		return -1;
	syscall(SYS_timer_settime, id, 0, &at, NULL);
	return id;
}

void
set_up_deadline_off(int deadline)
{
	if (deadline != -1)
		syscall(SYS_timer_delete, deadline);
}

/* What came from a floor leads its session since its birth. */
static int
set_session(const struct set_up *s, unsigned int *detail)
{
	pid_t self = (pid_t)syscall(SYS_getpid);

	(void)detail;
	if (!s->job_control)
		return getsid(0) == self || setsid() != -1 ? 0 : -1;
	if (setpgid(0, 0) == -1)
		return -1;
	if (s->terminal != -1)
		terminal_hand_over(s->terminal, s->terminal_from, self);
	return 0;
}

static int
set_limits(const struct set_up *s, unsigned int *detail)
{
	unsigned int i;

	for (i = 0; i < LIMIT_COUNT; i++) {
		*detail = i;
		if (s->limits[i].set &&
		    syscall(SYS_prlimit64, 0, limit_resource(i),
			&s->limits[i].value, NULL) == -1)
			return -1;
	}
	return 0;
}

static int
set_nice(const struct set_up *s, unsigned int *detail)
{
	(void)detail;
	if (!s->nice_set)
		return 0;
	return (int)syscall(SYS_setpriority, PRIO_PROCESS, 0, s->nice);
}

static int
set_oom_score(const struct set_up *s, unsigned int *detail)
{
	size_t len = 0;
	int fd;

	(void)detail;
	if (s->oom_score_adj == NULL)
		return 0;
	while (s->oom_score_adj[len] != '\0')
		len++;
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd == -1 || write(fd, s->oom_score_adj, len) == -1)
		return -1;
	close(fd);
	return 0;
}

/* One may itself be 0, 1 ... and in the way of another: out first, but no
 * further than behind the last one, as limits are there by now. */
static int
set_fds(const struct set_up *s, unsigned int *detail)
{
	int moved[SET_UP_FDS], i, n = SET_UP_FDS;

	while (n > 0 && s->fds[n - 1] == -1)
		n--;
	for (i = 0; i < SET_UP_FDS; i++) {
		*detail = (unsigned int)i;
		moved[i] = s->fds[i];
		if (moved[i] != -1 && moved[i] < n && moved[i] != i)
			moved[i] = fcntl(moved[i], F_DUPFD_CLOEXEC, n);
		if (moved[i] == -1 && s->fds[i] != -1)
			return -1;
	}
	for (i = 0; i < SET_UP_FDS; i++) {
		*detail = (unsigned int)i;
		if (moved[i] == -1)
			continue;
		/* dup2 onto itself would leave O_CLOEXEC on. */
		if (moved[i] == i ? fcntl(i, F_SETFD, 0) == -1
				  : dup2(moved[i], i) == -1)
			return -1;
		/* Where nothing is executed it would stay. */
		if (moved[i] != s->fds[i])
			close(moved[i]);
	}
	return 0;
}

static int
set_terminal(const struct set_up *s, unsigned int *detail)
{
	(void)detail;
	return s->takes_terminal ? ioctl(0, TIOCSCTTY, 0) : 0;
}

static int
set_umask(const struct set_up *s, unsigned int *detail)
{
	(void)detail;
	if (s->umask != SET_UP_UMASK_LEAVE)
		umask(s->umask);
	return 0;
}

/* glibc's own wrappers signal every thread and write to shared memory. */
static int
set_user(const struct set_up *s, unsigned int *detail)
{
	(void)detail;
	if (!s->set_user)
		return 0;
	if (syscall(SYS_setgroups, s->ngroups, s->groups) == -1 ||
	    syscall(SYS_setresgid, s->gid, s->gid, s->gid) == -1 ||
	    syscall(SYS_setresuid, s->uid, s->uid, s->uid) == -1)
		return -1;
	return 0;
}

/* A change of user has undone it: only now. */
static int
set_die_with(const struct set_up *s, unsigned int *detail)
{
	(void)detail;
	if (s->die_with == 0)
		return 0;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
		return -1;
	if ((pid_t)syscall(SYS_getppid) == s->die_with)
		return 0;
	errno = ESRCH;
	return -1;
}

static int
set_directory(const struct set_up *s, unsigned int *detail)
{
	(void)detail;
	return s->directory == NULL ? 0 : chdir(s->directory);
}

static const struct {
	enum birth_stage stage;
	int (*take)(const struct set_up *s, unsigned int *detail);
} steps[] = {
    {BIRTH_SESSION, set_session},
    {BIRTH_LIMITS, set_limits},
    {BIRTH_NICE, set_nice},
    {BIRTH_OOM, set_oom_score},
    {BIRTH_STREAMS, set_fds},
    {BIRTH_STREAMS, set_terminal},
    {BIRTH_STREAMS, set_umask},
    {BIRTH_USER, set_user},
    {BIRTH_SESSION, set_die_with},
    {BIRTH_DIRECTORY, set_directory},
};

/* A directory may be on a disk that hangs: it is said where we are. The root
 * is not, and the usual birth stays a matter of one packet. */
static int
may_hang(const struct set_up *s, enum birth_stage stage)
{
	return stage == BIRTH_DIRECTORY && s->directory != NULL &&
	       s->directory[1] != '\0';
}

int
set_up_take(const struct set_up *s, set_up_say *say, void *arg)
{
	unsigned int detail;
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		detail = 0;
		if (may_hang(s, steps[i].stage))
			say(arg, steps[i].stage, 0, 0);
		if (steps[i].take(s, &detail) == -1) {
			say(arg, steps[i].stage, detail, errno);
			return -1;
		}
	}
	if (may_hang(s, BIRTH_DIRECTORY))
		say(arg, BIRTH_EXEC, 0, 0);
	return 0;
}
