/*
 * svctl: the control command, see svctl(8). Options here; what the commands do
 * is in commands.c.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "base/units.h"
#include "ctl/commands.h"
#include "ctl/exits.h"
#include "ctl/print.h"

#define PROMPT_MS 10000 /* for what is answered without waiting */

static void
print_help(FILE *to)
{
	const struct command *c;
	size_t i;

	fputs("usage: svctl [-s SOCKET | -r DIR] [-j] [-t SECONDS] [--no-wait] "
	      "COMMAND [ARG...]\n"
	      "  -s, --socket SOCKET    the daemon's control socket\n"
	      "  -r, --runtime-dir DIR  its directory\n"
	      "  -j, --json             print JSON\n"
	      "  -t, --timeout SECONDS  give up after this (2s, 500ms)\n"
	      "      --no-wait          do not wait for the outcome\n"
	      "  -V, --version          print the version\n"
	      "  -h, --help             print this\n"
	      "commands:\n",
	    to);
	for (i = 0; (c = command_at(i)) != NULL; i++)
		fprintf(to, "    %-9s %-12s  %s\n", c->name, c->args, c->help);
}

static int
usage(void)
{
	fputs("svctl: try 'svctl --help'\n", stderr);
	return EXIT_USAGE;
}

enum {
	OPTION_NO_WAIT = 256
};

static const struct option options[] = {
    {"socket", required_argument, NULL, 's'},
    {"runtime-dir", required_argument, NULL, 'r'},
    {"json", no_argument, NULL, 'j'},
    {"timeout", required_argument, NULL, 't'},
    {"no-wait", no_argument, NULL, OPTION_NO_WAIT},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* -1: go on; else the exit status. */
static int
take_option(struct ctl *ctl, int option)
{
	struct err e;

	switch (option) {
	case 's':
		ctl->where.socket = optarg;
		return -1;
	case 'r':
		ctl->where.dir = optarg;
		return -1;
	case 'j':
		ctl->json = 1;
		return -1;
	case 't':
		if (units_parse_duration(optarg, &ctl->timeout_ms, &e) == 0)
			return -1;
		print_error("bad timeout: %s", e.text);
		return usage();
	case OPTION_NO_WAIT:
		ctl->wait = 0;
		return -1;
	case 'V':
		puts("svctl " SVD_VERSION);
		return EXIT_DONE;
	case 'h':
		print_help(stdout);
		return EXIT_DONE;
	default:
		return usage();
	}
}

/* Options stand before or behind the command. -1: go on. */
static int
take_options(struct ctl *ctl, int argc, char **argv)
{
	int option, status;

	while ((option = getopt_long(argc, argv, "s:r:jt:Vh", options, NULL)) !=
	       -1) {
		status = take_option(ctl, option);
		if (status != -1)
			return status;
	}
	if (ctl->where.socket != NULL && ctl->where.dir != NULL) {
		print_error("either -s or -r");
		return usage();
	}
	return -1;
}

static int
right_count(const struct command *c, int nargs)
{
	if (c->flags & COMMAND_NO_ARGS)
		return nargs == 0;
	return (c->flags & COMMAND_OPTIONAL) || nargs > c->first_name;
}

/* -1: go on. */
static int
take_command(struct ctl *ctl, int argc, char **argv)
{
	const struct command *c;
	size_t i;

	if (argc == 0) {
		print_error("no command");
		return usage();
	}
	for (i = 0; (c = command_at(i)) != NULL; i++)
		if (strcmp(c->name, argv[0]) == 0)
			break;
	if (c == NULL) {
		print_error("unknown command '%s'", argv[0]);
		return usage();
	}
	ctl->command = c;
	ctl->args = argv + 1;
	ctl->nargs = argc - 1;
	if (!right_count(c, ctl->nargs)) {
		print_error("usage: svctl %s %s", c->name, c->args);
		return EXIT_USAGE;
	}
	return -1;
}

static int64_t
deadline_of(const struct ctl *ctl)
{
	if (ctl->timeout_ms != -1)
		return sys_now_ms() + ctl->timeout_ms;
	if ((ctl->command->flags & COMMAND_PROMPT) || !ctl->wait)
		return sys_now_ms() + PROMPT_MS;
	return CLIENT_NEVER;
}

int
main(int argc, char **argv)
{
	struct ctl ctl = {.wait = 1, .timeout_ms = -1};
	int status = take_options(&ctl, argc, argv);

	if (status == -1)
		status = take_command(&ctl, argc - optind, argv + optind);
	if (status != -1)
		return status;
	status = where_socket(&ctl.where, ctl.path);
	if (status != EXIT_DONE)
		return status;
	ctl.deadline = deadline_of(&ctl);
	client_init(&ctl.client, ctl.path);
	status = ctl.command->fn(&ctl);
	client_close(&ctl.client);
	if (print_end() == -1)
		status = EXIT_FAILED;
	return status;
}
