/* log: see log.h. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024 /* less than PIPE_BUF: a line is never torn */

static struct {
	const char *role;
	enum log_level level;
	int fd;
	enum logline_format format;
	unsigned long dropped;
} logger = {"svd", LOG_LEVEL_INFO, STDERR_FILENO, LOGLINE_TEXT, 0};

/*
 * A pipe or terminal is opened anew, non-blocking: the flag belongs to the
 * open file description, which standard error shares with our parent and with
 * every worker, so it must not be set there.
 */
void
log_init(const char *role, enum log_level level)
{
	struct stat st;
	int fd;

	logger.role = role;
	logger.level = level;
	if (logger.fd != STDERR_FILENO || fstat(STDERR_FILENO, &st) == -1)
		return;
	if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
		return;
	fd = open("/proc/self/fd/2",
	    O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_APPEND);
	if (fd != -1)
		logger.fd = fd;
}

void
log_to(int fd, enum logline_format format)
{
	logger.format = format;
	if (fd == -1 || fd == logger.fd)
		return;
	/* Ours, if it is not standard error itself. */
	if (logger.fd != STDERR_FILENO)
		close(logger.fd);
	logger.fd = fd;
}

static int
log_put(const char *line, size_t len)
{
	struct pollfd p = {.fd = logger.fd, .events = POLLOUT};

	/* Where a new description could not be had, ask before writing. */
	if (poll(&p, 1, 0) != 1 || !(p.revents & (POLLOUT | POLLERR)))
		return -1;
	if (write(logger.fd, line, len) == (ssize_t)len)
		return 0;
	/* Somebody has listened for a while, and has gone. It stays open: its
	 * number is what the keeper's roles are told. */
	if (errno == EPIPE)
		logger.fd = STDERR_FILENO;
	return -1;
}

/* -1: nobody took it. */
static int
log_line(enum log_level level, const char *text)
{
	static const char *const names[] = {[LOG_LEVEL_ERROR] = "error",
	    [LOG_LEVEL_WARN] = "warning",
	    [LOG_LEVEL_INFO] = "info",
	    [LOG_LEVEL_DEBUG] = "debug"};
	struct logline l = {.level = names[level],
	    .role = logger.role,
	    .pid = getpid(),
	    .text = text,
	    .text_len = strlen(text)};
	char line[LINE_MAX_BYTES];
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	l.time_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	return log_put(
	    line, logline_put(logger.format, &l, line, sizeof(line), NULL));
}

static void log_va(enum log_level level, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void
log_va(enum log_level level, const char *fmt, va_list ap)
{
	char text[LINE_MAX_BYTES];
	int saved = errno;

	if (level > logger.level)
		return;
	if (logger.dropped > 0) {
		snprintf(text, sizeof(text),
		    "%lu lines dropped: nobody read them", logger.dropped);
		if (log_line(LOG_LEVEL_INFO, text) == 0)
			logger.dropped = 0;
	}
	vsnprintf(text, sizeof(text), fmt, ap);
	if (log_line(level, text) == -1)
		logger.dropped++;
	errno = saved;
}

#define LOG_FUNCTION(name, level)       \
	void name(const char *fmt, ...) \
	{                               \
		va_list ap;             \
                                        \
		va_start(ap, fmt);      \
		log_va(level, fmt, ap); \
		va_end(ap);             \
	}

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warn, LOG_LEVEL_WARN)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)

_Noreturn void
log_bug(const char *file, int line, const char *why)
{
	log_error("bug at %s:%d: %s", file, line, why);
	abort();
}
