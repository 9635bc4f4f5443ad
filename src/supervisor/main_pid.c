/* main_pid: see main_pid.h. */
#include "supervisor/main_pid.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/sys.h"
#include "supervisor/adopted.h"
#include "supervisor/supervisor.h"

#define DEPTH_MAX 256 /* of a tree, from the main process down */

/* Its numbers are others than ours. Who has ended by now is not asked. */
static int
is_elsewhere(pid_t sender)
{
	struct stat its, ours;
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)sender);
	return sender != 0 && stat(path, &its) == 0 &&
	       stat("/proc/self/ns/pid", &ours) == 0 &&
	       (its.st_ino != ours.st_ino || its.st_dev != ours.st_dev);
}

static int
is_descendant(pid_t pid, pid_t of)
{
	int i;

	for (i = 0; pid > 1 && i < DEPTH_MAX; i++) {
		pid = sys_parent(pid);
		if (pid == of)
			return 1;
	}
	return 0;
}

/* Somebody's else, or svd itself. */
static int
is_taken(const struct worker *w, int pid)
{
	const struct supervisor *s = w->sup;

	return pid == getpid() || pid == s->link.keeper_pid ||
	       pid == s->output.logger || roster_by_pid(&s->roster, pid) ||
	       floors_know(s, pid);
}

/* By its parents, its session, or what it was started with. */
static int
is_of_tree(const struct worker *w, int pid)
{
	return is_descendant(pid, w->rec.pid) || getsid(pid) == w->rec.pid ||
	       sweep_is_of(w, pid);
}

int
main_pid_take(struct worker *w, int pid, pid_t sender, struct err *e)
{
	int pidfd;

	if (pid == w->rec.pid)
		return 0;
	if (is_elsewhere(sender))
		return err_set(e, "MAINPID=%d of another pid namespace", pid);
	if (is_taken(w, pid))
		return err_set(e, "MAINPID=%d is not one of its own", pid);
	/* What is proven with it open is proven of this process. */
	pidfd = sys_pidfd_open(pid);
	if (pidfd == -1)
		return err_sys(e, errno, "MAINPID=%d", pid);
	if (!is_of_tree(w, pid) || sys_pidfd_is_dead(pidfd)) {
		fd_close(&pidfd);
		return err_set(e, "MAINPID=%d is not one of its own", pid);
	}
	return adopted_become(w, pid, pidfd, e);
}
