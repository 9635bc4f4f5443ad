/*
 * reap: exits, in the order peek, tell, be acknowledged, reap. The zombie is
 * the record: a pid cannot be used again while anybody may still ask for it.
 */
#ifndef SVD_KEEPER_REAP_H
#define SVD_KEEPER_REAP_H

#include "keeper/keeper.h"

/* Looks for exits to tell the supervisor of, KEEPER_EXITS_MAX at a time. */
void reap_announce(struct keeper *k);
/* The supervisor has recorded this exit. */
void reap_acknowledged(struct keeper *k, pid_t pid);
/* Reaps whatever is dead, the supervisor too, and forgets it: its pid may be
 * somebody else's from now on. -1: there is no child at all any more. */
int reap_everything(struct keeper *k);
/* Reaps dead orphans, so that they do not use up the pids while there is no
 * supervisor to tell; the announced children's records stay. */
void reap_unannounced(struct keeper *k);
/* Every child, adopted ones too, as /proc has them; none without /proc. */
void reap_each_child(struct keeper *k, void (*fn)(struct keeper *k, pid_t pid));

void reap_add_child(struct keeper *k, pid_t pid);

#endif
