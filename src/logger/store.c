/* store: see store.h. */
#include "logger/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/runtime.h"
#include "base/sys.h"

#define TMPFS_MAGIC 0x01021994 /* linux/magic.h */
/* Who else fills it up is not to hold up what workers write. */
#define ROOM_BYTES (64 << 20)

/* Nobody else may put something there. */
static int
is_fit(int dir)
{
	struct statfs fs;
	struct stat st;

	return fstatfs(dir, &fs) == 0 && fs.f_type == TMPFS_MAGIC &&
	       fstat(dir, &st) == 0 && st.st_uid == geteuid() &&
	       ((st.st_mode & 0777) == 0700 || fchmod(dir, 0700) == 0);
}

void
store_open(struct store *st, const char *runtime_dir)
{
	st->dir = -1;
	if (runtime_dir == NULL ||
	    (size_t)snprintf(st->path, sizeof(st->path), "%s/" RUNTIME_RINGS,
		runtime_dir) >= sizeof(st->path))
		return;
	if (mkdir(st->path, 0700) == -1 && errno != EEXIST)
		return;
	st->dir =
	    open(st->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (st->dir == -1 || is_fit(st->dir))
		return;
	fd_close(&st->dir);
	rmdir(st->path);
}

static int
has_room(int dir)
{
	struct statvfs fs;

	return fstatvfs(dir, &fs) == 0 &&
	       (fs.f_blocks == 0 ||
		   (uint64_t)fs.f_bavail * fs.f_frsize >= ROOM_BYTES);
}

int
store_make(const struct store *st, const char *name)
{
	int fd = -1;

	if (st->dir != -1) {
		unlinkat(st->dir, name, 0);
		if (has_room(st->dir))
			fd = openat(st->dir, name,
			    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    0600);
	}
	return fd != -1 ? fd : sys_memfd("svd-output");
}

int
store_find(const struct store *st, const char *name)
{
	struct stat is;
	int fd;

	if (st->dir == -1)
		return -1;
	fd =
	    openat(st->dir, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd != -1 && (fstat(fd, &is) == -1 || !S_ISREG(is.st_mode)))
		fd_close(&fd);
	return fd;
}

void
store_remove(const struct store *st, const char *name)
{
	if (st->dir != -1)
		unlinkat(st->dir, name, 0);
}

void
store_clear(struct store *st, int end)
{
	int fd = st->dir == -1
	             ? -1
	             : openat(st->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (d == NULL) {
		fd_close(&fd);
		return;
	}
	while ((entry = readdir(d)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			unlinkat(st->dir, entry->d_name, 0);
	closedir(d);
	if (end)
		rmdir(st->path);
}
