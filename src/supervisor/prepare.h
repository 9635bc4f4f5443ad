/*
 * prepare: turns a request for a process into a child_job: users are looked
 * up, the environment and the search path are made, files are opened. All that
 * allocates or may ask a server is done here, before the clone.
 */
#ifndef SVD_SUPERVISOR_PREPARE_H
#define SVD_SUPERVISOR_PREPARE_H

#include "base/buf.h"
#include "base/err.h"
#include "supervisor/child.h"
#include "supervisor/spawn.h"

struct preparation {
	struct child_job job;
	int borrowed[SET_UP_FDS]; /* job.to.fds that are not ours to close */
	char **paths, **envp; /* arrays; their strings are in the texts, in the
	                         configuration or in environ */
	struct buf path_text, env_text;
	size_t pid_at[CHILD_PIDS_MAX], npids; /* of job.pids, in env_text */
	char oom_score_adj[8];
};

/* -1: *e begins with the stage. Either way to be released. */
int prepare(struct preparation *p, const struct spawner *sp,
    const struct spawn_request *r, struct err *e);
void prepare_release(struct preparation *p);
/* For a process that runs already: what is at path is its user's. */
int prepare_give(const struct worker_conf *c, const char *path, struct err *e);

#endif
