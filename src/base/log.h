/*
 * log: svd's own log, one line a call, to standard error or to the logger.
 *
 * A line is written with one system call that never blocks: when whoever
 * reads it has stopped reading, lines are dropped and counted, and the count
 * is the first line written once there is room again. The only mutable global
 * of the program lives here. Allocates nothing.
 */
#ifndef SVD_BASE_LOG_H
#define SVD_BASE_LOG_H

#include "base/logline.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO, /* the default */
	LOG_LEVEL_DEBUG
};

/* role: "keeper", "supervisor" ...; kept by reference. May be called again. */
void log_init(const char *role, enum log_level level);
/*
 * From now on lines have this form and go to fd, taken: a pipe's writing end,
 * non-blocking. -1: where they went before.
 */
void log_to(int fd, enum logline_format format);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A bug: says where and aborts. Never used by the keeper. */
#define BUG(why) log_bug(__FILE__, __LINE__, (why))
_Noreturn void log_bug(const char *file, int line, const char *why);

#endif
