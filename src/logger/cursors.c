/* cursors: see cursors.h. */
#include "logger/cursors.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"

#define MAGIC UINT64_C(0x73726f7372756364)
#define VERSION 4
#define HEAD_BYTES 4096
#define GROW 64     /* entries */
#define REMOVED '-' /* in key[1]: not to be used again yet */
#define BYTES(n) (HEAD_BYTES + (n) * sizeof(struct cursor))

_Static_assert(sizeof(struct cursors_head) <= HEAD_BYTES, "the head fits");
_Static_assert(sizeof(struct cursor) == 192, "a new layout, a new version");

/* All of its memory is had now: a store into the mapping must not fail. */
static int
grow(struct cursors *t)
{
	size_t n = t->n + GROW;
	int rc;

	if (n > CURSORS_MAX)
		return -1;
	rc = posix_fallocate(t->fd, 0, (off_t)BYTES(n));
	if (rc != 0) {
		errno = rc;
		return -1;
	}
	t->n = n;
	return 0;
}

static int
map(struct cursors *t, struct err *e)
{
	void *p;

	/* More than there is: what is added later needs no new mapping. */
	p = mmap(NULL, BYTES(CURSORS_MAX), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_NORESERVE, t->fd, 0);
	if (p == MAP_FAILED)
		return err_sys(e, errno, "cannot map the cursors");
	t->head = p;
	t->list = (void *)((char *)p + HEAD_BYTES);
	return 0;
}

int
cursors_open(struct cursors *t, int fd, struct err *e)
{
	struct stat st;

	if (fd == -1)
		fd = sys_memfd("svd-cursors");
	*t = (struct cursors){.fd = fd};
	if (fd == -1 || fstat(fd, &st) == -1)
		return err_sys(e, errno, "cannot make the cursors");
	if (st.st_size == 0) {
		if (grow(t) == -1)
			return err_sys(e, errno, "cannot make the cursors");
		if (map(t, e) == -1)
			return -1;
		t->head->version = VERSION;
		t->head->entry_size = sizeof(struct cursor);
		t->head->magic = MAGIC;
		return 0;
	}
	if (st.st_size < (off_t)BYTES(GROW))
		return err_set(e, "the cursors are cut off");
	t->n = ((size_t)st.st_size - HEAD_BYTES) / sizeof(struct cursor);
	if (t->n > CURSORS_MAX)
		t->n = CURSORS_MAX;
	if (map(t, e) == -1)
		return -1;
	if (t->head->magic != MAGIC || t->head->version != VERSION ||
	    t->head->entry_size != sizeof(struct cursor))
		return err_set(e, "the cursors are of another version");
	/* Who might have is gone by now. */
	cursors_reclaim(t);
	return 0;
}

struct cursor *
cursors_add(struct cursors *t, const char *key)
{
	struct cursor *c;
	size_t i;

	if (strlen(key) >= CURSOR_KEY_SIZE)
		return NULL;
	for (i = t->used; i < t->n; i++)
		if (t->list[i].key[0] == '\0' && t->list[i].key[1] == '\0')
			break;
	if (i == t->n && grow(t) == -1)
		return NULL;
	t->used = i;
	c = &t->list[i];
	memset(c, 0, sizeof(*c));
	c->epoch = sys_random();
	c->reopened = t->head->reopen;
	/* The first byte comes last: with it the entry is there. */
	memcpy(c->key + 1, key + 1, strlen(key));
	atomic_signal_fence(memory_order_seq_cst);
	c->key[0] = key[0];
	return c;
}

void
cursors_remove(struct cursors *t, struct cursor *c)
{
	c->key[1] = REMOVED;
	c->key[0] = '\0';
	t->removed++;
}

void
cursors_reclaim(struct cursors *t)
{
	size_t i;

	for (i = 0; i < t->n; i++)
		if (t->list[i].key[0] == '\0')
			t->list[i].key[1] = '\0';
	t->used = t->removed = 0;
}

int64_t
cursors_offset(const struct cursors *t, const struct cursor *c)
{
	return (const char *)c - (const char *)t->head;
}
