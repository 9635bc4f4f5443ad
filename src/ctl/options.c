/* options: see options.h. */
#include "ctl/options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "ctl/exits.h"
#include "ctl/print.h"

#define NO_LETTER 256 /* and up: getopt's value of options without one */

int
options_usage(void)
{
	fputs("svctl: try 'svctl --help'\n", stderr);
	return EXIT_USAGE;
}

static int
take_socket(struct ctl *ctl, const char *arg)
{
	ctl->where.socket = arg;
	return OPTION_GO_ON;
}

static int
take_dir(struct ctl *ctl, const char *arg)
{
	ctl->where.dir = arg;
	return OPTION_GO_ON;
}

static int
take_json(struct ctl *ctl, const char *arg)
{
	(void)arg;
	ctl->json = 1;
	return OPTION_GO_ON;
}

static int
take_timeout(struct ctl *ctl, const char *arg)
{
	struct err e;

	if (units_parse_duration(arg, &ctl->timeout_ms, &e) == 0)
		return OPTION_GO_ON;
	print_error("bad timeout: %s", e.text);
	return options_usage();
}

static int
take_no_wait(struct ctl *ctl, const char *arg)
{
	(void)arg;
	ctl->wait = 0;
	return OPTION_GO_ON;
}

static int
take_detach(struct ctl *ctl, const char *arg)
{
	(void)arg;
	ctl->detach = 1;
	return OPTION_GO_ON;
}

static int
take_long(struct ctl *ctl, const char *arg)
{
	(void)arg;
	ctl->is_long = 1;
	return OPTION_GO_ON;
}

static int
take_state(struct ctl *ctl, const char *arg)
{
	(void)arg;
	ctl->recorded = 1;
	return OPTION_GO_ON;
}

static int
take_follow(struct ctl *ctl, const char *arg)
{
	(void)arg;
	ctl->follow = 1;
	return OPTION_GO_ON;
}

static int
take_lines(struct ctl *ctl, const char *arg)
{
	struct err e;

	if (units_parse_int(arg, 0, INT32_MAX, &ctl->lines, &e) == 0)
		return OPTION_GO_ON;
	print_error("bad number of lines: %s", e.text);
	return options_usage();
}

static int
take_since(struct ctl *ctl, const char *arg)
{
	ctl->since = arg;
	return OPTION_GO_ON;
}

static int
take_version(struct ctl *ctl, const char *arg)
{
	(void)ctl;
	(void)arg;
	puts("svctl " SVD_VERSION);
	return EXIT_DONE;
}

static void
print_options(int only_some)
{
	const struct option_row *o;
	char names[48], letter[] = "    ";
	size_t i;

	for (i = 0; (o = option_at(i)) != NULL; i++) {
		if ((o->only != 0) != only_some)
			continue;
		snprintf(letter, sizeof(letter),
		    o->letter == 0 ? "   " : "-%c,", o->letter);
		snprintf(names, sizeof(names), "--%s%s%s", o->name,
		    o->arg == NULL ? "" : " ", o->arg == NULL ? "" : o->arg);
		printf("  %s %-19s %s\n", letter, names, o->help);
	}
}

static int
take_help(struct ctl *ctl, const char *arg)
{
	const struct command *c;
	size_t i;

	(void)ctl;
	(void)arg;
	puts("usage: svctl [-s SOCKET | -r DIR] [-j] [-t SECONDS] [--no-wait] "
	     "COMMAND [ARG...]");
	print_options(0);
	puts("options of some commands:");
	print_options(1);
	puts("commands:");
	for (i = 0; (c = command_at(i)) != NULL; i++)
		printf("    %-9s %-14s %s\n", c->name, c->args, c->help);
	return EXIT_DONE;
}

static const struct option_row rows[] = {
    {"socket", 's', "SOCKET", "the daemon's control socket", 0, take_socket},
    {"runtime-dir", 'r', "DIR", "its directory", 0, take_dir},
    {"json", 'j', NULL, "print JSON", 0, take_json},
    {"timeout", 't', "SECONDS", "give up after this (2s, 500ms)", 0,
	take_timeout},
    {"no-wait", 0, NULL, "do not wait for the outcome", 0, take_no_wait},
    {"long", 'l', NULL, "memory and processor time too", COMMAND_TAKES_LONG,
	take_long},
    {"state", 0, NULL, "what is on record, without a daemon",
	COMMAND_TAKES_STATE, take_state},
    {"follow", 'f', NULL, "go on with what is written then",
	COMMAND_TAKES_LINES, take_follow},
    {"lines", 'n', "LINES", "how many of the last lines", COMMAND_TAKES_LINES,
	take_lines},
    {"since", 0, "CURSOR,...", "those behind these cursors",
	COMMAND_TAKES_LINES, take_since},
    {"detach", 0, NULL, "leave the workers to a later svd",
	COMMAND_TAKES_DETACH, take_detach},
    {"version", 'V', NULL, "print the version", 0, take_version},
    {"help", 'h', NULL, "print this", 0, take_help},
};

#define NROWS (sizeof(rows) / sizeof(*rows))

const struct option_row *
option_at(size_t i)
{
	return i < NROWS ? &rows[i] : NULL;
}

/* What getopt_long() wants. */
static void
fill(char letters[2 * NROWS + 1], struct option longs[NROWS + 1])
{
	size_t i;
	char *p = letters;

	for (i = 0; i < NROWS; i++) {
		const struct option_row *o = &rows[i];

		longs[i] = (struct option){.name = o->name,
		    .has_arg = o->arg == NULL ? no_argument : required_argument,
		    .val = o->letter != 0 ? o->letter : NO_LETTER + (int)i};
		if (o->letter == 0)
			continue;
		*p++ = o->letter;
		if (o->arg != NULL)
			*p++ = ':';
	}
	*p = '\0';
	longs[NROWS] = (struct option){0};
}

/* NULL: getopt has complained of one that is none. */
static const struct option_row *
find(int value)
{
	size_t i;

	for (i = 0; i < NROWS; i++)
		if (value == rows[i].letter || value == NO_LETTER + (int)i)
			return &rows[i];
	return NULL;
}

int
options_take(struct ctl *ctl, int argc, char **argv)
{
	struct option longs[NROWS + 1];
	char letters[2 * NROWS + 1];
	const struct option_row *o;
	int value, status;

	fill(letters, longs);
	while ((value = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		if ((o = find(value)) == NULL)
			return options_usage();
		ctl->taken |= 1UL << (o - rows);
		status = o->take(ctl, optarg);
		if (status != OPTION_GO_ON)
			return status;
	}
	if (ctl->where.socket != NULL && ctl->where.dir != NULL) {
		print_error("either -s or -r");
		return options_usage();
	}
	return OPTION_GO_ON;
}

_Static_assert(NROWS <= 32, "one bit of struct ctl for each");

int
options_check(const struct ctl *ctl)
{
	size_t i;

	for (i = 0; i < NROWS; i++)
		if ((ctl->taken & 1UL << i) && rows[i].only != 0 &&
		    !((unsigned int)ctl->command->flags & rows[i].only)) {
			print_error("'%s' has no option --%s",
			    ctl->command->name, rows[i].name);
			return options_usage();
		}
	return OPTION_GO_ON;
}
