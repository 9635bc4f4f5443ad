/*
 * units: see units.h. No locale, no strtol: what a parser takes is exactly
 * what the manual says, and a number that does not fit is an error.
 */
#include "base/units.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define NELEM(a) (sizeof(a) / sizeof((a)[0]))

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit durations[] = {
    {"ms", 1},
    {"s", 1000},
    {"min", 60 * 1000},
    {"h", 60 * 60 * 1000},
    {"d", 24 * 60 * 60 * 1000},
};

static const struct unit sizes[] = {
    {"", 1},
    {"K", UINT64_C(1) << 10},
    {"M", UINT64_C(1) << 20},
    {"G", UINT64_C(1) << 30},
    {"T", UINT64_C(1) << 40},
};

static const struct {
	const char *name;
	int sig;
} signals[] = {
    {"HUP", SIGHUP},
    {"INT", SIGINT},
    {"QUIT", SIGQUIT},
    {"ILL", SIGILL},
    {"TRAP", SIGTRAP},
    {"ABRT", SIGABRT},
    {"BUS", SIGBUS},
    {"FPE", SIGFPE},
    {"KILL", SIGKILL},
    {"USR1", SIGUSR1},
    {"SEGV", SIGSEGV},
    {"USR2", SIGUSR2},
    {"PIPE", SIGPIPE},
    {"ALRM", SIGALRM},
    {"TERM", SIGTERM},
#ifdef SIGSTKFLT
    {"STKFLT", SIGSTKFLT},
#endif
    {"CHLD", SIGCHLD},
    {"CONT", SIGCONT},
    {"STOP", SIGSTOP},
    {"TSTP", SIGTSTP},
    {"TTIN", SIGTTIN},
    {"TTOU", SIGTTOU},
    {"URG", SIGURG},
    {"XCPU", SIGXCPU},
    {"XFSZ", SIGXFSZ},
    {"VTALRM", SIGVTALRM},
    {"PROF", SIGPROF},
    {"WINCH", SIGWINCH},
    {"IO", SIGIO},
    {"PWR", SIGPWR},
    {"SYS", SIGSYS},
    /* Other names of the above, never printed. */
    {"IOT", SIGIOT},
    {"POLL", SIGPOLL},
    {"CLD", SIGCHLD},
};

static int
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits at *s, moved past them. -1 where there is none or it overflows. */
static int
scan_digits(const char **s, uint64_t *v)
{
	const char *p = *s;
	uint64_t n = 0;

	if (!is_digit(*p))
		return -1;
	for (; is_digit(*p); p++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			return -1;
	*s = p;
	*v = n;
	return 0;
}

/* A fraction's digits at *s ("5" of ".5") of a unit worth factor: the worth,
 * or -1 where it is no whole number. */
static int
scan_fraction(const char **s, uint64_t factor, uint64_t *worth)
{
	const char *p = *s;
	uint64_t digits, scale = 1;

	if (scan_digits(s, &digits) == -1 || *s - p > 9)
		return -1;
	for (; p < *s; p++)
		scale *= 10;
	if (factor % scale != 0 && digits * factor % scale != 0)
		return -1;
	*worth = digits * factor / scale;
	return 0;
}

static const struct unit *
find_duration(const char *s, size_t len)
{
	size_t i;

	if (len == 0) /* a plain number is seconds */
		return &durations[1];
	for (i = 0; i < NELEM(durations); i++)
		if (strlen(durations[i].name) == len &&
		    memcmp(durations[i].name, s, len) == 0)
			return &durations[i];
	return NULL;
}

/* One "2.5s" at *s is added to *ms; *plain is set where it had no unit. */
static int
scan_duration(const char **s, uint64_t *ms, int *plain)
{
	const char *p = *s, *fraction = NULL;
	const struct unit *unit;
	uint64_t whole, part = 0;
	size_t len;

	if (scan_digits(&p, &whole) == -1)
		return -1;
	if (*p == '.') {
		fraction = ++p;
		p += strspn(p, "0123456789");
	}
	len = strspn(p, "abcdefghijklmnopqrstuvwxyz");
	unit = find_duration(p, len);
	if (unit == NULL)
		return -1;
	if (fraction != NULL &&
	    scan_fraction(&fraction, unit->factor, &part) == -1)
		return -1;
	if (__builtin_mul_overflow(whole, unit->factor, &whole) ||
	    __builtin_add_overflow(whole, part, &whole) ||
	    __builtin_add_overflow(*ms, whole, ms) || *ms > INT64_MAX)
		return -1;
	*plain = len == 0;
	*s = p + len;
	return 0;
}

int
units_parse_duration(const char *s, int64_t *ms, struct err *e)
{
	const char *p = s;
	uint64_t total = 0;
	int plain = 0, terms = 0;

	do {
		if (scan_duration(&p, &total, &plain) == -1)
			goto bad;
		terms++;
	} while (*p != '\0');
	if (plain && terms > 1)
		goto bad;
	*ms = (int64_t)total;
	return 0;
bad:
	return err_set(
	    e, "'%s' is not a duration, such as 500ms, 2s, 1min, 1h or 1d", s);
}

int
units_parse_size(const char *s, uint64_t *bytes, struct err *e)
{
	const char *p = s;
	uint64_t n;
	size_t i;

	if (scan_digits(&p, &n) == 0)
		for (i = 0; i < NELEM(sizes); i++) {
			if (strcasecmp(p, sizes[i].name) != 0)
				continue;
			if (__builtin_mul_overflow(n, sizes[i].factor, &n))
				return err_set(e, "'%s' is too large", s);
			*bytes = n;
			return 0;
		}
	return err_set(
	    e, "'%s' is not a size, such as 4096, 64K, 10M or 1G", s);
}

int
units_parse_int(
    const char *s, int64_t min, int64_t max, int64_t *v, struct err *e)
{
	const char *p = *s == '-' ? s + 1 : s;
	uint64_t n;
	int64_t value;

	if (!is_digit(*p) || p[strspn(p, "0123456789")] != '\0')
		return err_set(e, "'%s' is not a whole number", s);
	if (scan_digits(&p, &n) == -1 || n > INT64_MAX)
		goto range;
	value = *s == '-' ? -(int64_t)n : (int64_t)n;
	if (value < min || value > max)
		goto range;
	*v = value;
	return 0;
range:
	return err_set(e, "'%s' is not within %lld to %lld", s, (long long)min,
	    (long long)max);
}

int
units_parse_decimal(
    const char *s, double min, double max, double *v, struct err *e)
{
	size_t whole = strspn(s, "0123456789"), len = whole, digits = whole;
	double value = 0, scale = 1;
	size_t i;

	if (s[len] == '.') {
		digits += strspn(s + len + 1, "0123456789");
		len = digits + 1;
	}
	if (digits == 0 || s[len] != '\0')
		return err_set(e, "'%s' is not a number, such as 2 or 1.5", s);
	for (i = 0; i < len; i++) {
		if (s[i] == '.')
			continue;
		value = value * 10 + (s[i] - '0');
		if (i > whole)
			scale *= 10;
		if (value > 1e15 && i > whole) /* enough digits */
			break;
	}
	value /= scale;
	if (value < min || value > max)
		return err_set(e, "'%s' is not within %g to %g", s, min, max);
	*v = value;
	return 0;
}

int
units_parse_octal(
    const char *s, unsigned int max, unsigned int *v, struct err *e)
{
	size_t len = strspn(s, "01234567");
	unsigned long n;

	if (len == 0 || s[len] != '\0')
		return err_set(
		    e, "'%s' is not an octal number, such as 022", s);
	errno = 0;
	n = strtoul(s, NULL, 8);
	if (errno != 0 || n > max)
		return err_set(e, "'%s' is not within 0 to 0%o", s, max);
	*v = (unsigned int)n;
	return 0;
}

/* "RTMIN+3" or "RTMAX-2"; 0 where it is none. */
static int
parse_realtime(const char *s)
{
	uint64_t n = 0;
	int plus = strncasecmp(s, "RTMIN", 5) == 0;
	int max = SIGRTMAX - SIGRTMIN;

	if (!plus && strncasecmp(s, "RTMAX", 5) != 0)
		return 0;
	s += 5;
	if (*s != '\0') {
		if (*s++ != (plus ? '+' : '-') || scan_digits(&s, &n) == -1 ||
		    *s != '\0' || n > (uint64_t)max)
			return 0;
	}
	return plus ? SIGRTMIN + (int)n : SIGRTMAX - (int)n;
}

/* 0 where s names no signal. */
static int
signal_by_name(const char *s)
{
	size_t i;

	if (strncasecmp(s, "SIG", 3) == 0)
		s += 3;
	for (i = 0; i < NELEM(signals); i++)
		if (strcasecmp(s, signals[i].name) == 0)
			return signals[i].sig;
	return parse_realtime(s);
}

int
units_parse_signal(const char *s, int *sig, struct err *e)
{
	const char *p = s;
	uint64_t n;
	int found;

	if (scan_digits(&p, &n) == 0 && *p == '\0' && n >= 1 &&
	    n <= (uint64_t)SIGRTMAX)
		found = (int)n;
	else
		found = signal_by_name(s);
	if (found == 0)
		return err_set(e,
		    "'%s' is not a signal, such as TERM, SIGUSR1 or RTMIN+3",
		    s);
	*sig = found;
	return 0;
}

const char *
units_signal_name(int sig, char *out, size_t size)
{
	size_t i;

	for (i = 0; i < NELEM(signals); i++)
		if (signals[i].sig == sig) {
			snprintf(out, size, "%s", signals[i].name);
			return out;
		}
	if (sig == SIGRTMIN)
		snprintf(out, size, "RTMIN");
	else if (sig > SIGRTMIN && sig <= SIGRTMAX)
		snprintf(out, size, "RTMIN+%d", sig - SIGRTMIN);
	else
		snprintf(out, size, "%d", sig);
	return out;
}

int
units_parse_bool(const char *s, int *v, struct err *e)
{
	static const char *const words[][2] = {
	    {"no", "yes"}, {"false", "true"}, {"off", "on"}, {"0", "1"}};
	size_t i;
	int value;

	for (i = 0; i < NELEM(words); i++)
		for (value = 0; value <= 1; value++)
			if (strcasecmp(s, words[i][value]) == 0) {
				*v = value;
				return 0;
			}
	return err_set(e, "'%s' is neither yes nor no", s);
}

const char *
units_format_duration(int64_t ms, char *out, size_t size)
{
	const char *sign = ms < 0 ? "-" : "";
	uint64_t n = ms < 0 ? -(uint64_t)ms : (uint64_t)ms, s = n / 1000;
	unsigned int frac = (unsigned int)(n % 1000), width = 3;
	unsigned long long hi, lo;
	const char *hi_unit, *lo_unit;

	if (n < 60 * 1000) {
		for (; frac != 0 && frac % 10 == 0; width--)
			frac /= 10;
		if (n != 0 && n < 1000)
			snprintf(out, size, "%s%ums", sign, (unsigned int)n);
		else if (frac == 0)
			snprintf(out, size, "%s%us", sign, (unsigned int)s);
		else
			snprintf(out, size, "%s%u.%0*us", sign, (unsigned int)s,
			    (int)width, frac);
		return out;
	}
	if (s < 60 * 60)
		hi = s / 60, lo = s % 60, hi_unit = "min", lo_unit = "s";
	else if (s < 24 * 60 * 60)
		hi = s / 3600, lo = s / 60 % 60, hi_unit = "h", lo_unit = "min";
	else
		hi = s / 86400, lo = s / 3600 % 24, hi_unit = "d",
		lo_unit = "h";
	if (lo == 0)
		snprintf(out, size, "%s%llu%s", sign, hi, hi_unit);
	else
		snprintf(out, size, "%s%llu%s%llu%s", sign, hi, hi_unit, lo,
		    lo_unit);
	return out;
}

/* n in width digits, and what stands behind it; returns where that ends. */
static char *
put_digits(char *p, int n, size_t width, char behind)
{
	size_t i;

	for (i = width; i > 0; i--, n /= 10)
		p[i - 1] = (char)('0' + n % 10);
	p[width] = behind;
	return p + width + 1;
}

/* What snprintf() would make of it, in a tenth of the time: a status tells two
 * times of each worker. */
static void
put_time(const struct tm *tm, int ms, char *out)
{
	out = put_digits(out, tm->tm_year + 1900, 4, '-');
	out = put_digits(out, tm->tm_mon + 1, 2, '-');
	out = put_digits(out, tm->tm_mday, 2, 'T');
	out = put_digits(out, tm->tm_hour, 2, ':');
	out = put_digits(out, tm->tm_min, 2, ':');
	out = put_digits(out, tm->tm_sec, 2, '.');
	*put_digits(out, ms, 3, 'Z') = '\0';
}

const char *
units_format_time(int64_t realtime_ms, char *out, size_t size)
{
	int64_t ms = realtime_ms % 1000;
	struct tm tm;
	time_t t;

	if (ms < 0)
		ms += 1000;
	t = (time_t)((realtime_ms - ms) / 1000);
	if (gmtime_r(&t, &tm) == NULL) {
		snprintf(out, size, "-");
		return out;
	}
	if (size >= sizeof("0000-00-00T00:00:00.000Z") && tm.tm_year >= -1900 &&
	    tm.tm_year < 10000 - 1900) {
		put_time(&tm, (int)ms, out);
		return out;
	}
	snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
	    tm.tm_sec, (int)ms);
	return out;
}

/* "7" or "10-12" into set; -1 where word is neither. */
static int
add_codes(struct exit_set *set, const char *word)
{
	const char *p = word;
	uint64_t from, to, n;

	if (scan_digits(&p, &from) == -1)
		return -1;
	to = from;
	if (*p == '-') {
		p++;
		if (scan_digits(&p, &to) == -1)
			return -1;
	}
	if (*p != '\0' || from > to || to > 255)
		return -1;
	for (n = from; n <= to; n++)
		set->code[n / 64] |= UINT64_C(1) << n % 64;
	return 0;
}

int
units_parse_exit_set(const char *s, struct exit_set *set, struct err *e)
{
	struct exit_set new = {0};
	char word[24];
	size_t len;
	int sig;

	for (s += strspn(s, " \t,"); *s != '\0'; s += strspn(s, " \t,")) {
		len = strcspn(s, " \t,");
		snprintf(word, sizeof(word), "%.*s",
		    len < INT_MAX ? (int)len : INT_MAX, s);
		s += len;
		if (len < sizeof(word) && add_codes(&new, word) == 0)
			continue;
		sig = len < sizeof(word) && !is_digit(word[0])
		          ? signal_by_name(word)
		          : 0;
		if (sig == 0)
			return err_set(e,
			    "'%s' is neither an exit status (0 to 255, or "
			    "FROM-TO) nor the name of a signal",
			    word);
		new.signal |= UINT64_C(1) << (sig - 1);
	}
	*set = new;
	return 0;
}

int
exit_set_has_code(const struct exit_set *set, int code)
{
	if (code < 0 || code > 255)
		return 0;
	return (int)(set->code[code / 64] >> code % 64 & 1);
}

int
exit_set_has_signal(const struct exit_set *set, int sig)
{
	if (sig < 1 || sig > 64)
		return 0;
	return (int)(set->signal >> (sig - 1) & 1);
}
