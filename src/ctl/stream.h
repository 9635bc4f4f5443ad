/*
 * stream: a call that many replies follow, until the daemon has ended, the user
 * has enough, or whoever reads our output has. Goes on by itself where the
 * daemon's supervisor was replaced.
 */
#ifndef SVD_CTL_STREAM_H
#define SVD_CTL_STREAM_H

#include "ctl/commands.h"

#define STREAM_GO_ON (-1)

struct stream {
	/* What to call the command's method with, again after each loss: a new
	 * reference. */
	json_t *(*parameters)(struct ctl *ctl, void *arg);
	/* One reply: STREAM_GO_ON, or the exit status. */
	int (*use)(struct ctl *ctl, const json_t *parameters, void *arg);
	void *arg;
};

/* The exit status; what went wrong has been said. */
int stream_run(struct ctl *ctl, const struct stream *s);

#endif
