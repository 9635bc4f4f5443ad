/*
 * check: what depends on the machine and on who svd runs as. The rest of it
 * is conf_check_machine in conf.h.
 */
#ifndef SVD_CONF_CHECK_H
#define SVD_CONF_CHECK_H

#include "core/fleet.h"

/* The key ("user", "group") for which w cannot run under an svd that is not
 * root, with the reason in e; NULL where all is well. */
const char *check_identity_of(const struct worker_conf *w, struct err *e);

/* The key for which w cannot stand on a floor as whom that runs, with the
 * reason in e; NULL where all is well. Only a floor that is root, and says so,
 * can make workers of somebody else. */
const char *check_stands_on(const struct worker_conf *w,
    const struct worker_conf *floor, struct err *e);

/* Is there a directory for svd's own log to stand in? -1 and *e. */
int check_log(const struct fleet *f, struct err *e);

#endif
