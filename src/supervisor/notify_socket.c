/* notify_socket: see notify_socket.h. */
#include "supervisor/notify_socket.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "core/crc.h"

#define FOLDER "notify"
#define SHORT_MAX 8 /* hexadecimal digits of a short name */

void
notify_socket_path(const char *dir, const char *id, char out[NOTIFY_PATH_SIZE])
{
	size_t taken = strlen(dir) + sizeof("/" FOLDER "/") - 1, room;
	char number[SHORT_MAX + 1];

	/* Where the control socket's name has room, so have five digits. */
	room = taken < RUNTIME_SOCKET_MAX ? RUNTIME_SOCKET_MAX - taken : 0;
	if (strlen(id) > room) {
		snprintf(number, sizeof(number), "%08" PRIx32,
		    crc_ieee(id, strlen(id)));
		number[room < SHORT_MAX ? room : SHORT_MAX] = '\0';
		id = number;
	}
	snprintf(out, NOTIFY_PATH_SIZE, "%s/" FOLDER "/%s", dir, id);
}

static int
folder_path(const char *dir, char out[PATH_MAX])
{
	int n = snprintf(out, PATH_MAX, "%s/" FOLDER, dir);

	return n < 0 || n >= PATH_MAX ? -1 : 0;
}

/* Any user may go through it, to what is its own there; only we may put
 * something in it. */
static int
make_folder(const char *dir, struct err *e)
{
	char path[PATH_MAX];
	struct stat st;
	int fd, rc = 0;

	if (folder_path(dir, path) == -1)
		return err_set(e, "notify: path too long: '%s'", dir);
	if (mkdir(path, 0711) == -1 && errno != EEXIST)
		return err_sys(e, errno, "notify: cannot create '%s'", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1 || fstat(fd, &st) == -1)
		rc = err_sys(e, errno, "notify: cannot open '%s'", path);
	else if (st.st_uid != geteuid())
		rc = err_set(e, "notify: '%s' belongs to somebody else", path);
	else if ((st.st_mode & 0777) != 0711 && fchmod(fd, 0711) == -1)
		rc = err_sys(e, errno, "notify: '%s'", path);
	fd_close(&fd);
	return rc;
}

/* Never open to others, not for a moment. */
static int
bind_private(int fd, const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	mode_t before;
	int rc;

	memcpy(at.sun_path, path, strlen(path) + 1);
	before = umask(0177);
	rc = bind(fd, (const struct sockaddr *)&at, sizeof(at));
	if (rc == -1 && errno == EADDRINUSE && unlink(path) == 0)
		rc = bind(fd, (const struct sockaddr *)&at, sizeof(at));
	umask(before);
	return rc;
}

int
notify_socket_make(const char *dir, const char *path, struct err *e)
{
	static const int on = 1;
	int fd, rc;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return err_sys(e, errno, "notify: cannot make a socket");
	setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	rc = bind_private(fd, path);
	if (rc == -1 && errno == ENOENT) {
		if (make_folder(dir, e) == -1) {
			fd_close(&fd);
			return -1;
		}
		rc = bind_private(fd, path);
	}
	if (rc == 0)
		return fd;
	err_sys(e, errno, "notify: cannot make '%s'", path);
	fd_close(&fd);
	return -1;
}

ino_t
notify_socket_find(const char *path, uid_t *owner)
{
	struct stat st;

	if (lstat(path, &st) == -1 || !S_ISSOCK(st.st_mode))
		return 0;
	*owner = st.st_uid;
	return st.st_ino;
}

void
notify_sockets_remove(const char *dir)
{
	const struct dirent *entry;
	char path[PATH_MAX];
	DIR *d = NULL;

	if (folder_path(dir, path) == 0)
		d = opendir(path);
	if (d == NULL)
		return;
	while ((entry = readdir(d)) != NULL)
		if (entry->d_type == DT_SOCK || entry->d_type == DT_UNKNOWN)
			unlinkat(dirfd(d), entry->d_name, 0);
	closedir(d);
	rmdir(path);
}
