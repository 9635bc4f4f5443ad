/*
 * events: the streams of state changes that clients of the control socket
 * listen to. All listeners share one bounded list of what was not taken yet:
 * who falls behind its beginning is told that there is a gap and begins anew
 * with a snapshot. Owns the list; an answer (see answer.h) is one listener.
 */
#ifndef SVD_SUPERVISOR_EVENTS_H
#define SVD_SUPERVISOR_EVENTS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <jansson.h>

#include "core/worker_fsm.h"

struct call;
struct event;
struct listener;
struct supervisor;
struct worker;

LIST_HEAD(listeners, listener);

/* Zero it to initialise it. */
struct events {
	uint64_t seq; /* of the last change, in this life of the supervisor */
	struct event *first, *last; /* what some listener has not taken */
	size_t bytes;               /* of these */
	struct listeners listeners;
	uint64_t last_number; /* of a listener */
};

/* w has come to its state from another. To be called once for each, in order,
 * after the record and before what follows from it. */
void events_note(
    struct supervisor *s, const struct worker *w, enum worker_state from);
/* The set of workers, or their names, are others: listeners are given another
 * snapshot, in its place among the changes. */
void events_fleet_changed(struct supervisor *s);
/* Answers the call `Events` of the workers that are picked (see pick.h), with
 * its parameters epoch and seq. */
int events_listen(struct call *c, json_t *pick);

#endif
