/* floor_late: see floor_late.h. */
#include "lib/floor_late.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "ipc/proto_floor.h"
#include "lib/svd/floor.h"

#define NAME_BYTES_MAX 256

static struct late {
	uint64_t used; /* little-endian */
	char text[FLOOR_LATE_BYTES - sizeof(uint64_t)];
} * late;

int
floor_late_make(void)
{
	int fd = memfd_create("svd-late", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *at;

	if (fd == -1)
		return -1;
	if (ftruncate(fd, FLOOR_LATE_BYTES) == -1 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == -1)
		goto fail;
	at = mmap(
	    NULL, FLOOR_LATE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		goto fail;
	late = at;
	return fd;
fail:
	fd_close(&fd);
	return -1;
}

/* Where these bytes go, which are ours from then on. Other workers may be at it
 * at the same time, or have written nonsense. */
static uint64_t
reserve(size_t len)
{
	uint64_t was = __atomic_load_n(&late->used, __ATOMIC_RELAXED), is;

	do
		is = htole64(le64toh(was) + len);
	while (!__atomic_compare_exchange_n(
	    &late->used, &was, is, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return le64toh(was);
}

void
svd_floor_late(const char *module)
{
	char line[NAME_BYTES_MAX];
	size_t len, i;
	uint64_t at;
	int n;

	if (late == NULL)
		return;
	n = snprintf(line, sizeof(line), "%d %s", (int)getpid(), module);
	if (n < 0)
		return;
	len = (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1;
	for (i = 0; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	line[len++] = '\n';
	at = reserve(len);
	if (at <= sizeof(late->text) && len <= sizeof(late->text) - at)
		memcpy(late->text + at, line, len);
}
