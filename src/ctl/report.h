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
/* The answer is a typed error. */
int report_error(const struct varlink_reply *r);

#endif
