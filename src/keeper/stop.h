/*
 * stop: the end of the fleet, and the last word, which needs no supervisor, no
 * memory, no disk and no new process.
 */
#ifndef SVD_KEEPER_STOP_H
#define SVD_KEEPER_STOP_H

#include "keeper/keeper.h"

#define STOP_CONFIRM_MS 1000  /* what the supervisor has to say that it does */
#define STOP_KILL_ALL_MS 5000 /* then what is left cannot be killed */

/* The supervisor is to end the fleet; if it does not say STOPPING within a
 * second, the keeper does. */
void stop_ask(struct keeper *k);
/* It does; the first exit status that is not 0 stays. */
void stop_confirmed(struct keeper *k, int exit_code);
/* A supervisor died that had confirmed: its successor is asked again. */
void stop_unconfirm(struct keeper *k);
/* Nobody is left who writes: leave once the logger has finished. */
void stop_flush(struct keeper *k);
/* Leave then, and all processes but our own as they are. */
void stop_detach(struct keeper *k);
/* SIGKILL to everything but ourselves; then leave with exit_code. */
void stop_kill(struct keeper *k, int exit_code);
/* What is due. 1: nobody is left, leave. */
int stop_check(struct keeper *k, int64_t now);

#endif
