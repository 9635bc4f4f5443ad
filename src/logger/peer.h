/*
 * peer: the logger's talk with the supervisor, over the pair that the keeper
 * holds for both.
 */
#ifndef SVD_LOGGER_PEER_H
#define SVD_LOGGER_PEER_H

#include "logger/context.h"

/* Takes the pair if it has come; says who we are. */
void peer_open(struct logger *lg);
/* Obeys what there is, but for a call that is meant for a table which has not
 * come yet: that waits, and what is behind it... */
void peer_read(struct logger *lg, int64_t now);
/* ... until it has, or was waited for for long enough. */
void peer_go_on(struct logger *lg, int64_t now);

#endif
