/*
 * terminal: the controlling terminal, found without /dev/tty (which a
 * container may lack).
 */
#ifndef SVD_BASE_TERMINAL_H
#define SVD_BASE_TERMINAL_H

#include <sys/types.h>

/* Whichever of 0, 1, 2 is our session's terminal, or -1. */
int terminal_find(void);
/* Makes pgrp the foreground group if `from` is it now. -1: it is not, or the
 * call failed. SIGTTOU must be blocked or ignored. */
int terminal_hand_over(int fd, pid_t from, pid_t pgrp);

#endif
