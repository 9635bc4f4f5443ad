/* preload: see preload.h. */
#include "floor/preload.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define ELF_MAGIC "\177ELF"
#define MAGIC_BYTES 4

struct preloaded {
	const char *name;
	void *lib;        /* or NULL */
	const void *data; /* or NULL */
	size_t len_bytes;
};

/* That of the process: svd_floor_data() has no other way to it. */
static const struct preload *loaded;

static int
open_library(void **lib, const char *name, struct err *e)
{
	*lib = dlopen(name, RTLD_NOW | RTLD_GLOBAL);
	return *lib == NULL ? err_set(e, "cannot load: %s", dlerror()) : 0;
}

/* Read in, so that no worker waits for a disk. Private: nobody changes it for
 * the others. */
static int
map_data(struct preloaded *to, int fd, const struct stat *st, struct err *e)
{
	to->len_bytes = (size_t)st->st_size;
	to->data = "";
	if (to->len_bytes == 0)
		return 0;
	to->data = mmap(
	    NULL, to->len_bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (to->data != MAP_FAILED)
		return 0;
	return err_sys(e, errno, "cannot map '%s'", to->name);
}

static int
load_file(struct preloaded *to, int fd, struct err *e)
{
	char magic[MAGIC_BYTES];
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) == -1)
		return err_sys(e, errno, "cannot look at '%s'", to->name);
	if (!S_ISREG(st.st_mode))
		return err_set(e, "'%s' is not a file", to->name);
	n = pread(fd, magic, sizeof(magic), 0);
	if (n == -1)
		return err_sys(e, errno, "cannot read '%s'", to->name);
	if (n == MAGIC_BYTES && memcmp(magic, ELF_MAGIC, MAGIC_BYTES) == 0)
		return open_library(&to->lib, to->name, e);
	return map_data(to, fd, &st, e);
}

/* A name without a slash is looked for as a library is. */
static int
load(struct preloaded *to, const char *name, struct err *e)
{
	int fd, rc;

	to->name = name;
	if (strchr(name, '/') == NULL)
		return open_library(&to->lib, name, e);
	/* A FIFO must not hang us before it is refused. */
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1)
		return err_sys(e, errno, "cannot open '%s'", name);
	rc = load_file(to, fd, e);
	fd_close(&fd);
	return rc;
}

int
preload_all(struct preload *p, char *const *names, size_t n, size_t *which,
    struct err *e)
{
	*which = 0;
	p->n = 0;
	p->items = calloc(n + 1, sizeof(*p->items));
	if (p->items == NULL)
		return err_sys(e, errno, "cannot load");
	for (; *which < n; ++*which) {
		if (load(&p->items[*which], names[*which], e) == -1)
			return -1;
		p->n++;
	}
	loaded = p;
	return 0;
}

void *
preload_symbol(const struct preload *p, const char *symbol)
{
	void *found = NULL;
	size_t i;

	for (i = 0; i < p->n && found == NULL; i++)
		if (p->items[i].lib != NULL)
			found = dlsym(p->items[i].lib, symbol);
	return found;
}

static int
is_named(const char *path, const char *name)
{
	const char *base = strrchr(path, '/');

	return strcmp(path, name) == 0 ||
	       (base != NULL && strcmp(base + 1, name) == 0);
}

static void *
find_library(const struct preload *p, const char *name)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		if (p->items[i].lib != NULL && is_named(p->items[i].name, name))
			return p->items[i].lib;
	return NULL;
}

void *
preload_entry(
    const struct preload *p, const char *entry, int *is_late, struct err *e)
{
	const char *colon = strrchr(entry, ':');
	void *lib = NULL, *found = NULL;
	char *name;

	*is_late = 0;
	if (colon == NULL || colon == entry || colon[1] == '\0') {
		err_set(e, "it is not LIBRARY:SYMBOL");
		return NULL;
	}
	name = strndup(entry, (size_t)(colon - entry));
	if (name == NULL) {
		err_sys(e, errno, "cannot load");
		return NULL;
	}
	lib = find_library(p, name);
	if (lib == NULL)
		*is_late = open_library(&lib, name, e) == 0;
	free(name);
	if (lib == NULL)
		return NULL;
	found = dlsym(lib, colon + 1);
	if (found == NULL)
		err_set(e, "%s", dlerror());
	return found;
}

const void *
svd_floor_data(const char *name, size_t *len)
{
	size_t i;

	for (i = 0; loaded != NULL && i < loaded->n; i++)
		if (loaded->items[i].data != NULL &&
		    strcmp(loaded->items[i].name, name) == 0) {
			*len = loaded->items[i].len_bytes;
			return loaded->items[i].data;
		}
	return NULL;
}
