/* discard: see discard.h. */
#include "supervisor/discard.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"

#define MESSAGE_FDS_MAX 253 /* net/scm.h: SCM_MAX_FD */

/* None of these calls comes to a file system. */
int
discard_asks_nobody(int fd)
{
	static const char anonymous[] = "anon_inode:";
	char path[40], is[sizeof(anonymous)];
	socklen_t len = sizeof(int);
	int type;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 ||
	    fcntl(fd, F_GETPIPE_SZ) != -1 || fcntl(fd, F_GET_SEALS) != -1)
		return 1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return readlink(path, is, sizeof(is)) == (ssize_t)sizeof(is) &&
	       memcmp(is, anonymous, sizeof(anonymous) - 1) == 0;
}

void
discard_forget_linger(int fd)
{
	static const struct linger none = {.l_onoff = 0};
	struct linger l = {.l_onoff = 0};
	socklen_t len = sizeof(l);

	if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &l, &len) == 0 && l.l_onoff &&
	    l.l_linger > 0)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
}

/* Who has it too may let it linger until just before we close it. */
static int
may_linger(int fd)
{
	socklen_t len = sizeof(int);
	int domain;

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
	       domain != AF_UNIX;
}

static int
by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* In a process that may hang in it for ever: it must have nothing else that
 * somebody waits for the end of. */
static void
close_last(const int *fds, size_t n, int gate)
{
	int keep[MESSAGE_FDS_MAX + 1];
	unsigned int next = 0;
	size_t i;
	char byte;

	memcpy(keep, fds, n * sizeof(*fds));
	keep[n] = gate;
	qsort(keep, n + 1, sizeof(*keep), by_number);
	for (i = 0; i <= n; i++) {
		if ((unsigned int)keep[i] > next)
			close_range(next, (unsigned int)keep[i] - 1, 0);
		next = (unsigned int)keep[i] + 1;
	}
	close_range(next, ~0U, 0);
	/* Until nobody but us has them. */
	while (read(gate, &byte, 1) == -1 && errno == EINTR)
		;
	for (i = 0; i < n; i++)
		syscall(SYS_close, fds[i]);
	syscall(SYS_exit_group, 0);
}

/* By somebody who has time: a child of the keeper's, with nothing else to do.
 */
static void
close_aside(const int *fds, size_t n)
{
	int gate[2] = {-1, -1};
	long pid = -1;
	size_t i;

	if (n <= MESSAGE_FDS_MAX && pipe2(gate, O_CLOEXEC) == 0)
		pid = syscall(SYS_clone, CLONE_PARENT | (unsigned long)SIGCHLD,
		    NULL, NULL, NULL, NULL);
	if (pid == 0)
		close_last(fds, n, gate[0]);
	for (i = 0; i < n; i++)
		close(fds[i]);
	fd_close(&gate[0]);
	fd_close(&gate[1]);
}

void
discard(const int *fds, size_t n)
{
	size_t i;

	/* Those that take no time, up to the first that may. */
	for (i = 0; i < n; i++) {
		discard_forget_linger(fds[i]);
		if (may_linger(fds[i]) || !discard_asks_nobody(fds[i]))
			break;
		close(fds[i]);
	}
	for (n -= i, fds += i, i = 0; i < n; i++)
		discard_forget_linger(fds[i]);
	if (n > 0)
		close_aside(fds, n);
}

/* What is not received would be closed by the kernel, while we wait. */
void
discard_message(int sock)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct ucred)) +
			   CMSG_SPACE(MESSAGE_FDS_MAX * sizeof(int))];
	} control;
	char byte;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr mh = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *cm;

	if (recvmsg(sock, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) == -1)
		return;
	for (cm = CMSG_FIRSTHDR(&mh); cm != NULL; cm = CMSG_NXTHDR(&mh, cm))
		if (cm->cmsg_level == SOL_SOCKET && cm->cmsg_type == SCM_RIGHTS)
			discard((const int *)(const void *)CMSG_DATA(cm),
			    (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int));
}
