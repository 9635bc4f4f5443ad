/*
 * report: what svctl says, and exits with, where a call did not go well.
 */
#ifndef SVD_CTL_REPORT_H
#define SVD_CTL_REPORT_H

#include "ctl/commands.h"

/* Each says why and returns the exit status. */
/* There was no answer, for the reason that r and e tell. */
int report_no_answer(
    const struct ctl *ctl, enum client_result r, const struct err *e);
/* The answer is no reply, or a typed error. EXIT_DONE: neither, and nothing is
 * said; *r is it. */
int report_reply(json_t *msg, struct varlink_reply *r);

#endif
