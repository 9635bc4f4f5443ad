/* dispositions: see dispositions.h. */
#include "lib/dispositions.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KERNEL_SIGSET_BYTES 8

static int
is_libc_s(int sig)
{
	return sig >= __SIGRTMIN && sig < SIGRTMIN;
}

void
dispositions_take(struct dispositions *d)
{
	int sig;

	memset(d, 0, sizeof(*d));
	for (sig = 1; sig <= DISPOSITIONS; sig++)
		syscall(SYS_rt_sigaction, sig, NULL, d->of[sig],
		    KERNEL_SIGSET_BYTES);
}

void
dispositions_restore(const struct dispositions *d)
{
	int sig;

	for (sig = 1; sig <= DISPOSITIONS; sig++)
		if (!is_libc_s(sig) && sig != SIGKILL && sig != SIGSTOP)
			syscall(SYS_rt_sigaction, sig, d->of[sig], NULL,
			    KERNEL_SIGSET_BYTES);
}
