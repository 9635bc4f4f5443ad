/* dump: the command that shows what workers' processes are about. */
#ifndef SVD_CTL_DUMP_H
#define SVD_CTL_DUMP_H

struct ctl;

/* The exit status; what went wrong has been said. */
int dump_run(struct ctl *ctl);

#endif
