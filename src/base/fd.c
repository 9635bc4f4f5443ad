/* fd: see fd.h. */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"

/* Never retried after EINTR: Linux has released the number by then. */
void
fd_close(int *fd)
{
	int saved = errno;

	if (*fd == -1)
		return;
	close(*fd);
	*fd = -1;
	errno = saved;
}

int
fd_open_null(int flags)
{
	int fd = open("/dev/null", flags | O_CLOEXEC), ends[2];

	if (fd != -1)
		return fd;
	if (flags != O_RDONLY)
		return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (pipe2(ends, O_CLOEXEC) == -1)
		return -1;
	close(ends[1]);
	return ends[0];
}

int
fd_fill_standard(struct err *e)
{
	int fd;

	do {
		fd = fd_open_null(O_RDWR);
		if (fd == -1)
			return err_sys(e, errno, "cannot open '/dev/null'");
		if (fd <= STDERR_FILENO)
			fd_set_cloexec(fd, 0);
	} while (fd <= STDERR_FILENO);
	close(fd);
	return 0;
}

int
fd_raise(int fd)
{
	int high = fd >= FD_HIGH ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FD_HIGH);

	if (high == -1)
		return fd;
	close(fd);
	return high;
}

void
fd_lower(int *fd)
{
	int low = *fd == -1 ? -1 : fcntl(*fd, F_DUPFD_CLOEXEC, 3);

	if (low != -1 && low < *fd) {
		close(*fd);
		*fd = low;
	} else if (low != -1)
		close(low);
}

int
fd_set_cloexec(int fd, int on)
{
	return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0);
}

int
fd_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;
	ssize_t n;

	while (len > 0) {
		n = write(fd, p, len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

char *
fd_read_all(int fd, size_t max, size_t *len)
{
	struct buf b = {0};
	ssize_t n;

	for (;;) {
		if (buf_reserve(&b, 4096) == -1)
			break;
		n = read(fd, b.data + b.len, 4096);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			break;
		b.len += (size_t)n;
		b.data[b.len] = '\0';
		if (b.len > max) {
			errno = EFBIG;
			break;
		}
		if (n == 0) {
			*len = b.len;
			return b.data;
		}
	}
	buf_release(&b);
	return NULL;
}
