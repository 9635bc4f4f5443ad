/*
 * copier: workers' lines on their way into svd's own log, each with a time and
 * a name in front. From one ring to another, each line once.
 */
#ifndef SVD_LOGGER_COPIER_H
#define SVD_LOGGER_COPIER_H

#include "logger/context.h"

/* Copies what is there and has room; puts the ring on the list of those that
 * wait for room. */
void copier_copy(struct logger *lg, struct ring *r, int64_t now);
/* Goes on with those that waited for room. */
void copier_go_on(struct logger *lg, int64_t now);
/* Is there room for one that waits? */
int copier_can_go_on(const struct logger *lg);
/* Lines that have waited for their end long enough go as they are; sets
 * partial_at. */
void copier_end_lines(struct logger *lg, int64_t now);
/* A predecessor may have been killed while it copied. */
void copier_recover(struct logger *lg, struct ring *r);

#endif
