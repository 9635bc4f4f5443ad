/*
 * recorded: `svctl status --state`: what the copy of the journal says, and
 * which of the processes on record are there. Needs no daemon.
 */
#ifndef SVD_CTL_RECORDED_H
#define SVD_CTL_RECORDED_H

#include "ctl/commands.h"

/* Its value is svctl's exit status. */
int recorded_show(struct ctl *ctl);

#endif
