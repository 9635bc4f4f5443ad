/* hang: see hang.h. */
#include "core/hang.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"

#define TIME_SIZE 32
#define WORTH_SAYING 10 /* percent */

static const struct {
	char state;
	const char *text;
} states[] = {
    {'R', "running"},
    {'S', "asleep"},
    {'D', "in a system call that cannot be interrupted"},
    {'T', "stopped by a signal"},
    {'t', "stopped by a debugger"},
};

static const char *
state_text(char state)
{
	size_t i;

	for (i = 0; i < sizeof(states) / sizeof(*states); i++)
		if (states[i].state == state)
			return states[i].text;
	return "in an unknown state";
}

static void
add(char *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
add(char *text, const char *fmt, ...)
{
	size_t len = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + len, HANG_TEXT_SIZE - len, fmt, ap);
	va_end(ap);
}

/* What else happened, if it was much. */
static void
add_part(char *text, const struct hang_span *h, const char *what, int64_t part)
{
	int64_t percent = h->span == 0 ? 0 : part * 100 / h->span;

	if (percent >= WORTH_SAYING)
		add(text, ", %s %d%%", what,
		    percent > 100 ? 100 : (int)percent);
}

static void
describe(const struct hang_span *h, char *text)
{
	char ran[TIME_SIZE], waited[TIME_SIZE], span[TIME_SIZE];

	units_format_duration(h->ran, ran, sizeof(ran));
	units_format_duration(h->waited, waited, sizeof(waited));
	units_format_duration(h->span, span, sizeof(span));
	add(text, "ran %s and waited %s for a processor in the last %s", ran,
	    waited, span);
	add_part(text, h, "throttled", h->throttled);
	add_part(text, h, "steal", h->stolen);
	add_part(text, h, "CPU pressure", h->cpu_pressure);
	add_part(text, h, "I/O pressure", h->io_pressure);
}

/*
 * What is stolen from a processor is lost to whoever wants one, but is in
 * nobody's time of waiting. A sleeper has lost nothing by it; and a process
 * that had half a processor, if only for others of its threads, could have
 * spoken.
 */
static int
is_starved(const struct hang_span *h)
{
	int64_t lost = h->waited;

	if (h->stolen > 0 && h->ran + h->waited > h->span / 8)
		lost += h->stolen;
	return lost > h->span / 2 && h->ran <= h->span / 2;
}

enum hang_verdict
hang_judge(const struct hang_span *h, char text[HANG_TEXT_SIZE])
{
	text[0] = '\0';
	if (h->ran == HANG_UNKNOWN_TIME || h->waited == HANG_UNKNOWN_TIME ||
	    h->span <= 0) {
		add(text, "%s; how long it had a processor is not known",
		    state_text(h->state));
		return HANG_UNKNOWN;
	}
	if (is_starved(h)) {
		describe(h, text);
		return HANG_STARVED;
	}
	add(text, "%s, ", state_text(h->state));
	describe(h, text);
	return HANG_HUNG;
}
