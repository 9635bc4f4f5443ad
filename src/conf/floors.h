/*
 * floors: what keys of a floor, and of the workers that stand on it, have to do
 * with each other. Part of conf_load, and used by nobody else.
 */
#ifndef SVD_CONF_FLOORS_H
#define SVD_CONF_FLOORS_H

#include "conf/build.h"

/* Do the keys of [floor:F], s, go with its runtime? What is wrong goes to d;
 * -1 then. */
int floors_check_keys(
    const struct raw_section *s, const struct floor_conf *f, struct diags *d);
/* Does [worker:W], s, have either a command, or a floor and an entry? As
 * above. */
int floors_check_choice(const struct raw_section *s, struct diags *d);
/* Once all is built: do the workers' floors exist, and can they be theirs? */
void floors_check(struct load *l);

#endif
