/* chan: see chan.h. */
#include "ipc/chan.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(CHAN_FDS_MAX * sizeof(int))];
};

int
chan_pair(int fds[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds);
}

static ssize_t
send_to(int sock, const struct sockaddr_un *to, socklen_t to_len,
    const void *data, size_t len, const int *fds, size_t nfds, int flags)
{
	struct iovec iov = {.iov_base = (void *)data, .iov_len = len};
	struct msghdr mh = {.msg_name = (void *)to,
	    .msg_namelen = to_len,
	    .msg_iov = &iov,
	    .msg_iovlen = 1};
	union control c;
	struct cmsghdr *cm;

	if (nfds > CHAN_FDS_MAX) {
		errno = EINVAL;
		return -1;
	}
	if (nfds > 0) {
		memset(&c, 0, sizeof(c));
		mh.msg_control = c.bytes;
		mh.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		cm = &c.align;
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(cm), fds, nfds * sizeof(int));
	}
	return sendmsg(sock, &mh, flags | MSG_NOSIGNAL);
}

ssize_t
chan_send_some(int sock, const void *data, size_t len, const int *fds,
    size_t nfds, int flags)
{
	return send_to(sock, NULL, 0, data, len, fds, nfds, flags);
}

int
chan_send_to(int sock, const struct sockaddr_un *to, socklen_t to_len,
    const void *data, size_t len, const int *fds, size_t nfds, int flags)
{
	return send_to(sock, to, to_len, data, len, fds, nfds, flags) == -1 ? -1
	                                                                    : 0;
}

int
chan_send(int sock, const void *data, size_t len, const int *fds, size_t nfds,
    int flags)
{
	return chan_send_to(sock, NULL, 0, data, len, fds, nfds, flags);
}

/* Hands over what came along, or closes it where nobody wants it. */
static void
take_fds(struct msghdr *mh, int *fds, size_t *nfds)
{
	struct cmsghdr *cm;
	size_t n, i;
	int fd;

	for (cm = CMSG_FIRSTHDR(mh); cm != NULL; cm = CMSG_NXTHDR(mh, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			memcpy(
			    &fd, CMSG_DATA(cm) + i * sizeof(int), sizeof(fd));
			if (fds != NULL && *nfds < CHAN_FDS_MAX)
				fds[(*nfds)++] = fd;
			else
				close(fd);
		}
	}
}

ssize_t
chan_recv(int sock, void *data, size_t size, int *fds, size_t *nfds, int flags)
{
	struct iovec iov = {.iov_base = data, .iov_len = size};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	union control c;
	ssize_t n;
	size_t i;

	mh.msg_control = c.bytes;
	mh.msg_controllen = sizeof(c.bytes);
	if (nfds != NULL)
		*nfds = 0;
	n = recvmsg(sock, &mh, flags | MSG_CMSG_CLOEXEC);
	if (n <= 0)
		return n;
	take_fds(&mh, fds, nfds);
	if (!(mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return n;
	for (i = 0; nfds != NULL && i < *nfds; i++)
		close(fds[i]);
	if (nfds != NULL)
		*nfds = 0;
	errno = EMSGSIZE;
	return -1;
}
