/* child: see child.h. */
#include "supervisor/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/terminal.h"
#include "ipc/proto_birth.h"

static void
say(const struct child_job *job, unsigned int stage, unsigned int detail,
    int error)
{
	unsigned char packet[BIRTH_PACKET_BYTES];
	struct birth b = {.token = job->token,
	    .pid = (int32_t)syscall(SYS_getpid),
	    .parent = (int32_t)syscall(SYS_getppid),
	    .stage = (uint16_t)stage,
	    .detail = (uint16_t)detail,
	    .error = error};

	birth_encode(&b, packet);
	send(job->birth_write, packet, sizeof(packet), MSG_NOSIGNAL);
}

static _Noreturn void
fail(const struct child_job *job, unsigned int stage, unsigned int detail)
{
	/* As shells have it. */
	int status = stage == BIRTH_EXEC && errno == ENOENT ? 127 : 126;

	say(job, stage, detail, errno);
	_exit(status);
}

/*
 * Our parent sleeps until we are through. A directory or program on a file
 * system that hangs must not hold it up for ever: a timer of ours, which exec
 * removes, ends us. (Not alarm(), which exec keeps.)
 */
static void
set_deadline(void)
{
	struct sigevent ev = {
	    .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
	struct itimerspec at = {.it_value = {.tv_sec = CHILD_SET_UP_MS / 1000}};
	int id;

	/* Without it, the keeper's patience is what is left. */
	if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id) == 0)
		syscall(SYS_timer_settime, id, 0, &at, NULL);
}

static void
set_session(const struct child_job *job)
{
	pid_t self = (pid_t)syscall(SYS_getpid);

	if (!job->job_control) {
		if (setsid() == -1)
			fail(job, BIRTH_SESSION, 0);
		return;
	}
	if (setpgid(0, 0) == -1)
		fail(job, BIRTH_SESSION, 0);
	if (job->terminal != -1)
		terminal_hand_over(job->terminal, job->terminal_from, self);
}

static void
set_limits(const struct child_job *job)
{
	unsigned int i;

	for (i = 0; i < LIMIT_COUNT; i++)
		if (job->limits[i].set &&
		    syscall(SYS_prlimit64, 0, limit_resource(i),
			&job->limits[i].value, NULL) == -1)
			fail(job, BIRTH_LIMITS, i);
}

static void
set_priorities(const struct child_job *job)
{
	size_t len = 0;
	int fd;

	if (job->nice_set &&
	    syscall(SYS_setpriority, PRIO_PROCESS, 0, job->nice) == -1)
		fail(job, BIRTH_NICE, 0);
	if (job->oom_score_adj == NULL)
		return;
	while (job->oom_score_adj[len] != '\0')
		len++;
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd == -1 || write(fd, job->oom_score_adj, len) == -1)
		fail(job, BIRTH_OOM, 0);
	close(fd);
}

/* glibc's own wrappers signal every thread and write to shared memory. */
static void
set_user(const struct child_job *job)
{
	if (!job->set_user)
		return;
	if (syscall(SYS_setgroups, job->ngroups, job->groups) == -1 ||
	    syscall(SYS_setresgid, job->gid, job->gid, job->gid) == -1 ||
	    syscall(SYS_setresuid, job->uid, job->uid, job->uid) == -1)
		fail(job, BIRTH_USER, 0);
}

/* A stream may itself be 0, 1 or 2 and in the way of another: out first. */
static void
set_streams(const struct child_job *job)
{
	int moved[3], i;

	for (i = 0; i < 3; i++) {
		moved[i] = job->streams[i];
		if (moved[i] != -1 && moved[i] < 3 && moved[i] != i)
			moved[i] = fcntl(moved[i], F_DUPFD_CLOEXEC, 3);
		if (moved[i] == -1 && job->streams[i] != -1)
			fail(job, BIRTH_STREAMS, (unsigned int)i);
	}
	for (i = 0; i < 3; i++) {
		if (moved[i] == -1)
			continue;
		/* dup2 onto itself would leave O_CLOEXEC on. */
		if (moved[i] == i ? fcntl(i, F_SETFD, 0) == -1
				  : dup2(moved[i], i) == -1)
			fail(job, BIRTH_STREAMS, (unsigned int)i);
	}
}

/* A directory may be on a disk that hangs: it is said where we are. The root
 * is not, and the usual birth stays a matter of one packet. */
static void
set_directory(const struct child_job *job)
{
	int may_hang;

	if (job->directory == NULL)
		return;
	may_hang = job->directory[1] != '\0';
	if (may_hang)
		say(job, BIRTH_DIRECTORY, 0, 0);
	if (chdir(job->directory) == -1)
		fail(job, BIRTH_DIRECTORY, 0);
	if (may_hang)
		say(job, BIRTH_EXEC, 0, 0);
}

static _Noreturn void
run_program(const struct child_job *job)
{
	int error = ENOENT;
	char **path;

	for (path = job->paths; *path != NULL; path++) {
		execve(*path, job->argv, job->envp);
		if (errno == ENOENT &&
		    faccessat(AT_FDCWD, *path, F_OK, 0) == 0) {
			errno = ENOENT;
			fail(job, BIRTH_INTERPRETER, 0);
		}
		if (errno == EACCES)
			error = EACCES;
		else if (errno != ENOENT && errno != ENOTDIR)
			fail(job, BIRTH_EXEC, 0);
	}
	errno = error;
	fail(job, BIRTH_EXEC, 0);
}

_Noreturn void
child_run(const struct child_job *job)
{
	say(job, BIRTH_BORN, 0, 0);
	if (job->paths == NULL)
		_exit(0);
	set_deadline();
	sys_signals_default(CHILD_SIGNALS_UNDONE);
	set_session(job);
	set_limits(job);
	set_priorities(job);
	set_streams(job);
	if (job->umask != CHILD_UMASK_LEAVE)
		umask(job->umask);
	set_user(job);
	set_directory(job);
	sys_sigmask(0);
	run_program(job);
}
