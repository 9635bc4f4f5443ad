/*
 * outcome: the workers that one call names, and whether each has come to where
 * the call wants it. Knows nothing of connections: verbs.c makes it, control.c
 * keeps it until all is settled.
 */
#ifndef SVD_SUPERVISOR_OUTCOME_H
#define SVD_SUPERVISOR_OUTCOME_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "core/record.h"
#include "supervisor/answer.h"

struct worker;

enum outcome_kind {
	OUTCOME_NONE,  /* a mere list of workers: never looked at */
	OUTCOME_UP,    /* running and ready; a oneshot: ended with success */
	OUTCOME_DOWN,  /* no process left */
	OUTCOME_NEW,   /* up, in a generation that began after the call */
	OUTCOME_GONE,  /* the process that was there at the call is gone */
	OUTCOME_LEFT,  /* it has left the fleet */
	OUTCOME_ROLLED /* a floor's slot: its newest generation serves, and its
	                  workers stand on that */
};

struct target {
	struct worker *worker; /* a reference */
	enum outcome_kind kind;
	size_t place;        /* in the answer */
	uint64_t generation; /* at the call */
	int pid;             /* at the call */
	int settled;         /* what follows is the answer */
	int done;
	char error[RECORD_FAULT_MAX + 96]; /* "" if done */
};

struct outcome {
	struct answer answer;
	enum outcome_kind kind;
	struct target *targets; /* sorted by worker, each once */
	size_t ntargets, cap, unsettled;
	json_t *extra; /* of the answer: an object, or NULL; a
	                   member `failed` will be the names of the results
	                   that have an error */
};

struct outcome *outcome_new(enum outcome_kind kind); /* NULL: no memory */
void outcome_free(struct outcome *o);                /* NULL is allowed */
/* -1: no memory. */
int outcome_add(struct outcome *o, struct worker *w);
/* One that is to come to another end than the rest. */
int outcome_add_as(struct outcome *o, struct worker *w, enum outcome_kind kind);
/* After the last add, before anything is done. */
void outcome_begin(struct outcome *o);
/* Ends the wait for one of them; error NULL: done. */
void outcome_settle(struct outcome *o, struct target *t, const char *error);
/* Looks at all workers, or at the one that changed; a target once settled
 * stays so. Returns whether all are. */
int outcome_look_all(struct outcome *o);
int outcome_look(struct outcome *o, const struct worker *w);
/* The answer: extra with `results: []Result`. A new reference; NULL: no
 * memory. */
json_t *outcome_reply(const struct outcome *o);
extern const char outcome_types[]; /* IDL of Result */

#endif
