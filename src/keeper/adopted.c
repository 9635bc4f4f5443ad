/* adopted: see adopted.h. */
#include "keeper/adopted.h"

#include <string.h>

#include "base/sys.h"

#define PREFIX "pidfd"

/* The next one's pidfd from entry *at on, which is set behind it; or -1. */
static int
next(const struct keeper *k, size_t *at)
{
	const struct vault_entry *e;

	while (*at < k->vault.n) {
		e = &k->vault.entries[(*at)++];
		if (strncmp(e->name, PREFIX, strlen(PREFIX)) == 0)
			return e->fd;
	}
	return -1;
}

void
adopted_send(const struct keeper *k, int sig, int group)
{
	size_t at = 0;
	int pidfd;

	while ((pidfd = next(k, &at)) != -1) {
		if (group)
			sys_pidfd_send_signal_group(pidfd, sig);
		sys_pidfd_send_signal(pidfd, sig);
	}
}

int
adopted_alive(const struct keeper *k)
{
	size_t at = 0;
	int pidfd;

	while ((pidfd = next(k, &at)) != -1)
		if (!sys_pidfd_is_dead(pidfd))
			return 1;
	return 0;
}
