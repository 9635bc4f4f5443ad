/*
 * discard: descriptors that somebody gave us, and that are to be closed. What
 * that takes is in the hands of whoever made them: a file system that is a
 * program (FUSE) is asked, and a socket that lingers waits for its peer. We
 * never wait for either.
 */
#ifndef SVD_SUPERVISOR_DISCARD_H
#define SVD_SUPERVISOR_DISCARD_H

#include <stddef.h>

/* Is it of a kind that can be closed without asking any file system? */
int discard_asks_nobody(int fd);
/* Nor is to be waited for what is still to be sent there, unless whoever has it
 * too says so again. */
void discard_forget_linger(int fd);
/* Closes all of them; those that may take long in a process of their own. */
void discard(const int *fds, size_t n);
/* Takes one whole message from a socket, and discards what came along. */
void discard_message(int sock);

#endif
