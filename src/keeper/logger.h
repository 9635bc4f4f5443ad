/*
 * logger: the keeper's side of the logger's life: it is started once the
 * supervisor has said which outputs are captured, and asked to finish when
 * nobody is left who writes.
 */
#ifndef SVD_KEEPER_LOGGER_H
#define SVD_KEEPER_LOGGER_H

#include "keeper/keeper.h"

#define LOGGER_FLUSH_MS 5000 /* what it may take to finish */

/* To be called once; holds the pair by which it and the supervisor talk. -1
 * and errno. */
int logger_init(struct keeper *k);
/* Starts one where one is needed and its time has come. */
void logger_start(struct keeper *k);
/* Sends what it waits for: descriptors, an answer, the wish to finish. */
void logger_tell(struct keeper *k);
/* Looks whether it has died. */
void logger_check_death(struct keeper *k);
/* Would it have something to do, or is it needed no more? */
int logger_is_done(const struct keeper *k);

#endif
