/*
 * life: the supervisor's, as far as it is not any role's (role.h): its birth
 * sockets, what it is told and asked, what it says.
 */
#ifndef SVD_KEEPER_LIFE_H
#define SVD_KEEPER_LIFE_H

#include "keeper/keeper.h"

#define LIFE_ANSWER_MS 10000 /* an EXIT or SIGNAL unanswered: hung */

/* To be called once. */
void life_init(struct keeper *k);
/* Starts one if there is none and its time has come. */
void life_start(struct keeper *k);
/* Looks whether it has died; then buries it and plans the next. */
void life_check_death(struct keeper *k);
/* There is one, and it has been handed all that is held. */
int life_can_hear(const struct keeper *k);
/* Sends pending signals if the last ones were answered. */
void life_send_signals(struct keeper *k);
/* Ends it if an answer is overdue; pings it if that is asked for. */
void life_check_answers(struct keeper *k, int64_t now);
/* The earliest time at which one of these has something to do, 0: never. */
int64_t life_deadline(const struct keeper *k);

#endif
