/*
 * table: what the supervisor says of outputs, in the table that the keeper
 * holds, is done: which streams there are, and in which rings they end.
 */
#ifndef SVD_LOGGER_TABLE_H
#define SVD_LOGGER_TABLE_H

#include "logger/context.h"

/* After descriptors were handed over, and at table_at; reads the table if there
 * is a new one. */
void table_update(struct logger *lg, int64_t now);
/* Once, at the start: what left while nobody was there is seen to. */
void table_adopt_left_over(struct logger *lg, int64_t now);
/* Is it of no use, and so the keeper need not hold it any more? */
int table_drops(struct logger *lg, const char *name);

#endif
