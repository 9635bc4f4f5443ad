/*
 * svctl: the control command, see svctl(8). Options are in options.c; what the
 * commands do is in commands.c.
 */
#include <getopt.h>
#include <string.h>

#include "base/sys.h"
#include "ctl/commands.h"
#include "ctl/exits.h"
#include "ctl/options.h"
#include "ctl/print.h"

#define PROMPT_MS 10000 /* for what is answered without waiting */

static int
right_count(const struct command *c, int nargs)
{
	if (c->flags & COMMAND_NO_ARGS)
		return nargs == 0;
	return (c->flags & COMMAND_OPTIONAL) || nargs > c->first_name;
}

/* OPTION_GO_ON, or the exit status. */
static int
take_command(struct ctl *ctl, int argc, char **argv)
{
	const struct command *c;
	size_t i;

	if (argc == 0) {
		print_error("no command");
		return options_usage();
	}
	for (i = 0; (c = command_at(i)) != NULL; i++)
		if (strcmp(c->name, argv[0]) == 0)
			break;
	if (c == NULL) {
		print_error("unknown command '%s'", argv[0]);
		return options_usage();
	}
	ctl->command = c;
	ctl->args = argv + 1;
	ctl->nargs = argc - 1;
	if (!right_count(c, ctl->nargs)) {
		print_error("usage: svctl %s %s", c->name, c->args);
		return EXIT_USAGE;
	}
	return options_check(ctl);
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
	struct ctl ctl = {.wait = 1, .timeout_ms = -1, .lines = -1};
	int status = options_take(&ctl, argc, argv);

	if (status == OPTION_GO_ON)
		status = take_command(&ctl, argc - optind, argv + optind);
	if (status != OPTION_GO_ON)
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
