/*
 * logs: `svctl logs`, and the last lines that `svctl why` shows.
 */
#ifndef SVD_CTL_LOGS_H
#define SVD_CTL_LOGS_H

#include "ctl/commands.h"

/* The exit status. */
int logs_run(struct ctl *ctl);
/* Adds `output`, the last lines, to those of Why's workers that are not
 * running, as far as it is to be had within a second. */
void logs_add_tails(const struct ctl *ctl, json_t *workers);

#endif
