/* jobs: see jobs.h. */
#include "keeper/jobs.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/terminal.h"

void
jobs_init(struct keeper *k)
{
	k->terminal_fd = k->init_mode ? terminal_find() : -1;
}

int
jobs_have_terminal(const struct keeper *k)
{
	pid_t pgrp;

	return k->terminal_fd != -1 &&
	       ioctl(k->terminal_fd, TIOCGPGRP, &pgrp) == 0 &&
	       pgrp == getpgrp();
}

/* Is there a shell above that would see us stopped and continue us? PID 1 and
 * a session's leader have none. */
static int
has_shell(const struct keeper *k)
{
	return k->terminal_fd != -1 && getpid() != 1 && getsid(0) != getpid();
}

void
jobs_check(struct keeper *k)
{
	siginfo_t si = {.si_pid = 0};

	if (!has_shell(k) || k->command == 0 ||
	    waitid(P_PID, (id_t)k->command, &si, WSTOPPED | WNOHANG) == -1 ||
	    si.si_pid == 0)
		return;
	terminal_hand_over(k->terminal_fd, k->command, getpgrp());
	k->foreground = 0;
	/* The rest of our job, as in `svd -- COMMAND | less`. */
	kill(0, SIGTSTP);
	/* To this thread, which then is stopped when the call returns. The
	 * process's would go to the first thread, and this one on for a while;
	 * raise(3) takes us for that one, too. */
	syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGSTOP);
	jobs_continue(k);
	kill(-k->command, SIGCONT);
}

void
jobs_continue(struct keeper *k)
{
	if (k->terminal_fd != -1 && k->command != 0 &&
	    terminal_hand_over(k->terminal_fd, getpgrp(), k->command) == 0)
		k->foreground = 1;
}

void
jobs_end(struct keeper *k)
{
	pid_t pgrp = getpgrp();

	/* In the background it is somebody else's by now. */
	if (k->foreground)
		ioctl(k->terminal_fd, TIOCSPGRP, &pgrp);
}
