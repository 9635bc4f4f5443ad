/*
 * ask: the commands that speak to one worker by its channel: run, call, store,
 * load.
 */
#ifndef SVD_CTL_ASK_H
#define SVD_CTL_ASK_H

struct ctl;

/* Each returns the exit status; what went wrong has been said. */
int ask_run(struct ctl *ctl);
int ask_call(struct ctl *ctl);
int ask_store(struct ctl *ctl);
int ask_load(struct ctl *ctl);

#endif
