/*
 * fake_log: a log that is only remembered. To be included by a suite: it
 * replaces log.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define FAKE_LOG_BYTES 65536

/* Lines, as much as there is room for. */
static char fake_log[FAKE_LOG_BYTES];

#define REMEMBER(name)                                                      \
	void name(const char *fmt, ...)                                     \
	{                                                                   \
		size_t len = strlen(fake_log);                              \
		va_list ap;                                                 \
                                                                            \
		va_start(ap, fmt);                                          \
		vsnprintf(fake_log + len, sizeof(fake_log) - len, fmt, ap); \
		va_end(ap);                                                 \
	}

REMEMBER(log_error)
REMEMBER(log_warn)
REMEMBER(log_info)
REMEMBER(log_debug)

/* How often that was said. */
static int __attribute__((unused)) logged(const char *text)
{
	const char *at = fake_log;
	int n = 0;

	for (; (at = strstr(at, text)) != NULL; at++)
		n++;
	return n;
}

void
log_init(const char *role, enum log_level level)
{
	(void)role;
	(void)level;
}

_Noreturn void
log_bug(const char *file, int line, const char *why)
{
	fprintf(stderr, "bug at %s:%d: %s\n", file, line, why);
	abort();
}
