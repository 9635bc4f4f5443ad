/*
 * fleetfile: the commands about the fleet file: apply it, compare it, show
 * what it says.
 */
#ifndef SVD_CTL_FLEETFILE_H
#define SVD_CTL_FLEETFILE_H

struct ctl;

/* Each returns the exit status; what went wrong has been said. */
int fleetfile_reload(struct ctl *ctl);
int fleetfile_diff(struct ctl *ctl);
int fleetfile_scale(struct ctl *ctl);
int fleetfile_config(struct ctl *ctl);

#endif
