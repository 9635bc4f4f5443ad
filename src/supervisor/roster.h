/*
 * roster: all workers of the fleet, in the order of its file. Each is found by
 * its id, by a pid or by a birth token without looking at the others. Owns the
 * list, not the workers, which never move.
 */
#ifndef SVD_SUPERVISOR_ROSTER_H
#define SVD_SUPERVISOR_ROSTER_H

#include <stddef.h>
#include <stdint.h>

struct worker;

/* What a worker is found by. */
enum roster_key {
	ROSTER_ID,
	ROSTER_PID,
	ROSTER_STOP_PID,
	ROSTER_READY_PID,
	ROSTER_TOKEN,
	ROSTER_STOP_TOKEN,
	ROSTER_READY_TOKEN,
	ROSTER_KEYS
};

/* One key of one worker, which it is a part of. */
struct roster_node {
	uint64_t key; /* 0: none, in no bucket */
	struct worker *worker;
	struct roster_node *next; /* of its bucket */
};

/* Zero it to initialise it. */
struct roster {
	struct worker **list;
	size_t n, cap;
	struct roster_node **buckets;
	size_t nbuckets; /* a power of two */
};

#define ROSTER_EACH(r, i, w) \
	for ((i) = 0; (i) < (r)->n && ((w) = (r)->list[i]) != NULL; (i)++)

void roster_release(struct roster *r);
/* At the end of the list. -1: no memory. */
int roster_add(struct roster *r, struct worker *w);
void roster_remove(struct roster *r, struct worker *w);
/* The next ones, n with those that are there, cannot fail to be added. */
int roster_reserve(struct roster *r, size_t n);
/* By place, then by id. */
void roster_sort(struct roster *r);
/* A pid or token in w's record has changed. Does nothing for a worker that is
 * in no roster. */
void roster_note(struct roster *r, struct worker *w);
/* NULL: nobody's. "web" is an older journal's "web:0". */
struct worker *roster_by_id(const struct roster *r, const char *id);
struct worker *roster_by_pid(const struct roster *r, int pid);
struct worker *roster_by_token(const struct roster *r, uint64_t token);

#endif
