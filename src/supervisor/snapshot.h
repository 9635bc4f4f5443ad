/*
 * snapshot: the fleet file as it was read, which the keeper holds: "fleet" is
 * what is in force. One that a reload has replaced is held on as "fleet:N"
 * while a worker that it names and the new one does not is still on its way
 * out, so that a successor knows how that one is to be stopped. "fleet=first"
 * is the one that svd was started with, where a later one says something else
 * that takes effect only when svd is started anew.
 */
#ifndef SVD_SUPERVISOR_SNAPSHOT_H
#define SVD_SUPERVISOR_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "conf/source.h"
#include "core/fleet.h"

struct supervisor;

struct snapshots {
	int fd; /* of the one in force; owned */
	struct snapshot_old {
		uint64_t number;
		size_t users;       /* workers on their way out */
		int fd;             /* -1: loaded, or of our own time */
		struct fleet fleet; /* a successor's, once it was needed */
	} * old;                    /* the newest last */
	size_t nold, cap;
	size_t ninvented; /* workers whose stanza nobody knows */
	int has_first;    /* "fleet=first" is held */
};

/* Takes all that is held, and loads the one in force to s->fleet, but for what
 * svd was started with. */
int snapshots_init(struct supervisor *s, const char *path, struct err *e);
/* What is in force, to be loaded from; NULL: it cannot be read. */
struct sources *snapshot_sources(const struct supervisor *s, struct err *e);
/* A successor's: the stanza of a worker that is not in the fleet, by its id, to
 * be freed, and where it stands. NULL: none is known, or no memory. */
struct worker_conf *
snapshot_find_old(struct supervisor *s, const char *id, uint64_t *number);
/* The same for one that an svd before us had, of whose fleet file nothing is
 * left: what is needed to stop it as one is stopped by default. */
struct worker_conf *
snapshot_invent(struct supervisor *s, const char *id, uint64_t *number);
/*
 * From here on fd (taken) is in force. The number of what it replaces, if
 * users workers of that have to leave; 0: none do.
 */
uint64_t snapshot_replace(struct supervisor *s, int fd, size_t users);
/* Before a first one is replaced that says otherwise: see above. */
void snapshot_keep_first(struct supervisor *s);
/* Room for one more in snapshot_replace(). -1: no memory. */
int snapshot_reserve(struct supervisor *s);
/* One worker less needs it; it is dropped with the last. */
void snapshot_leave(struct supervisor *s, uint64_t number);
/* A successor's, after the replay: what nobody needs is dropped. */
void snapshots_tidy(struct supervisor *s);

#endif
