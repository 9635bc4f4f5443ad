/*
 * fake_keeper: what a keeper and its roles do to a process, which is the
 * suite's here. To be included by one that defines what else it wants of sys.
 */
#include <stdint.h>
#include <sys/mman.h>

#include "base/sys.h"

int
sys_sigmask(uint64_t mask)
{
	(void)mask;
	return 0;
}

int
sys_signalfd(uint64_t mask)
{
	(void)mask;
	return -1;
}

int
sys_open_self(void)
{
	return -1;
}

int
sys_memfd(const char *name)
{
	return memfd_create(name, MFD_CLOEXEC);
}

/* Nobody is adopted here. */

int
sys_pidfd_send_signal(int pidfd, int sig)
{
	(void)pidfd;
	(void)sig;
	return 0;
}

int
sys_pidfd_send_signal_group(int pidfd, int sig)
{
	return sys_pidfd_send_signal(pidfd, sig);
}

int
sys_pidfd_is_dead(int pidfd)
{
	(void)pidfd;
	return 1;
}
