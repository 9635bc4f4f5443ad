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
/* Is there one with what s writes? */
int problems_hinder(const struct logger *lg, const struct stream *s);
/* s goes elsewhere by now: its problem is another one, or over. */
void problems_moved(struct logger *lg, struct stream *s, int64_t now);

#endif
