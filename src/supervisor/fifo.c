/* fifo: see fifo.h. */
#include "supervisor/fifo.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define FOLDER "out"
#define NAME_SIZE (WORKER_ID_SIZE + 5)

/* "web:0", "web:0.err" */
static const char *
name_of(const char *id, enum output_stream stream, char name[NAME_SIZE])
{
	snprintf(name, NAME_SIZE, "%.*s%s", WORKER_ID_SIZE, id,
	    stream == OUTPUT_ERR ? ".err" : "");
	return name;
}

/* Nobody else may put something there while we look. */
static int
check_folder(int fd, const char *path, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return err_sys(e, errno, "streams: '%s'", path);
	if (st.st_uid != geteuid())
		return err_set(
		    e, "streams: '%s' belongs to somebody else", path);
	if ((st.st_mode & 0777) != 0700 && fchmod(fd, 0700) == -1)
		return err_sys(e, errno, "streams: '%s'", path);
	return 0;
}

/* FIFOs only: what else is there is not ours. */
void
fifos_clean(
    const struct fifos *f, int (*in_use)(ino_t inode, void *arg), void *arg)
{
	int fd = openat(f->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	struct stat st;

	if (d == NULL) {
		fd_close(&fd);
		return;
	}
	while ((entry = readdir(d)) != NULL)
		if (fstatat(f->dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) ==
			0 &&
		    S_ISFIFO(st.st_mode) && !in_use(st.st_ino, arg))
			unlinkat(f->dir, entry->d_name, 0);
	closedir(d);
}

int
fifos_open(struct fifos *f, const char *runtime_dir, struct err *e)
{
	char path[PATH_MAX];

	f->runtime_dir = runtime_dir;
	fd_close(&f->dir);
	if ((size_t)snprintf(path, sizeof(path), "%s/" FOLDER, runtime_dir) >=
	    sizeof(path))
		return err_set(e, "streams: path too long: '%s'", runtime_dir);
	if (mkdir(path, 0700) == -1 && errno != EEXIST)
		return err_sys(e, errno, "streams: cannot create '%s'", path);
	f->dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (f->dir == -1)
		return err_sys(e, errno, "streams: cannot open '%s'", path);
	if (check_folder(f->dir, path, e) == -1) {
		fd_close(&f->dir);
		return -1;
	}
	return 0;
}

void
fifos_close(struct fifos *f)
{
	char path[PATH_MAX];

	if (f->dir == -1)
		return;
	fd_close(&f->dir);
	if ((size_t)snprintf(path, sizeof(path), "%s/" FOLDER, f->runtime_dir) <
	    sizeof(path))
		rmdir(path);
}

/* What the folder's owner alone can have put there in between is no matter. */
static int
open_made(const struct fifos *f, const char *name, struct err *e)
{
	int fd =
	    openat(f->dir, name, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd == -1)
		return err_sys(e, errno, "streams: cannot open '%s/%s/%s'",
		    f->runtime_dir, FOLDER, name);
	if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) &&
	    ((st.st_mode & 0777) == 0600 || fchmod(fd, 0600) == 0))
		return fd;
	fd_close(&fd);
	return err_set(e, "streams: '%s/%s/%s' is not as it was made",
	    f->runtime_dir, FOLDER, name);
}

static int
make(const struct fifos *f, const char *name)
{
	if (f->dir == -1)
		return -1;
	if (unlinkat(f->dir, name, 0) == -1 && errno != ENOENT)
		return -1;
	return mkfifoat(f->dir, name, 0600);
}

/* Like a FIFO for all who have it open; but it cannot be found again. */
static int
make_nameless(void)
{
	char path[32];
	int ends[2], fd;

	if (pipe2(ends, O_CLOEXEC) == -1)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	fd_close(&ends[0]);
	fd_close(&ends[1]);
	return fd;
}

int
fifo_make(
    struct fifos *f, const char *id, enum output_stream stream, struct err *e)
{
	char buf[NAME_SIZE];
	const char *name = name_of(id, stream, buf);
	int rc = make(f, name);

	/* Again where the folder has gone in the meantime. */
	if (rc == -1 && (f->dir == -1 || errno == ENOENT)) {
		if (fifos_open(f, f->runtime_dir, e) == -1)
			return errno == ENOENT ? make_nameless() : -1;
		rc = make(f, name);
	}
	if (rc == -1)
		return err_sys(e, errno, "streams: cannot make '%s/%s/%s'",
		    f->runtime_dir, FOLDER, name);
	return open_made(f, name, e);
}

/* Where its name has gone, proc(5) still tells what it was. */
static int
open_in_process(const struct fifos *f, const char *name, int pid, int number)
{
	char path[48], is[PATH_MAX], was[PATH_MAX];
	struct stat st;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, number);
	n = readlink(path, is, sizeof(is) - 1);
	is[n < 0 ? 0 : n] = '\0';
	snprintf(was, sizeof(was), "%s/" FOLDER "/%s (deleted)", f->runtime_dir,
	    name);
	if (strcmp(is, was) != 0)
		return -1;
	fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd != -1 && (fstat(fd, &st) == -1 || !S_ISFIFO(st.st_mode)))
		fd_close(&fd);
	return fd;
}

int
fifo_find(
    const struct fifos *f, const char *id, enum output_stream stream, int pid)
{
	char buf[NAME_SIZE];
	const char *name = name_of(id, stream, buf);
	struct err e;
	int fd = f->dir == -1 ? -1 : open_made(f, name, &e);

	if (fd == -1 && pid != 0)
		fd =
		    open_in_process(f, name, pid, stream == OUTPUT_ERR ? 2 : 1);
	return fd;
}

int
fifo_open(const struct fifos *f, const char *id, enum output_stream stream,
    ino_t inode)
{
	char name[NAME_SIZE];
	struct stat st;
	int fd;

	if (f->dir == -1)
		return -1;
	/* O_NONBLOCK, should it be something else by now. */
	fd = openat(f->dir, name_of(id, stream, name),
	    O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	if (fd != -1 && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) &&
	    st.st_ino == inode && fcntl(fd, F_SETFL, O_RDWR) == 0)
		return fd;
	fd_close(&fd);
	return -1;
}

int
fifo_reopen(int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDWR | O_CLOEXEC);
}

void
fifo_remove(const struct fifos *f, const char *id, enum output_stream stream)
{
	char name[NAME_SIZE];

	if (f->dir != -1)
		unlinkat(f->dir, name_of(id, stream, name), 0);
}
