/*
 * worker: see svd/worker.h. Stands alone: it is linked into other people's
 * programs.
 */
#include "lib/svd/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define STATUS_MAX 1024 /* bytes of a line for people */

/* What a native floor, svd itself, has in addition. */
const void *
svd_floor_data(const char *name, size_t *len_bytes) __attribute__((weak));

/* A socket in the file system, or, behind '@', in the abstract. Its length, 0
 * and errno. */
static socklen_t
fill_address(struct sockaddr_un *to, const char *path)
{
	size_t len = strlen(path);

	if (path[0] != '/' && path[0] != '@') {
		errno = EAFNOSUPPORT;
		return 0;
	}
	if (len >= sizeof(to->sun_path)) {
		errno = ENAMETOOLONG;
		return 0;
	}
	memset(to, 0, sizeof(*to));
	to->sun_family = AF_UNIX;
	memcpy(to->sun_path, path, len);
	if (path[0] == '@')
		to->sun_path[0] = '\0';
	/* An abstract name has no NUL at its end, but a length. */
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len +
			   (path[0] == '/'));
}

static int
notify(const char *text, int flags)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to;
	socklen_t len;
	ssize_t n;
	int fd, saved;

	if (path == NULL || *path == '\0')
		return 0;
	len = fill_address(&to, path);
	if (len == 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	do
		n = sendto(fd, text, strlen(text), flags | MSG_NOSIGNAL,
		    (const struct sockaddr *)&to, len);
	while (n == -1 && errno == EINTR);
	saved = errno;
	close(fd);
	errno = saved;
	return n == -1 ? -1 : 1;
}

/* A decimal number; -1: it is none, or not there. */
static long long
number(const char *name)
{
	const char *text = getenv(name);
	long long value;
	char *end;

	if (text == NULL || *text < '0' || *text > '9')
		return -1;
	errno = 0;
	value = strtoll(text, &end, 10);
	return *end != '\0' || errno != 0 ? -1 : value;
}

/* One byte to a pipe that nobody may read any more, without a SIGPIPE. */
static int
write_newline(int fd)
{
	const struct timespec now = {0};
	sigset_t pipe_only, before, pending;
	ssize_t n;
	int saved;

	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
	do
		n = write(fd, "\n", 1);
	while (n == -1 && errno == EINTR);
	saved = errno;
	if (n == -1 && saved == EPIPE && !sigismember(&pending, SIGPIPE))
		sigtimedwait(&pipe_only, NULL, &now);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = saved;
	return n == 1 ? 1 : -1;
}

/* Once: the number may be another file's afterwards. In a child of a worker it
 * may be so at once, so it is looked at. */
static int
tell_ready_fd(void)
{
	static int told;
	long long fd = number("SVD_READY_FD");
	struct stat st;
	int rc, saved;

	if (fd == -1 || told)
		return 0;
	if (fd > INT_MAX || fstat((int)fd, &st) == -1 ||
	    (!S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode))) {
		errno = EBADF;
		return -1;
	}
	rc = write_newline((int)fd);
	saved = errno;
	close((int)fd);
	told = 1;
	errno = saved;
	return rc;
}

int
svd_ready(void)
{
	int fd = tell_ready_fd(), saved = errno, sock = notify("READY=1", 0);

	if (fd == -1)
		errno = saved;
	if (fd == -1 || sock == -1)
		return -1;
	return fd || sock;
}

int
svd_status(const char *text)
{
	char line[STATUS_MAX], *c;

	snprintf(line, sizeof(line), "STATUS=%s", text);
	/* Behind a newline would stand another message. */
	for (c = line; *c != '\0'; c++)
		if (*c == '\n')
			*c = ' ';
	return notify(line, MSG_DONTWAIT);
}

int
svd_heartbeat(void)
{
	return notify("WATCHDOG=1", MSG_DONTWAIT);
}

unsigned int
svd_heartbeat_ms(void)
{
	long long usec = number("WATCHDOG_USEC"), pid = number("WATCHDOG_PID");

	if (usec <= 0 || (pid != -1 && pid != getpid()))
		return 0;
	if (usec / 2000 > UINT_MAX)
		return UINT_MAX;
	return usec < 2000 ? 1 : (unsigned int)(usec / 2000);
}

const char *
svd_name(void)
{
	return getenv("SVD_WORKER");
}

const char *
svd_fleet(void)
{
	return getenv("SVD_FLEET");
}

int
svd_instance(void)
{
	long long n = number("SVD_INSTANCE");

	return n > INT_MAX ? -1 : (int)n;
}

unsigned long
svd_generation(void)
{
	long long n = number("SVD_GENERATION");

	return n == -1 ? 0 : (unsigned long)n;
}

static const void *
map_file(int fd, size_t *len)
{
	struct stat st;
	void *at;

	if (fstat(fd, &st) == -1)
		return NULL;
	if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		return NULL;
	}
	*len = (size_t)st.st_size;
	if (*len == 0)
		return "";
	at = mmap(NULL, *len, PROT_READ, MAP_PRIVATE, fd, 0);
	return at == MAP_FAILED ? NULL : at;
}

const void *
svd_data(const char *path, size_t *len)
{
	const void *data = NULL;
	int fd, saved;

	if (svd_floor_data != NULL)
		data = svd_floor_data(path, len);
	if (data != NULL)
		return data;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1)
		return NULL;
	data = map_file(fd, len);
	saved = errno;
	close(fd);
	errno = saved;
	return data;
}
