/*
 * adopted: workers' processes that are not the keeper's children, as an earlier
 * svd has made them. The supervisor gives it their pidfds to hold, "pidfd:ID",
 * of stop_commands "pidfd-stop:ID"; the last word reaches them by these.
 */
#ifndef SVD_KEEPER_ADOPTED_H
#define SVD_KEEPER_ADOPTED_H

#include "keeper/keeper.h"

/* To each of them; group: to its process group too. */
void adopted_send(const struct keeper *k, int sig, int group);
/* Does one of them live? */
int adopted_alive(const struct keeper *k);

#endif
