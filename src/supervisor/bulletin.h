/*
 * bulletin: what systemd is to know of the fleet: that it is up, is being
 * reloaded, and in one line how it does. The keeper passes it on. Where svd was
 * not started by anybody who wants to know, nothing is ever said, or counted.
 */
#ifndef SVD_SUPERVISOR_BULLETIN_H
#define SVD_SUPERVISOR_BULLETIN_H

#include <stdint.h>

#include "ipc/proto_keeper.h"
#include "supervisor/loop.h"

#define BULLETIN_EVERY_MS 1000 /* at most so often a line that differs */

struct supervisor;

struct bulletin {
	int wanted;
	int ready; /* said, or found to be so */
	struct loop_timer turn;
	int64_t not_before; /* the next line */
	char said[160];
};

void bulletin_init(struct supervisor *s);
/* Something about some worker, or the fleet, is not as it was. */
void bulletin_changed(struct supervisor *s);
/* The files are about to be read again; and what they ask for has begun, or
 * they were found wrong. */
void bulletin_reloading(struct supervisor *s);
void bulletin_reloaded(struct supervisor *s);

#endif
