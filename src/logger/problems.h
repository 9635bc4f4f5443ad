/*
 * problems: what hinders an output, told to the supervisor, who shows it.
 */
#ifndef SVD_LOGGER_PROBLEMS_H
#define SVD_LOGGER_PROBLEMS_H

#include "logger/context.h"

/* Looks whether something has changed. */
void problems_check(struct logger *lg, int64_t now);
/* Tells all there are, to a supervisor that is new. */
void problems_tell_all(struct logger *lg);

#endif
