/*
 * source: see source.h. Entries are kept in the order of asking, which is how
 * they are saved, and in a tree (tsearch) to be found by kind and name: a fleet
 * may have ten thousand env_files.
 *
 * The saved form: MAGIC, then for each entry u8 kind, u32 errno, u32 and u32
 * lengths of name and data, name, data; then one u8 of SRC_END. Integers are
 * little-endian.
 */
#include "conf/source.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <search.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "conf/conf.h"
#include "conf/grow.h"

#define MAGIC "svd sources 1\n"
#define MAGIC_LEN (sizeof(MAGIC) - 1)
#define HEAD_LEN 13 /* an entry's bytes before its name */

enum source_kind {
	SRC_END,
	SRC_FILE, /* data: the text, or the failure where errnum is not 0 */
	SRC_GLOB, /* data: the paths, each with its NUL, or the failure */
	SRC_SCALE /* name: a worker's section; data: its numprocs */
};

struct source {
	enum source_kind kind;
	int errnum; /* 0, or why it could not be read */
	char *name;
	char *data;   /* with a NUL behind it */
	size_t len;   /* bytes of data */
	char **paths; /* SRC_GLOB: into data, NULL-terminated */
};

struct sources {
	struct source **list;
	size_t n, cap;
	void *tree;
	size_t bytes; /* what a save would write */
	int frozen;
	int scaled; /* after loading: a new instance may have files of its own
	             */
};

static int
source_compare(const void *a, const void *b)
{
	const struct source *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void
source_free(struct source *e)
{
	if (e == NULL)
		return;
	free(e->name);
	free(e->data);
	free(e->paths);
	free(e);
}

static void
keep_entry(void *entry)
{
	(void)entry; /* the list owns it */
}

struct sources *
sources_new(void)
{
	struct sources *s = calloc(1, sizeof(*s));

	if (s != NULL)
		s->bytes = MAGIC_LEN + 1;
	return s;
}

void
sources_free(struct sources *s)
{
	size_t i;

	if (s == NULL)
		return;
	tdestroy(s->tree, keep_entry);
	for (i = 0; i < s->n; i++)
		source_free(s->list[i]);
	free(s->list);
	free(s);
}

int
sources_frozen(const struct sources *s)
{
	return s->frozen;
}

static struct source *
find(const struct sources *s, enum source_kind kind, const char *name)
{
	struct source key = {.kind = kind};
	void *node;

	key.name = (char *)(uintptr_t)name; /* only compared */
	node = tfind(&key, &s->tree, source_compare);
	return node == NULL ? NULL : *(struct source **)node;
}

/* Room for one more in the list. */
static int
list_reserve(struct sources *s)
{
	struct source **list;

	list = grow_list(s->list, s->n + 1, &s->cap, sizeof(s->list[0]));
	if (list == NULL)
		return -1;
	s->list = list;
	return 0;
}

/* SRC_GLOB: points paths at the strings in data. */
static int
index_paths(struct source *e)
{
	size_t n = 0;
	char *p;

	for (p = e->data; p < e->data + e->len; p += strlen(p) + 1)
		n++;
	e->paths = calloc(n + 1, sizeof(char *));
	if (e->paths == NULL)
		return -1;
	n = 0;
	for (p = e->data; p < e->data + e->len; p += strlen(p) + 1)
		e->paths[n++] = p;
	return 0;
}

/* Adds an entry and takes data, also when it fails. NULL and errno. */
static struct source *
add(struct sources *s, enum source_kind kind, const char *name, int errnum,
    char *data, size_t len)
{
	struct source *e = calloc(1, sizeof(*e));
	size_t bytes = HEAD_LEN + strlen(name) + len;
	void *node;

	if (e == NULL) {
		free(data);
		return NULL;
	}
	*e = (struct source){kind, errnum, strdup(name), data, len, NULL};
	if (bytes > CONF_SOURCES_MAX - s->bytes) {
		source_free(e);
		errno = EFBIG;
		return NULL;
	}
	if (e->name == NULL || e->data == NULL ||
	    (kind == SRC_GLOB && errnum == 0 && index_paths(e) == -1) ||
	    list_reserve(s) == -1 ||
	    (node = tsearch(e, &s->tree, source_compare)) == NULL) {
		source_free(e);
		errno = ENOMEM;
		return NULL;
	}
	if (*(struct source **)node != e) { /* twice in a snapshot */
		source_free(e);
		errno = EEXIST;
		return NULL;
	}
	s->list[s->n++] = e;
	s->bytes += bytes;
	return e;
}

/* Remembers that name could not be read, for the reason in e. */
static struct source *
add_failure(struct sources *s, enum source_kind kind, const char *name,
    int errnum, const struct err *e)
{
	return add(s, kind, name, errnum == 0 ? EIO : errnum, strdup(e->text),
	    strlen(e->text));
}

static int
check_mode(mode_t mode, const char *path, struct err *e)
{
	if (S_ISREG(mode))
		return 0;
	errno = S_ISDIR(mode) ? EISDIR : EINVAL;
	return err_set(e, "cannot read '%s': it is %s", path,
	    S_ISDIR(mode)    ? "a directory"
	    : S_ISFIFO(mode) ? "a FIFO, not a regular file"
	    : S_ISSOCK(mode) ? "a socket, not a regular file"
			     : "a device, not a regular file");
}

/*
 * Looks before it opens, as opening alone starts some devices (a watchdog), and
 * again afterwards, as it may be another file by then.
 */
static char *
read_file(const char *path, size_t *len, struct err *e)
{
	struct stat st;
	char *text = NULL;
	int fd;

	if (stat(path, &st) == -1) {
		err_sys(e, errno, "cannot read '%s'", path);
		return NULL;
	}
	if (check_mode(st.st_mode, path, e) == -1)
		return NULL;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1) {
		err_sys(e, errno, "cannot open '%s'", path);
		return NULL;
	}
	if (fstat(fd, &st) == -1)
		err_sys(e, errno, "cannot read '%s'", path);
	else if (check_mode(st.st_mode, path, e) == 0) {
		text = fd_read_all(fd, CONF_FILE_MAX, len);
		if (text == NULL && errno == EFBIG)
			err_set(e, "cannot read '%s': it is over %d bytes",
			    path, CONF_FILE_MAX);
		else if (text == NULL)
			err_sys(e, errno, "cannot read '%s'", path);
	}
	fd_close(&fd);
	return text;
}

/* Asks the disk, once: later calls find the entry. */
static struct source *
fetch_file(struct sources *s, const char *path, struct err *e)
{
	size_t len = 0;
	char *text;
	int errnum;

	errno = 0;
	text = read_file(path, &len, e);
	errnum = errno;
	/* Out of memory is no fact about the file. */
	if (text == NULL && errnum == ENOMEM)
		return NULL;
	if (text == NULL)
		return add_failure(s, SRC_FILE, path, errnum, e);
	return add(s, SRC_FILE, path, 0, text, len);
}

/* The entry's failure to the caller, where it is one. */
static struct source *
check_entry(struct source *entry, const char *name, struct err *e)
{
	if (entry == NULL) {
		if (errno == EFBIG)
			err_set(e,
			    "cannot read '%s': all files together are over %d "
			    "bytes",
			    name, CONF_SOURCES_MAX);
		else
			err_sys(e, errno, "cannot read '%s'", name);
		return NULL;
	}
	if (entry->errnum != 0) {
		err_set(e, "%s", entry->data);
		errno = entry->errnum;
		return NULL;
	}
	return entry;
}

static struct source *
refuse_frozen(const char *name, struct err *e)
{
	err_set(e, "cannot read '%s': it is not in the snapshot", name);
	errno = ENODATA;
	return NULL;
}

const char *
sources_get(struct sources *s, const char *path, size_t *len, struct err *e)
{
	struct source *entry = find(s, SRC_FILE, path);

	if (entry == NULL && s->frozen && !s->scaled) {
		refuse_frozen(path, e);
		return NULL;
	}
	if (entry == NULL)
		entry = fetch_file(s, path, e);
	entry = check_entry(entry, path, e);
	if (entry == NULL)
		return NULL;
	*len = entry->len;
	return entry->data;
}

/* A directory that is not there has no matches; one that cannot be read may
 * hide some. */
static int
glob_error(const char *path, int errnum)
{
	(void)path;
	if (errnum == ENOENT || errnum == ENOTDIR)
		return 0;
	errno = errnum;
	return 1;
}

/* The matches as one block of NUL-terminated strings. */
static struct source *
add_matches(struct sources *s, const char *pattern, const glob_t *g)
{
	struct buf b = {0};
	size_t i;

	if (buf_reserve(&b, 0) == -1)
		return NULL;
	b.data[0] = '\0';
	for (i = 0; i < g->gl_pathc; i++)
		if (buf_add(&b, g->gl_pathv[i], strlen(g->gl_pathv[i]) + 1) ==
		    -1) {
			buf_release(&b);
			errno = ENOMEM;
			return NULL;
		}
	return add(s, SRC_GLOB, pattern, 0, b.data, b.len);
}

static struct source *
fetch_glob(struct sources *s, const char *pattern, struct err *e)
{
	glob_t g = {0};
	struct source *entry;
	int rc, errnum;

	rc = glob(pattern, 0, glob_error, &g);
	errnum = errno;
	if (rc == 0 || rc == GLOB_NOMATCH) {
		entry = add_matches(s, pattern, &g);
	} else if (rc == GLOB_NOSPACE) {
		errno = ENOMEM;
		entry = NULL;
	} else {
		err_sys(e, errnum, "cannot read a directory of '%s'", pattern);
		entry = add_failure(s, SRC_GLOB, pattern, errnum, e);
	}
	errnum = errno;
	globfree(&g);
	errno = errnum;
	return entry;
}

char *const *
sources_glob(struct sources *s, const char *pattern, struct err *e)
{
	struct source *entry = find(s, SRC_GLOB, pattern);

	if (entry == NULL && s->frozen) {
		refuse_frozen(pattern, e);
		return NULL;
	}
	if (entry == NULL)
		entry = fetch_glob(s, pattern, e);
	entry = check_entry(entry, pattern, e);
	return entry == NULL ? NULL : entry->paths;
}

int
sources_scale(struct sources *s, const char *group, int numprocs)
{
	struct source *e = find(s, SRC_SCALE, group);
	char *text;
	int len = asprintf(&text, "%d", numprocs);

	s->scaled = 1;
	if (len == -1)
		return -1;
	if (e == NULL)
		return add(s, SRC_SCALE, group, 0, text, (size_t)len) == NULL
		           ? -1
		           : 0;
	s->bytes += (size_t)len - e->len;
	free(e->data);
	e->data = text;
	e->len = (size_t)len;
	return 0;
}

int
sources_scaled(const struct sources *s, const char *group)
{
	const struct source *e = find(s, SRC_SCALE, group);
	struct err err;
	int64_t n;

	if (e == NULL ||
	    units_parse_int(e->data, 1, FLEET_NUMPROCS_MAX, &n, &err) == -1)
		return 0;
	return (int)n;
}

static void
put_u32(unsigned char *p, size_t v)
{
	int i;

	for (i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> 8 * i);
}

static size_t
get_u32(const unsigned char *p)
{
	return p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 |
	       (size_t)p[3] << 24;
}

static int
save_entry(const struct source *e, struct buf *b)
{
	unsigned char head[HEAD_LEN] = {(unsigned char)e->kind};
	size_t name_len = strlen(e->name);

	put_u32(head + 1, (size_t)e->errnum);
	put_u32(head + 5, name_len);
	put_u32(head + 9, e->len);
	if (buf_add(b, head, sizeof(head)) == -1 ||
	    buf_add(b, e->name, name_len) == -1 ||
	    buf_add(b, e->data, e->len) == -1)
		return -1;
	return 0;
}

int
sources_save(const struct sources *s, int fd, struct err *e)
{
	struct buf b = {0};
	size_t i;
	int rc = -1;

	if (buf_reserve(&b, s->bytes) == -1 ||
	    buf_add(&b, MAGIC, MAGIC_LEN) == -1)
		goto no_memory;
	for (i = 0; i < s->n; i++)
		if (save_entry(s->list[i], &b) == -1)
			goto no_memory;
	if (buf_add(&b, "", 1) == -1) /* SRC_END */
		goto no_memory;
	if (lseek(fd, 0, SEEK_SET) == -1 || ftruncate(fd, 0) == -1 ||
	    fd_write_all(fd, b.data, b.len) == -1)
		err_sys(e, errno, "cannot save the configuration");
	else
		rc = 0;
	buf_release(&b);
	return rc;
no_memory:
	buf_release(&b);
	return err_sys(e, ENOMEM, "cannot save the configuration");
}

/* What a snapshot may hold, so that whoever uses it can trust it. */
static int
check_loaded(const unsigned char *head, size_t left)
{
	size_t name = get_u32(head + 5), data = get_u32(head + 9);

	left -= HEAD_LEN;
	return head[0] > SRC_END && head[0] <= SRC_SCALE &&
	       get_u32(head + 1) <= INT32_MAX && name <= left &&
	       data <= left - name && memchr(head + HEAD_LEN, 0, name) == NULL;
}

static char *
copy_bytes(const void *p, size_t len)
{
	char *copy = malloc(len + 1);

	if (copy == NULL)
		return NULL;
	memcpy(copy, p, len);
	copy[len] = '\0';
	return copy;
}

/* The entry at head, with left bytes to the end: its length, 0 on failure. */
static size_t
load_entry(struct sources *s, const unsigned char *head, size_t left)
{
	size_t name_len, len;
	struct source *e;
	char *name;

	if (left < HEAD_LEN || !check_loaded(head, left))
		return 0;
	name_len = get_u32(head + 5);
	len = get_u32(head + 9);
	if (head[0] == SRC_GLOB && len > 0 &&
	    head[HEAD_LEN + name_len + len - 1] != '\0' &&
	    get_u32(head + 1) == 0)
		return 0;
	name = copy_bytes(head + HEAD_LEN, name_len);
	if (name == NULL)
		return 0;
	e = add(s, (enum source_kind)head[0], name, (int)get_u32(head + 1),
	    copy_bytes(head + HEAD_LEN + name_len, len), len);
	free(name);
	return e == NULL ? 0 : HEAD_LEN + name_len + len;
}

static int
load_entries(struct sources *s, const char *data, size_t len)
{
	const unsigned char *p = (const unsigned char *)data;
	size_t left = len, n;

	if (left < MAGIC_LEN || memcmp(p, MAGIC, MAGIC_LEN) != 0)
		return -1;
	p += MAGIC_LEN;
	left -= MAGIC_LEN;
	while (left > 0 && *p != SRC_END) {
		n = load_entry(s, p, left);
		if (n == 0)
			return -1;
		p += n;
		left -= n;
	}
	return left == 1 ? 0 : -1;
}

struct sources *
sources_load(int fd, struct err *e)
{
	struct sources *s = sources_new();
	char *data = NULL;
	size_t len = 0;

	if (s != NULL && lseek(fd, 0, SEEK_SET) != -1)
		data = fd_read_all(fd, CONF_SOURCES_MAX, &len);
	if (data == NULL) {
		err_sys(e, errno, "cannot read the saved configuration");
		sources_free(s);
		return NULL;
	}
	if (load_entries(s, data, len) == -1) {
		err_set(e, "the saved configuration is damaged");
		sources_free(s);
		s = NULL;
	} else {
		s->frozen = 1;
	}
	free(data);
	return s;
}
