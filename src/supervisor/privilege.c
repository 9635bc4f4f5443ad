/* privilege: see privilege.h. */
#include "supervisor/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "ipc/proto_birth.h"

/* Those that c does not name its floor has from us already, unless what it
 * loaded has changed them. */
static int
set_limits(const struct worker_conf *c, const struct set_up *to, int pid,
    struct err *e)
{
	int i;

	for (i = 0; i < LIMIT_COUNT; i++)
		if (to->limits[i].set &&
		    prlimit(pid, limit_resource((enum limit_id)i),
			&to->limits[i].value, NULL) == -1 &&
		    (c->limits[i].set || errno != EPERM))
			return err_sys(e, errno, "%s '%s'",
			    birth_stage_name(BIRTH_LIMITS),
			    limit_name((enum limit_id)i));
	return 0;
}

static int
set_nice(const struct worker_conf *c, const struct set_up *to, int pid,
    struct err *e)
{
	(void)c;
	if (to->nice_set &&
	    setpriority(PRIO_PROCESS, (id_t)pid, to->nice) == -1)
		return err_sys(e, errno, "%s", birth_stage_name(BIRTH_NICE));
	return 0;
}

typedef int setter(const struct worker_conf *c, const struct set_up *to,
    int pid, struct err *e);

/*
 * Root without CAP_SYS_RESOURCE and CAP_SYS_NICE, as in many a container, may
 * do this to nobody else's process; who owns it may, as far as an executed
 * worker could before it became that user.
 */
static int
set_as_owner(
    setter *set, const struct worker_conf *c, const struct set_up *to, int pid)
{
	char path[32];
	struct stat st;
	struct err e;
	int status;
	pid_t child;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	if (stat(path, &st) == -1 || st.st_uid == geteuid())
		return -1;
	child = fork();
	if (child == 0)
		_exit(setresgid(st.st_gid, st.st_gid, st.st_gid) == -1 ||
		      setresuid(st.st_uid, st.st_uid, st.st_uid) == -1 ||
		      set(c, to, pid, &e) == -1);
	while (child != -1 && waitpid(child, &status, 0) == -1)
		if (errno != EINTR)
			return -1;
	return child != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 0
	           ? 0
	           : -1;
}

static int
set_oom_score(const char *text, int pid, struct err *e)
{
	char path[40];
	int fd, rc;

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	rc = fd == -1 || write(fd, text, strlen(text)) == -1
	         ? err_sys(e, errno, "%s", birth_stage_name(BIRTH_OOM))
	         : 0;
	fd_close(&fd);
	return rc;
}

int
privilege_give(const struct worker_conf *c, const struct set_up *to, int pid,
    struct err *e)
{
	static setter *const setters[] = {set_limits, set_nice};
	size_t i;

	for (i = 0; i < sizeof(setters) / sizeof(*setters); i++)
		if (setters[i](c, to, pid, e) == -1 &&
		    set_as_owner(setters[i], c, to, pid) == -1)
			return -1;
	return to->oom_score_adj == NULL
	           ? 0
	           : set_oom_score(to->oom_score_adj, pid, e);
}
