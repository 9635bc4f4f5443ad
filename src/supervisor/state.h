/*
 * state: the fleet's journal (core/record.h), a file in the runtime directory
 * or, where there is none, a memfd; the keeper holds it too. Appended to at
 * every step, written anew when it has grown; never fsynced: another boot makes
 * it void.
 */
#ifndef SVD_SUPERVISOR_STATE_H
#define SVD_SUPERVISOR_STATE_H

#include <stddef.h>

#include "base/err.h"
#include "core/record.h"

#define STATE_REWRITE_BYTES (64 << 10)

struct state;

/* Calls state_put() for everything that still matters. */
typedef void state_dump_fn(struct state *st, void *arg);
/* One valid record of an existing journal. */
typedef void state_replay_fn(const struct record *r, void *arg);

struct state {
	int fd;
	const char *dir;   /* NULL: a memfd */
	size_t size, live; /* bytes now, and when last written anew */
	int torn;          /* the last line did not get its newline */
	int failed;        /* a write failed: what is on disk lags behind */
	int failure;       /* its errno */
	struct fleet_record header;
	state_dump_fn *dump;
	void *arg;
	void (*changed_fd)(struct state *st, void *arg); /* hold the new fd */
	/* It is time for state_maintain(): now, or later where it failed. */
	void (*grown)(struct state *st, void *arg);
};

/*
 * Goes on with the journal at held (taken; -1: none is held) if it is of this
 * header's epoch, calling replay for each record; else makes a new one. dir is
 * borrowed.
 */
int state_open(struct state *st, int held, const char *dir,
    const struct fleet_record *header, state_replay_fn *replay, struct err *e);
void state_close(struct state *st);
/* Appends. A failure is logged once and kept in st->failed. */
void state_put(struct state *st, const struct record *r);
/* Between two steps: writes the journal anew if it has grown, or to mend a
 * failure. */
void state_maintain(struct state *st);
/* What this boot and pid namespace are. */
void
state_fill_header(struct fleet_record *h, const char *name, uint64_t epoch);

#endif
