/*
 * child: what happens in a new process between clone and exec. It shares its
 * parent's memory: system calls only, nothing is allocated, nothing of the
 * parent's is written but the job's own fields.
 */
#ifndef SVD_SUPERVISOR_CHILD_H
#define SVD_SUPERVISOR_CHILD_H

#include <stdint.h>

#include "lib/set_up.h"

/* Room for a process's number as text, in digits that it is written over. */
#define CHILD_PID_ROOM "0000000000"
#define CHILD_PIDS_MAX 3

/* Everything a child needs, made ready before. */
struct child_job {
	uint64_t token;
	int birth_write;
	int notes;    /* DIR/births, or -1 */
	char **paths; /* to be tried in turn, as PATH says */
	char **argv, **envp;
	char *pids[CHILD_PIDS_MAX]; /* CHILD_PID_ROOM each, in envp: they become
	                               its own number; or NULL */
	int below; /* descriptors that it has: those with lower numbers */
	struct set_up to;
};

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
