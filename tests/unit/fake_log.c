/*
 * fake_log: a log that nobody reads. To be included by a suite: it replaces
 * log, where a failure shows elsewhere.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

#define SILENT(name)                    \
	void name(const char *fmt, ...) \
	{                               \
		(void)fmt;              \
	}

SILENT(log_error)
SILENT(log_warn)
SILENT(log_info)
SILENT(log_debug)

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
