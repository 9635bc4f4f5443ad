/*
 * events: what `svctl events` asks and prints; see stream.h.
 */
#ifndef SVD_CTL_EVENTS_H
#define SVD_CTL_EVENTS_H

#include "ctl/commands.h"

/* The last that was seen. */
struct events_seen {
	json_t *epoch; /* or NULL; to be released */
	json_int_t seq;
};

json_t *events_parameters(struct ctl *ctl, void *seen);
int events_use(struct ctl *ctl, const json_t *parameters, void *seen);

#endif
