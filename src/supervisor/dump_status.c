/*
 * dump_status: a process as a whole: who it is, signals, processor time,
 * memory; see dump_proc.h.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/procfs.h"
#include "base/sys.h"
#include "base/units.h"
#include "supervisor/dump_proc.h"

#define SIGNAL_SIZE 16
#define TIME_SIZE 40

/* A line of status, as it is. */
static void
say_line(
    struct dump_out *o, const char *status, const char *key, const char *label)
{
	const char *value = procfs_value(status, key);

	if (value == NULL)
		return;
	dump_say(o, DUMP_INDENT "%s: ", label);
	dump_quote(o, value, strcspn(value, "\n"));
	dump_say(o, "\n");
}

static void
say_unless_0(
    struct dump_out *o, const char *status, const char *key, const char *label)
{
	const char *value = procfs_value(status, key);

	if (value != NULL && strtoll(value, NULL, 10) != 0)
		say_line(o, status, key, label);
}

/* The real-time ones, of which a libc may have most, as ranges. */
static void
say_set(struct dump_out *o, uint64_t set)
{
	char name[SIGNAL_SIZE];
	const char *between = "";
	int sig, last;

	for (sig = 1; sig <= 64; sig = last + 1) {
		last = sig;
		if (!(set & SIG_BIT(sig)))
			continue;
		while (
		    sig >= SIGRTMIN && last < 64 && (set & SIG_BIT(last + 1)))
			last++;
		dump_say(o, "%s%s", between,
		    units_signal_name(sig, name, sizeof(name)));
		if (last > sig)
			dump_say(o, "-%s",
			    units_signal_name(last, name, sizeof(name)));
		between = " ";
	}
}

static void
say_signals(struct dump_out *o, const char *status)
{
	static const struct {
		const char *key, *label;
	} sets[] = {{"ShdPnd", "pending"},
	    {"SigPnd", "pending to its first thread"},
	    {"SigBlk", "blocked by its first thread"}, {"SigIgn", "ignored"},
	    {"SigCgt", "caught"}};
	const char *value, *between = DUMP_INDENT "signals ";
	uint64_t set;
	size_t i;

	for (i = 0; i < sizeof(sets) / sizeof(*sets); i++) {
		value = procfs_value(status, sets[i].key);
		set = value == NULL ? 0 : strtoull(value, NULL, 16);
		if (set == 0)
			continue;
		dump_say(o, "%s%s: ", between, sets[i].label);
		say_set(o, set);
		between = "; ";
	}
	if (*between == ';')
		dump_say(o, "\n");
}

/* Fields of stat behind the name, which may hold anything. */
static void
say_times(struct dump_out *o, const struct dump_proc *p)
{
	unsigned long long user, system;
	char text[DUMP_TEXT_BYTES], a[TIME_SIZE], b[TIME_SIZE];
	uint64_t ran, waited, tick = (uint64_t)sysconf(_SC_CLK_TCK);
	const char *end;

	if (procfs_read(p->dir, "stat", text, sizeof(text)) <= 0 ||
	    (end = strrchr(text, ')')) == NULL ||
	    sscanf(end + 1,
		" %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
		&system) != 2)
		return;
	dump_say(o, DUMP_INDENT "processor time: %s user, %s system",
	    units_format_duration((int64_t)(user * 1000 / tick), a, sizeof(a)),
	    units_format_duration(
		(int64_t)(system * 1000 / tick), b, sizeof(b)));
	if (procfs_read(p->dir, "schedstat", text, sizeof(text)) > 0 &&
	    sscanf(text, "%" SCNu64 " %" SCNu64, &ran, &waited) == 2)
		dump_say(o,
		    "; its first thread has run %s, and been ready to run, but "
		    "waited for a processor, %s",
		    units_format_duration(
			(int64_t)(ran / 1000000), a, sizeof(a)),
		    units_format_duration(
			(int64_t)(waited / 1000000), b, sizeof(b)));
	dump_say(o, "\n");
}

void
dump_status(struct dump_out *o, const struct dump_proc *p)
{
	char text[DUMP_TEXT_BYTES];

	if (procfs_read(p->dir, "status", text, sizeof(text)) <= 0) {
		dump_heading(o, p, "gone");
		return;
	}
	dump_heading(o, p, "as a whole");
	say_line(o, text, "State", "state");
	if (!p->is_main)
		dump_say(o, DUMP_INDENT "a child of %d\n", (int)p->parent);
	say_unless_0(o, text, "TracerPid", "traced by");
	say_line(o, text, "Threads", "threads");
	say_signals(o, text);
	say_times(o, p);
	say_line(o, text, "VmRSS", "resident memory");
	say_line(o, text, "VmHWM", "at its most");
	say_unless_0(o, text, "VmSwap", "swapped out");
	say_line(o, text, "voluntary_ctxt_switches", "times it has waited");
}
