/*
 * child: what happens in a new process between clone and exec. It shares its
 * parent's memory: system calls only, nothing is allocated, nothing of the
 * parent's is written but the job's own fields.
 */
#ifndef SVD_SUPERVISOR_CHILD_H
#define SVD_SUPERVISOR_CHILD_H

#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "core/fleet.h"

#define CHILD_GROUPS_MAX 1024
/* What a set-up may take, ms: less than the keeper's patience with a supervisor
 * that waits for it (LIFE_ANSWER_MS). */
#define CHILD_SET_UP_MS 8000

/* Everything a child needs, made ready before. */
struct child_job {
	uint64_t token;
	int birth_write;
	char **paths; /* to be tried in turn, as PATH says */
	char **argv, **envp;
	int streams[3];        /* become 0, 1, 2; -1: leave */
	const char *directory; /* NULL: leave */
	unsigned int umask;    /* CHILD_UMASK_LEAVE */
	struct {
		int set;
		struct rlimit value;
	} limits[LIMIT_COUNT];
	int nice, nice_set;
	const char *oom_score_adj; /* as text, NULL: leave */
	int set_user;
	uid_t uid;
	gid_t gid;
	gid_t groups[CHILD_GROUPS_MAX];
	size_t ngroups;
	int job_control;     /* a group of its own instead of a session */
	int terminal;        /* with job_control: hand it over, or -1 */
	pid_t terminal_from; /* if this group has it */
};

#define CHILD_UMASK_LEAVE (~0U)

/* All that a supervisor ignores. Only that is to be undone in a child: execve
 * does it for what has a handler, and the rest was made default when the
 * supervisor began. */
#define CHILD_SIGNALS_UNDONE                                         \
	(SIG_BIT(SIGINT) | SIG_BIT(SIGQUIT) | SIG_BIT(SIGHUP) |      \
	    SIG_BIT(SIGTSTP) | SIG_BIT(SIGTTIN) | SIG_BIT(SIGTTOU) | \
	    SIG_BIT(SIGPIPE))

/* Only says its birth and ends, if there are no paths. Never returns. */
_Noreturn void child_run(const struct child_job *job);

#endif
