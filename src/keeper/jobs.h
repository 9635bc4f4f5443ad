/*
 * jobs: job control for `svd -- COMMAND` at a terminal. COMMAND has a process
 * group of its own in svd's session and the terminal with it; when it stops,
 * svd stops, so that the shell above sees its job stopped; when svd is
 * continued, COMMAND is.
 */
#ifndef SVD_KEEPER_JOBS_H
#define SVD_KEEPER_JOBS_H

#include "keeper/keeper.h"

void jobs_init(struct keeper *k);
/* Is it svd that the terminal is given to, at its start? */
int jobs_have_terminal(const struct keeper *k);
/* After SIGCHLD: has COMMAND stopped? Then stops with it, and returns when
 * continued. */
void jobs_check(struct keeper *k);
/* After SIGCONT: COMMAND gets the terminal if the shell gave it to us. */
void jobs_continue(struct keeper *k);
/* The terminal goes back to whoever started svd. */
void jobs_end(struct keeper *k);

#endif
