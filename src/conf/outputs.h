/*
 * outputs: what the streams of a fleet ask for together. Part of conf_load,
 * and used by nobody else.
 */
#ifndef SVD_CONF_OUTPUTS_H
#define SVD_CONF_OUTPUTS_H

#include "conf/build.h"

/* Workers that share a file must agree on its rotation; and where svd is to
 * start, there must be descriptors for all that it captures. What is wrong goes
 * to l->d; -1 where there is no memory. */
int outputs_check(struct load *l);

#endif
