/* readers: see readers.h. */
#include "logger/readers.h"

#include <sys/eventfd.h>
#include <unistd.h>

void
readers_start(
    struct logger *lg, const struct pl_msg *m, int client, int64_t now)
{
	(void)lg;
	(void)m;
	(void)now;
	close(client);
}

int
readers_reaped(struct logger *lg, pid_t pid)
{
	(void)lg;
	(void)pid;
	return 0;
}

void
readers_finish(struct logger *lg)
{
	int i;

	for (i = 0; i < CURSORS_READERS; i++)
		if (lg->readers[i].pid != 0)
			eventfd_write(lg->readers[i].wake_fd, 1);
}

size_t
readers_count(const struct logger *lg)
{
	size_t n = 0;
	int i;

	for (i = 0; i < CURSORS_READERS; i++)
		n += lg->readers[i].pid != 0;
	return n;
}
