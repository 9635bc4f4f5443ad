/*
 * explain: tells a load's sink, if there is one, each key's value and where it
 * comes from. Part of conf_load, and used by nobody else.
 */
#ifndef SVD_CONF_EXPLAIN_H
#define SVD_CONF_EXPLAIN_H

#include "conf/build.h"

/* Once [fleet] is parsed; what goes wrong is an error of the load. */
void explain_fleet(const struct load *l);
/* w is put together, made of s. */
void explain_worker(const struct load *l, const struct raw_section *s,
    const struct worker_section *w);

#endif
