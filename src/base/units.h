/*
 * units: durations, sizes, signals and exit statuses as people write them.
 *
 * Every parser takes the whole string (no blanks around it) and returns 0, or
 * -1 with the reason, which names what would be right.
 */
#ifndef SVD_BASE_UNITS_H
#define SVD_BASE_UNITS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* "500ms", "2s", "1min", "1h", "1d", "0.5s", "1h30min"; a plain number is
 * seconds. In ms, never negative. */
int units_parse_duration(const char *s, int64_t *ms, struct err *e);
/* "64K", "10M", "1G", "1T" (powers of 1024); a plain number is bytes. */
int units_parse_size(const char *s, uint64_t *bytes, struct err *e);
/* Whole decimal number within [min, max]. */
int units_parse_int(
    const char *s, int64_t min, int64_t max, int64_t *v, struct err *e);
/* Decimal number such as "2", "1.5" within [min, max]; no exponent. */
int units_parse_decimal(
    const char *s, double min, double max, double *v, struct err *e);
/* Octal number within [0, max]. */
int units_parse_octal(
    const char *s, unsigned int max, unsigned int *v, struct err *e);
/* "TERM", "SIGTERM", "15", "RTMIN+3", "RTMAX-1"; letters of any case. */
int units_parse_signal(const char *s, int *sig, struct err *e);
/* "TERM", "RTMIN+3", or the number where it has no name. Writes into out (at
 * least 16 bytes) and returns it. */
const char *units_signal_name(int sig, char *out, size_t size);
/* yes/no, true/false, on/off, 1/0; letters of any case. */
int units_parse_bool(const char *s, int *v, struct err *e);
/* "1h2min", "2.5s", "300ms": short, for people: from a minute up what is below
 * the second unit is left out. Returns out (>= 32 bytes). */
const char *units_format_duration(int64_t ms, char *out, size_t size);
/* RFC 3339 in UTC with milliseconds, from ms since the epoch (>= 32 bytes). */
const char *units_format_time(int64_t realtime_ms, char *out, size_t size);

/* A set of exit statuses and signals that count as something. */
struct exit_set {
	uint64_t code[4]; /* bit n: exit status n, 0-255 */
	uint64_t signal;  /* bit n-1: killed by signal n, 1-64 */
};
/* Words of exit statuses ("0", "10-12") and signal names, split by blanks or
 * commas. Replaces *set. */
int units_parse_exit_set(const char *s, struct exit_set *set, struct err *e);
int exit_set_has_code(const struct exit_set *set, int code);
int exit_set_has_signal(const struct exit_set *set, int sig);

#endif
