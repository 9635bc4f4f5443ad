/*
 * main_pid: a worker's process says that another is the main one from now on
 * (MAINPID= of sd_notify(3)): a daemon that forks its successor and ends. Such
 * a process need not be the keeper's child, so it is watched as one that an
 * earlier svd has made (adopted.h).
 */
#ifndef SVD_SUPERVISOR_MAIN_PID_H
#define SVD_SUPERVISOR_MAIN_PID_H

#include <sys/types.h>

#include "base/err.h"

struct worker;

/* pid, as sender (0: not known) says, which must be proven to be of w's tree.
 * 0 also where it is the main process already. -1 and *e: it is not believed.
 */
int main_pid_take(struct worker *w, int pid, pid_t sender, struct err *e);

#endif
