/*
 * fuzz_conf: any bytes as a fleet file, and any bytes as a saved snapshot.
 * Neither may crash, leak or say "yes" and "no" at once.
 *
 *	make fuzz FUZZ=conf
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "conf/conf.h"
#include "conf/source.h"

#define NAME "f.ini"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
add_u32(struct buf *b, size_t v)
{
	unsigned char p[4] = {(unsigned char)v, (unsigned char)(v >> 8),
	    (unsigned char)(v >> 16), (unsigned char)(v >> 24)};

	if (buf_add(b, p, sizeof(p)) == -1)
		abort();
}

/* A snapshot of NAME alone: what it includes is not looked for on the disk. */
static void
snapshot(struct buf *b, const uint8_t *data, size_t size)
{
	if (buf_add(b, "svd sources 1\n\1", 15) == -1)
		abort();
	add_u32(b, 0);
	add_u32(b, sizeof(NAME) - 1);
	add_u32(b, size);
	if (buf_adds(b, NAME) == -1 || buf_add(b, data, size) == -1 ||
	    buf_add(b, "", 1) == -1)
		abort();
}

static void
load(struct sources *s)
{
	struct diags d = {0};
	struct fleet f;
	int rc = conf_load(&f, NAME, s, &d);

	if ((rc == -1) != (d.nerrors > 0))
		abort();
	if (rc == 0)
		fleet_release(&f);
	diags_release(&d);
}

static struct sources *
read_back(const void *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct sources *s;
	struct err e;

	if (fd == -1 || fd_write_all(fd, data, size) == -1)
		abort();
	s = sources_load(fd, &e);
	close(fd);
	return s;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf b = {0};
	struct sources *s;

	snapshot(&b, data, size);
	s = read_back(b.data, b.len);
	buf_release(&b);
	if (s == NULL)
		abort();
	load(s);
	sources_free(s);
	s = read_back(data, size);
	if (s != NULL)
		load(s);
	sources_free(s);
	return 0;
}
