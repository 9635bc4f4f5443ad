/*
 * attach: `svctl attach`: the terminal becomes a worker's stdin and stdout.
 */
#ifndef SVD_CTL_ATTACH_H
#define SVD_CTL_ATTACH_H

#include "ctl/commands.h"

int attach_terminal(struct ctl *ctl);

#endif
