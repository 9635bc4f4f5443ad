/* terminal: see terminal.h. */
#include "base/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

/* ioctl, not tcgetpgrp: also used between clone and exec. TIOCGPGRP fails
 * on any terminal but our session's own. */
int
terminal_find(void)
{
	pid_t pgrp;
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (ioctl(fd, TIOCGPGRP, &pgrp) == 0)
			return fd;
	return -1;
}

int
terminal_hand_over(int fd, pid_t from, pid_t pgrp)
{
	pid_t now;

	if (ioctl(fd, TIOCGPGRP, &now) == -1 || now != from)
		return -1;
	return ioctl(fd, TIOCSPGRP, &pgrp);
}
