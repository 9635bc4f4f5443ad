/*
 * state: the fleet's journal (core/record.h), appended to at every step and
 * written anew when it has grown.
 *
 * It is a memfd that the keeper holds too: no disk can be full, slow or gone
 * under it, and a successor always finds it whole. The file in the runtime
 * directory is a copy, for svctl's own kill and for whoever comes after the
 * keeper; where it cannot be written it lags behind until it can. Never
 * fsynced: another boot makes it void.
 */
#ifndef SVD_SUPERVISOR_STATE_H
#define SVD_SUPERVISOR_STATE_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "core/record.h"

#define STATE_REWRITE_BYTES (64 << 10)
/* Memory that the journal has and does not use yet, and the least for which
 * somebody is still born: what comes of it must be recorded. */
#define STATE_ROOM_BYTES (64 << 10)
#define STATE_LIFE_BYTES (16 << 10)
#define STATE_TROUBLE_SIZE 256

struct state;

/* Calls state_put() for everything that still matters. */
typedef void state_dump_fn(struct state *st, void *arg);
/* One valid record of an existing journal. */
typedef void state_replay_fn(const struct record *r, void *arg);

struct state {
	int fd;            /* the memfd */
	int file;          /* the copy, -1: there is none now */
	const char *dir;   /* of the copy, NULL: none is wanted */
	size_t size, live; /* bytes now, and when last written anew */
	size_t room;       /* up to this size it has its memory already */
	int torn;          /* the last line did not get its newline */
	/* Each an errno, 0: all is well. */
	int failed;  /* a record could not be written: no memory */
	int narrow;  /* no room can be had */
	int lagging; /* the copy could not be written */
	char trouble[STATE_TROUBLE_SIZE]; /* the worst of these in words */
	struct buf *batch; /* written anew: lines, to be written in one go */
	struct fleet_record header;
	state_dump_fn *dump;
	void *arg;
	/* There is a new memfd to be held. */
	void (*changed_fd)(struct state *st, void *arg);
	/* It is time for state_maintain(): now, or later where something
	 * failed. */
	void (*grown)(struct state *st, void *arg);
};

/*
 * Goes on with the journal at held (taken; -1: none is held) if it is of this
 * header's epoch, calling replay for each record; else makes a new one. dir is
 * borrowed. A copy that cannot be written is no error.
 */
int state_open(struct state *st, int held, const char *dir,
    const struct fleet_record *header, state_replay_fn *replay, struct err *e);
/*
 * The same of another svd's journal at fd (borrowed), of this boot and pid
 * namespace; replay is given arg. *ending: its fleet was going down. -1: it is
 * not one, or cannot be read.
 */
int state_replay_former(
    int fd, state_replay_fn *replay, void *arg, int *ending, struct err *e);
/* From here on the fleet is going down. */
void state_put_ending(struct state *st);
void state_close(struct state *st);
/* Appends. A failure is logged once and mended by state_maintain(). */
void state_put(struct state *st, const struct record *r);
/* Before somebody is born: is there room for a life's records? -1 and errno. */
int state_reserve(struct state *st);
/*
 * A journal of an older schema goes on as it is, so that who wrote it may come
 * back; by this it is written anew in the present one.
 */
void state_renew(struct state *st);
/* Between two steps: writes the journal anew if it has grown, and what lags
 * behind. */
void state_maintain(struct state *st);
/* Writes the copy anew; -1: it is not whole, and *e says why. */
int state_copy(struct state *st, struct err *e);
/* What failed and is not mended, for people; NULL: nothing. */
const char *state_trouble(const struct state *st);
/* Is there such a thing? Is something not recorded, so that nothing may be
 * consumed that a successor would need to be told again? */
int state_degraded(const struct state *st);
int state_behind(const struct state *st);
/* What this boot and pid namespace are. */
void
state_fill_header(struct fleet_record *h, const char *name, uint64_t epoch);

#endif
