/* readers: see readers.h. */
#include "logger/readers.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "logger/attach.h"
#include "logger/reader.h"
#include "logger/streams.h"
#include "logger/terminals.h"

/* Where too many read already, the client hears it and is closed: it may come
 * again. */
static void
refuse(int client)
{
	static const char text[] =
	    "{\"error\":\"org.svd.Fleet.Failed\",\"parameters\":"
	    "{\"reason\":\"too many read logs or are attached now\"}}";

	if (send(client, text, sizeof(text), MSG_NOSIGNAL | MSG_DONTWAIT) == -1)
		log_debug("a reader of logs is gone");
}

static int
find_free(const struct logger *lg)
{
	int i;

	for (i = 0; i < CURSORS_READERS && lg->readers[i].pid != 0; i++)
		;
	return i;
}

void
readers_start(struct logger *lg, const struct pl_msg *m, const int *fds,
    size_t nfds, int64_t now)
{
	int number = find_free(lg);
	pid_t main_pid = getpid();
	struct reader *r;

	if (number == CURSORS_READERS) {
		refuse(fds[0]);
		return;
	}
	r = &lg->readers[number];
	/* The last words of the dead are to be among what is shown. */
	streams_look_at_all(lg, now);
	r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->pid = r->wake_fd == -1 ? -1 : fork();
	if (r->pid == 0)
		terminals_leave(lg);
	if (r->pid == 0 && m->type == PL_ATTACH)
		attach_run(lg, m, fds, nfds, number, main_pid);
	if (r->pid == 0)
		reader_run(lg, m, fds[0], number, main_pid);
	if (r->pid == -1) {
		log_error("cannot start a reader of logs: %s", strerror(errno));
		fd_close(&r->wake_fd);
		r->pid = 0;
		refuse(fds[0]);
	}
}

int
readers_reaped(struct logger *lg, pid_t pid)
{
	int i;

	for (i = 0; i < CURSORS_READERS; i++)
		if (lg->readers[i].pid == pid) {
			lg->readers[i].pid = 0;
			fd_close(&lg->readers[i].wake_fd);
			return 1;
		}
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
