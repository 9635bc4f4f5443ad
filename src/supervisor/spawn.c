/* spawn: see spawn.h. */
#include "supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/runtime.h"
#include "base/sys.h"
#include "base/terminal.h"
#include "ipc/proto_birth.h"
#include "supervisor/prepare.h"

#define STACK_BYTES (64 << 10)
#define ANNOUNCE_MS 5000
/* Births in DIR/births: only the last may be needed. They have their room
 * before. */
#define NOTES_MAX 128
#define NOTES_ROOM_BYTES 8192

static int
child_entry(void *job)
{
	child_run(job);
}

/* The child's own stack, while its parent, whose memory it shares, sleeps. */
static pid_t
clone_sibling(const struct child_job *job, int *pidfd)
{
	static unsigned char stack[STACK_BYTES] __attribute__((aligned(64)));

	return clone(child_entry, stack + sizeof(stack),
	    CLONE_PARENT | CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_PIDFD,
	    (void *)job, pidfd);
}

/* The pid in the next birth, which is left where it is. -1: there is none. */
static pid_t
announced_pid(int birth_read, int wait_ms)
{
	struct pollfd p = {.fd = birth_read, .events = POLLIN};
	unsigned char packet[BIRTH_PACKET_BYTES];
	struct birth b;
	ssize_t n;

	errno = ETIMEDOUT;
	if (poll(&p, 1, wait_ms) != 1)
		return -1;
	n = recv(birth_read, packet, sizeof(packet), MSG_PEEK | MSG_DONTWAIT);
	return n <= 0 || birth_decode(packet, (size_t)n, &b) == -1 ? -1 : b.pid;
}

/*
 * Both calls return once the program runs; then the intermediate ends, and the
 * keeper inherits the child. Where vfork is in truth a fork (under valgrind),
 * they return at once and share no memory: the pid is taken from the birth.
 */
static pid_t
vfork_twice(const struct child_job *job, int birth_read)
{
	int status;
	pid_t middle;

	middle = vfork();
	if (middle == 0) {
		pid_t pid = vfork();

		if (pid == 0)
			child_run(job);
		_exit(pid == -1 ? errno : 0);
	}
	if (middle == -1)
		return -1;
	while (waitpid(middle, &status, 0) == -1 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) != 0) {
		errno = WEXITSTATUS(status);
		return -1;
	}
	/* Killed, the intermediate may have done its work before. */
	return announced_pid(birth_read, WIFEXITED(status) ? ANNOUNCE_MS : 0);
}

/* Every signal is blocked, so that none finds the child half set up. */
static pid_t
make_process(struct spawner *sp, const struct child_job *job, int *pidfd)
{
	pid_t pid;
	int error;

	*pidfd = -1;
	sys_sigmask(SIG_ALL);
	if (sp->double_vfork)
		pid = vfork_twice(job, sp->birth_read);
	else
		pid = clone_sibling(job, pidfd);
	error = errno;
	sys_sigmask(0);
	/* A child that became another user cleared this for both of us. */
	if (job->to.set_user)
		prctl(PR_SET_DUMPABLE, 1);
	errno = error;
	return pid;
}

/* 1 if the probe's parent is the keeper, 0 if not, -1 if there was none. */
static int
probe(struct spawner *sp)
{
	struct child_job job = {.birth_write = sp->birth_write, .notes = -1};
	unsigned char packet[BIRTH_PACKET_BYTES];
	struct birth b;
	ssize_t n;
	int pidfd;

	if (make_process(sp, &job, &pidfd) == -1)
		return -1;
	fd_close(&pidfd);
	n = recv(sp->birth_read, packet, sizeof(packet), MSG_DONTWAIT);
	if (n <= 0 || birth_decode(packet, (size_t)n, &b) == -1)
		return -1;
	return b.parent == sp->keeper;
}

void
spawner_open_notes(struct spawner *sp, const char *dir)
{
	char path[PATH_MAX];
	struct err e;

	sp->notes = sp->nnotes = -1;
	if (dir == NULL)
		return;
	if (runtime_path(path, sizeof(path), dir, RUNTIME_BIRTHS, &e) == 0)
		sp->notes = open(path,
		    O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK |
			O_CLOEXEC,
		    0600);
	if (sp->notes == -1)
		log_warn("cannot open '%s/%s': %s: a worker that is born when "
			 "svd is killed may be unknown to the next one",
		    dir, RUNTIME_BIRTHS, strerror(errno));
}

/* A file system that cannot keep room says so when there is none. */
void
spawner_forget_notes(struct spawner *sp)
{
	sp->nnotes = 0;
	if (sp->notes == -1)
		return;
	if (ftruncate(sp->notes, 0) == -1)
		log_warn(
		    "cannot empty '" RUNTIME_BIRTHS "': %s", strerror(errno));
	fallocate(sp->notes, FALLOC_FL_KEEP_SIZE, 0, NOTES_ROOM_BYTES);
}

int
spawner_init(struct spawner *sp, pid_t keeper, int birth_read, int birth_write,
    struct err *e)
{
	const char *way = getenv("SVD_SPAWN");

	sp->keeper = keeper;
	sp->birth_read = birth_read;
	sp->birth_write = birth_write;
	sp->null[0] = fd_open_null(O_RDONLY);
	sp->null[1] = fd_open_null(O_WRONLY);
	if (sp->null[0] == -1 || sp->null[1] == -1)
		return err_sys(e, errno, "cannot open '/dev/null'");
	sp->double_vfork = way != NULL && strcmp(way, "vfork") == 0;
	sp->terminal = terminal_find();
	if (!sp->double_vfork && probe(sp) != 1) {
		log_warn("clone(CLONE_PARENT) does not work here: workers are "
			 "made by a double vfork");
		sp->double_vfork = 1;
	}
	if (sp->double_vfork && probe(sp) == -1)
		return err_sys(e, errno, "cannot make a process");
	return 0;
}

void
spawner_settle(struct spawner *sp)
{
	fd_lower(&sp->null[0]);
	fd_lower(&sp->null[1]);
	if (sp->notes != -1)
		fd_lower(&sp->notes);
	if (sp->lock != NULL)
		fd_lower(sp->lock);
}

/* Behind all that a child needs. */
static int
find_below(const struct spawner *sp, const struct child_job *job)
{
	int i, max = FD_HIGH - 1;

	for (i = 0; i < SET_UP_FDS; i++)
		max = job->to.fds[i] > max ? job->to.fds[i] : max;
	max = job->birth_write > max ? job->birth_write : max;
	max = job->notes > max ? job->notes : max;
	max = job->to.terminal > max ? job->to.terminal : max;
	if (sp->lock != NULL && *sp->lock > max)
		max = *sp->lock;
	return max + 1;
}

int
spawn_process(struct spawner *sp, const struct spawn_request *r, pid_t *pid,
    struct identity *id, struct err *e)
{
	static struct preparation p; /* the child reads it */
	int pidfd, rc = -1;

	*id = (struct identity){0};
	if (prepare(&p, sp, r, e) == -1)
		goto out;
	if (sp->nnotes >= 0 && sp->nnotes++ == NOTES_MAX)
		spawner_forget_notes(sp);
	p.job.below = find_below(sp, &p.job);
	*pid = make_process(sp, &p.job, &pidfd);
	if (*pid == -1) {
		err_sys(e, errno, "fork");
		goto out;
	}
	if (pidfd == -1)
		pidfd = sys_pidfd_open(*pid);
	identity_take(*pid, pidfd, id);
	fd_close(&pidfd);
	rc = 0;
out:
	prepare_release(&p);
	return rc;
}
