/* child: see child.h. */
#include "supervisor/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys.h"
#include "ipc/proto_birth.h"

static void
say(void *arg, unsigned int stage, unsigned int detail, int error)
{
	const struct child_job *job = arg;
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

/* For an svd to come, should this one be killed before it has heard of us. */
static void
note_birth(const struct child_job *job)
{
	unsigned char packet[BIRTH_PACKET_BYTES];
	struct birth b = {.token = job->token,
	    .pid = (int32_t)syscall(SYS_getpid),
	    .stage = BIRTH_BORN};

	if (job->notes == -1)
		return;
	birth_encode(&b, packet);
	/* Without it, only that is lost. */
	if (write(job->notes, packet, sizeof(packet)) == -1)
		return;
}

static _Noreturn void
fail(const struct child_job *job, enum birth_stage stage)
{
	/* As shells have it. */
	int status = stage == BIRTH_EXEC && errno == ENOENT ? 127 : 126;

	say((void *)job, stage, 0, errno);
	_exit(status);
}

/* Its own number, known to nobody before. */
static void
put_pids(const struct child_job *job)
{
	char digits[sizeof(CHILD_PID_ROOM)];
	long pid = syscall(SYS_getpid);
	size_t i, k, n = 0;

	for (; pid > 0; pid /= 10)
		digits[n++] = (char)('0' + pid % 10);
	for (i = 0; i < CHILD_PIDS_MAX && job->pids[i] != NULL; i++) {
		for (k = 0; k < n; k++)
			job->pids[i][k] = digits[n - 1 - k];
		job->pids[i][n] = '\0';
	}
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
			fail(job, BIRTH_INTERPRETER);
		}
		if (errno == EACCES)
			error = EACCES;
		else if (errno != ENOENT && errno != ENOTDIR)
			fail(job, BIRTH_EXEC);
	}
	errno = error;
	fail(job, BIRTH_EXEC);
}

/*
 * Its parent's table is its own up to here, lest a copy be made of what may be
 * thousands, only to be closed again. Older kernels (before 5.9) copy it.
 */
static int
part_descriptors(const struct child_job *job)
{
	if (syscall(SYS_close_range, job->below, ~0U, CLOSE_RANGE_UNSHARE) == 0)
		return 0;
	return (int)syscall(SYS_unshare, CLONE_FILES);
}

_Noreturn void
child_run(const struct child_job *job)
{
	note_birth(job);
	say((void *)job, BIRTH_BORN, 0, 0);
	if (job->paths == NULL)
		_exit(0);
	if (part_descriptors(job) == -1)
		fail(job, BIRTH_STREAMS);
	set_up_deadline();
	sys_signals_default(CHILD_SIGNALS_UNDONE);
	if (set_up_take(&job->to, say, (void *)job) == -1)
		_exit(126);
	put_pids(job);
	sys_short_turns(0);
	sys_sigmask(0);
	run_program(job);
}
