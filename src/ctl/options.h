/*
 * options: svctl's options. One table: what each is called, what it takes,
 * which commands know it, what it does. It is also what the help and the
 * shells' completions are made of.
 */
#ifndef SVD_CTL_OPTIONS_H
#define SVD_CTL_OPTIONS_H

#include "ctl/commands.h"

#define OPTION_GO_ON (-1)

struct option_row {
	const char *name;
	char letter;     /* or 0: it has none */
	const char *arg; /* what it takes, or NULL */
	const char *help;
	unsigned int only; /* COMMAND_TAKES_*: for commands with it; 0: all */
	/* OPTION_GO_ON, or the exit status. */
	int (*take)(struct ctl *ctl, const char *arg);
};

/* NULL behind the last. */
const struct option_row *option_at(size_t i);
/* Takes all options out of argv, before or behind the command. OPTION_GO_ON and
 * optind is that of the command, or the exit status. */
int options_take(struct ctl *ctl, int argc, char **argv);
/* Options that the command does not know are an error: the exit status. */
int options_check(const struct ctl *ctl);
/* "try --help": the exit status of a wrong usage. */
int options_usage(void);

#endif
