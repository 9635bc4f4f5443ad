/*
 * logline: one line of svd's own log, as text, JSON or logfmt.
 *
 *	text	2026-01-02T03:04:05.678Z svd[PID] ROLE: LEVEL: MESSAGE
 *		2026-01-02T03:04:05.678Z WORKER: MESSAGE
 *	json	{"time":..,"level":..,"role":..,"pid":..,"message":..}
 *		{"time":..,"worker":..,"stream":..,"message":..}
 *	logfmt	the same members, key=value
 *
 * A message may be any bytes: none of them ends the line, talks to a terminal
 * or makes it other than UTF-8. Allocates nothing: the keeper uses it.
 */
#ifndef SVD_BASE_LOGLINE_H
#define SVD_BASE_LOGLINE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LOGLINE_MIN 256 /* bytes; room for no less than this must be given */

enum logline_format {
	LOGLINE_TEXT,
	LOGLINE_JSON,
	LOGLINE_LOGFMT,
	LOGLINE_FORMATS
};

struct logline {
	int64_t time_ms; /* CLOCK_REALTIME */
	/* svd's own: */
	const char *level; /* "error", "warning", "info", "debug" */
	const char *role;  /* NULL: it is a worker's */
	pid_t pid;
	/* or a worker's: */
	const char *worker; /* at most 63 bytes are shown of these names */
	const char *stream; /* "stdout", "stderr" */

	const char *text; /* the message, without a newline; not a string */
	size_t text_len;  /* bytes */
};

/*
 * Writes the line with its newline, no NUL, to out: at most size bytes, which
 * are its length. *used, where not NULL, is how much of the message went into
 * it; the rest did not fit. No character is cut in two.
 */
size_t logline_put(enum logline_format format, const struct logline *l,
    char *out, size_t size, size_t *used);
/* A message as LOGLINE_TEXT shows it, as a string of at most size bytes with
 * its NUL. */
void logline_clean(char *out, size_t size, const char *text, size_t len_bytes);
/* LOGLINE_FORMATS: there is none of that name. */
enum logline_format logline_format_of(const char *name);
const char *logline_format_name(enum logline_format format);

#endif
