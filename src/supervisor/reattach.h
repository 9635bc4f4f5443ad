/*
 * reattach: what an svd that was killed, or has detached, has left behind: its
 * journal, which the launcher has found and the keeper holds as "journal". The
 * first supervisor takes over what it says, so that everything goes on as after
 * a supervisor's death; processes are then adopted.h's. What came of each
 * worker is told by `svctl reattach`.
 */
#ifndef SVD_SUPERVISOR_REATTACH_H
#define SVD_SUPERVISOR_REATTACH_H

#include <jansson.h>

#include "supervisor/state.h"

struct supervisor;
struct worker;

enum reattach_outcome {
	REATTACH_KEPT, /* it had no process */
	REATTACH_ADOPTED,
	REATTACH_GONE,
	REATTACH_REFUSED
};

/* Replays the old journal into the workers, if there is one and no journal of
 * our own keeper yet. Before that is opened. */
void reattach_replay(struct supervisor *s, state_replay_fn *replay);
/* Adopts what it can; after the journal is opened, in any life. */
void reattach_adopt(struct supervisor *s);
/* What has become of w; text: why, or NULL. */
void reattach_note(
    struct worker *w, enum reattach_outcome outcome, const char *text);
/* Tries those again that were refused. Borrowed: a list of what has become of
 * each; NULL: no memory. */
json_t *reattach_again(struct supervisor *s);

#endif
