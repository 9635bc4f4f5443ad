/*
 * proctree: every descendant of a process, to end it whole. Needs /proc with
 * task/TID/children (CONFIG_PROC_CHILDREN); without it only the process and
 * its group are reached.
 */
#ifndef SVD_BASE_PROCTREE_H
#define SVD_BASE_PROCTREE_H

#include <stddef.h>
#include <sys/types.h>

/*
 * SIGKILL to pid and all its descendants: each is stopped first, top down, so
 * that none can fork away, then all are killed; but one without any, that
 * sleeps, is killed at once. pid must be known to be the
 * right process (an unreaped child, or proven by its pidfd).
 * Returns how many were killed. Descendants over an internal limit of 65536
 * are left to the next call.
 */
int proctree_kill(pid_t pid);
/* The same of a process that may not be ours, and is proven to be the right one
 * by its pidfd (borrowed). */
int proctree_kill_proven(pid_t pid, int pidfd);
/*
 * SIGKILL to every child of parent that wanted() says yes to, with all their
 * descendants. adopted: nothing is done unless there is one among the children
 * of its first thread, to whom the kernel gives those that it adopts. Returns
 * how many; none without /proc.
 */
int proctree_kill_children(
    pid_t parent, int adopted, int (*wanted)(pid_t pid, void *arg), void *arg);
/* The same of all processes there are. */
int proctree_kill_all(int (*wanted)(pid_t pid, void *arg), void *arg);

#endif
