/*
 * channel: our end of a worker's channel (ipc/frame.h). The keeper holds it as
 * "chan:ID", so that the channel, and what is on its way in it, outlives us:
 * the worker never notices that it speaks to another supervisor. What comes is
 * looked at, recorded or given to whoever asked, and only then taken. What is
 * asked there is in request.h.
 */
#ifndef SVD_SUPERVISOR_CHANNEL_H
#define SVD_SUPERVISOR_CHANNEL_H

#include "base/err.h"
#include "core/record.h"
#include "supervisor/loop.h"
#include "supervisor/request.h"

struct supervisor;
struct worker;

struct channel {
	struct worker *worker;
	int fd;     /* -1: it has ended */
	int theirs; /* until the worker has it, or -1 */
	struct loop_io io;
	struct loop_timer ending;
	char ended[RECORD_FAULT_MAX]; /* why, "" if it has not */
	struct requests requests;
};

/*
 * For a birth: *theirs is the worker's end of a new pair, borrowed; 0 where it
 * is to have none. Asked again before channel_lent(), it is the same pair. -1:
 * *e begins with the stage.
 */
int channel_lend(struct worker *w, int *theirs, struct err *e);
/* The worker has its end. */
void channel_lent(struct worker *w);
/* A successor's, after the replay; and once it may take what is there. */
void channels_adopt(struct supervisor *s);
void channels_listen(struct supervisor *s);
/* Its process has ended, as rec.last says: what it has answered before is
 * heard, whatever else was asked has died with it. */
void channel_finish(struct worker *w);
/* Only once that is on record. */
void channel_close(struct worker *w);
/* For people: "in its loop", or why it has ended; NULL: the worker has none. */
const char *channel_text(const struct worker *w);
/* What a process that has just ended was about; NULL: its channel has nothing
 * to say of that. */
const char *channel_stage_text(const struct worker *w);
/* Reads; and writes, once there is room, where for_room. */
void channel_watch(struct channel *c, int for_room);
/* The worker's end is closed. */
void channel_expect_end(struct channel *c);

#endif
