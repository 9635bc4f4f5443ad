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
	unsigned long dropped;
} logger = {"svd", LOG_LEVEL_INFO, STDERR_FILENO, 0};

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

static int
log_put(const char *line, size_t len)
{
	struct pollfd p = {.fd = logger.fd, .events = POLLOUT};

	/* Where a new description could not be had, ask before writing. */
	if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT))
		return -1;
	return write(logger.fd, line, len) == (ssize_t)len ? 0 : -1;
}

static size_t
log_stamp(char *line, size_t size)
{
	struct timespec now;
	struct tm tm;
	size_t len;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	len = strftime(line, size, "%Y-%m-%dT%H:%M:%S", &tm);
	len += (size_t)snprintf(line + len, size - len,
	    ".%03ldZ svd[%ld] %s: ", now.tv_nsec / 1000000, (long)getpid(),
	    logger.role);
	return len;
}

static void log_va(enum log_level level, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void
log_va(enum log_level level, const char *fmt, va_list ap)
{
	static const char *const names[] = {[LOG_LEVEL_ERROR] = "error: ",
	    [LOG_LEVEL_WARN] = "warning: ",
	    [LOG_LEVEL_INFO] = "",
	    [LOG_LEVEL_DEBUG] = "debug: "};
	char line[LINE_MAX_BYTES];
	size_t len, i;
	int saved = errno;

	if (level > logger.level)
		return;
	len = log_stamp(line, sizeof(line));
	if (logger.dropped > 0) {
		int n = snprintf(line + len, sizeof(line) - len,
		    "%lu lines dropped: nobody read them\n", logger.dropped);
		if (log_put(line, len + (size_t)n) == 0)
			logger.dropped = 0;
		len = log_stamp(line, sizeof(line));
	}
	len += (size_t)snprintf(
	    line + len, sizeof(line) - len, "%s", names[level]);
	vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	/* What a worker or a user made up must not forge a line. */
	for (i = len; line[i] != '\0'; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	line[i++] = '\n';
	if (log_put(line, i) == -1)
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
