/*
 * commands: svctl's commands. One table: what each is called, what it takes,
 * the method it calls and the function that does it.
 */
#ifndef SVD_CTL_COMMANDS_H
#define SVD_CTL_COMMANDS_H

#include <stddef.h>
#include <stdint.h>

#include "ctl/client.h"
#include "ctl/where.h"

struct command;

/* One run of svctl. */
struct ctl {
	const struct command *command;
	char **args; /* behind the command */
	int nargs;
	struct where where;
	int json, wait;
	int is_long;
	int recorded; /* what the journal's copy says */
	int detach;
	int follow;
	int64_t lines;         /* -1: as many as is usual */
	const char *since;     /* cursors, or NULL */
	unsigned long taken;   /* options, as bits by their rows */
	int64_t timeout_ms;    /* -1: none given */
	int64_t deadline;      /* CLOCK_MONOTONIC ms, or CLIENT_NEVER */
	char path[WHERE_SIZE]; /* of the socket */
	struct client client;
	struct status *status; /* of run_status(), while it calls */
};

enum {
	COMMAND_PROMPT = 1,   /* the daemon answers at once */
	COMMAND_NO_ARGS = 2,  /* takes no names */
	COMMAND_OPTIONAL = 4, /* names may be absent */
	COMMAND_OWN_JSON = 8, /* prints its JSON itself */
	/* Options that not all commands have: these and all above them. */
	COMMAND_TAKES_LONG = 256,
	COMMAND_TAKES_LINES = 512,
	COMMAND_TAKES_DETACH = 1024,
	COMMAND_TAKES_STATE = 4096
};

struct command {
	const char *name, *args, *help;
	const char *method;
	int flags;
	int first_name; /* the place of the first NAME among the arguments */
	int (*fn)(struct ctl *ctl); /* its value is the exit status */
};

/* Calls the command's method with parameters; what fn makes of the reply's is
 * the exit status. again: see client_call(). Both are taken. */
int command_call(struct ctl *ctl, json_t *parameters, json_t *again,
    int (*fn)(struct ctl *ctl, const json_t *parameters));
/* The last part of that, of a reply, which is taken. */
int command_use_reply(struct ctl *ctl, json_t *msg,
    int (*fn)(struct ctl *ctl, const json_t *parameters));
/* The parameters of a call: the command's names; and wait, where its method
 * knows that. */
json_t *command_names(const struct ctl *ctl);
json_t *command_parameters(const struct ctl *ctl);
/* Says each of a reply's results that is an error; one that is merely not done
 * is so by --no-wait. */
int command_use_results(struct ctl *ctl, const json_t *parameters);
/* Is one of Status's workers as it should be? */
int command_as_wanted(const json_t *w);
/* NULL behind the last. */
const struct command *command_at(size_t i);

#endif
