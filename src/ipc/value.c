/* value: see value.h. */
#include "ipc/value.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

int64_t
value_size(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals == -1 || (seals & SEALS) != SEALS || fstat(fd, &st) == -1)
		return -1;
	return st.st_size;
}

int
value_make(const char *text, size_t len, struct err *e)
{
	int fd = memfd_create("svd-value", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd != -1 && fd_write_all(fd, text, len) == 0 &&
	    fcntl(fd, F_ADD_SEALS, SEALS) == 0)
		return fd;
	err_sys(e, errno, "cannot pass a value on");
	fd_close(&fd);
	return -1;
}

int
value_read(int fd, size_t max, struct buf *out, struct err *e)
{
	int64_t size = value_size(fd);
	size_t left;
	ssize_t n;

	if (size == -1)
		return err_set(e, "the descriptor is no sealed memfd");
	if ((uint64_t)size > max)
		return err_set(e, "the value has %lld bytes, over %zu",
		    (long long)size, max);
	if (buf_reserve(out, (size_t)size) == -1)
		return err_set(e, "out of memory");
	for (left = (size_t)size; left > 0; left -= (size_t)n) {
		n = pread(
		    fd, out->data + out->len, left, (off_t)size - (off_t)left);
		if (n <= 0)
			return err_set(e, "cannot read the value");
		out->len += (size_t)n;
	}
	return 0;
}
