/*
 * life: the supervisor's: started, told and asked, found dead or hung, started
 * again, for ever.
 */
#ifndef SVD_KEEPER_LIFE_H
#define SVD_KEEPER_LIFE_H

#include "keeper/keeper.h"

#define LIFE_ANSWER_MS 10000 /* an EXIT or SIGNAL unanswered: hung */
#define LIFE_ABRT_MS 2000    /* from ABRT to KILL */
#define LIFE_OLD_MS 10000    /* a life this long starts the count anew */

/* Starts one if there is none and its time has come. */
void life_start(struct keeper *k);
/* Looks whether it has died; then buries it and plans the next. */
void life_check_death(struct keeper *k);
/* It has been reaped by somebody else. */
void life_forget(struct keeper *k);
/* There is one, and it has been handed all that is held. */
int life_can_hear(const struct keeper *k);
/* Goes on handing over what is held, as far as the socket takes it. */
void life_hand_over(struct keeper *k);
/* Sends pending signals if the last ones were answered. */
void life_send_signals(struct keeper *k);
/* Reads and obeys a bounded number of its messages. Returns whether there may
 * be more. */
int life_receive(struct keeper *k);
/* fd: borrowed, or -1. -1: the message could not be sent now. */
int life_send(struct keeper *k, const struct keeper_msg *m, int fd);
/* Ends it if an answer is overdue; pings it if that is asked for. */
void life_check_answers(struct keeper *k, int64_t now);
/* The earliest time at which one of these has something to do, 0: never. */
int64_t life_deadline(const struct keeper *k);

#endif
