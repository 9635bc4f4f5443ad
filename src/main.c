/*
 * svd: options, and which role this process has. `-P ROLE=NUMBERS`, with
 * descriptors by number, is how svd executes itself and is nobody else's.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/runtime.h"
#include "floor/floor.h"
#include "keeper/keeper.h"
#include "launch.h"
#include "logger/logger.h"
#include "options.h"
#include "supervisor/supervisor.h"

struct options {
	struct launch_options launch;
	int log_level;
	int is_role; /* -P */
	int log_fd;  /* -L, which comes with it; -1: standard error */
	enum logline_format log_format;
};

#define OPTIONS_MAX 16
#define LETTERS_MAX (2 * OPTIONS_MAX + 4)

static void
print_usage(FILE *to)
{
	const struct svd_option *o;
	char name[40];
	size_t i;

	fputs("usage: svd [-bnqv] [-r DIR] [FLEET.ini]\n"
	      "       svd [-qv] [-r DIR] -- COMMAND [ARG...]\n",
	    to);
	for (i = 0; (o = svd_option_at(i)) != NULL; i++) {
		snprintf(name, sizeof(name), "--%s%s%s", o->name,
		    o->arg == NULL ? "" : " ", o->arg == NULL ? "" : o->arg);
		fprintf(to, "  -%c, %-18s %s\n", o->letter, name, o->help);
	}
}

/* What getopt_long() wants. */
static void
fill_options(char letters[LETTERS_MAX], struct option longs[OPTIONS_MAX])
{
	const struct svd_option *o;
	size_t i;

	/* Nothing behind COMMAND is an option of ours. */
	*letters++ = '+';
	for (i = 0; (o = svd_option_at(i)) != NULL && i + 1 < OPTIONS_MAX;
	     i++) {
		longs[i] = (struct option){.name = o->name,
		    .has_arg = o->arg == NULL ? no_argument : required_argument,
		    .val = o->letter};
		*letters++ = o->letter;
		if (o->arg != NULL)
			*letters++ = ':';
	}
	longs[i] = (struct option){0};
	/* svd's own, beside -P. */
	snprintf(letters, 3, "L:");
}

static _Noreturn void
usage(const char *why)
{
	if (why != NULL)
		fprintf(stderr, "svd: %s\n", why);
	print_usage(stderr);
	exit(EXIT_STATUS_USAGE);
}

/* "NUMBER,FORMAT" */
static void
parse_log(struct options *o, const char *text)
{
	char *end;

	if (!o->is_role)
		usage("-L is svd's own");
	o->log_fd = (int)strtol(text, &end, 10);
	o->log_format = logline_format_of(end + (*end == ','));
	if (o->log_format == LOGLINE_FORMATS)
		usage("-L is svd's own");
}

static void
obey_option(struct options *o, int c)
{
	switch (c) {
	case 'n':
		o->launch.check = 1;
		break;
	case 'b':
		o->launch.background = 1;
		break;
	case 'L':
		parse_log(o, optarg);
		break;
	case 'r':
		o->launch.runtime_dir = optarg;
		break;
	case 'q':
		o->launch.verbosity -= o->launch.verbosity > -2;
		break;
	case 'v':
		o->launch.verbosity += o->launch.verbosity < 3;
		break;
	case 'V':
		puts("svd " SVD_VERSION);
		exit(0);
	case 'h':
		print_usage(stdout);
		exit(0);
	default:
		usage(NULL);
	}
}

/* An init says only what goes wrong, a daemon also what happens. */
static int
choose_log_level(const struct options *o)
{
	int level = o->launch.command != NULL ? LOG_LEVEL_WARN : LOG_LEVEL_INFO;

	level += o->launch.verbosity;
	if (level < LOG_LEVEL_ERROR)
		return LOG_LEVEL_ERROR;
	return level > LOG_LEVEL_DEBUG ? LOG_LEVEL_DEBUG : level;
}

static void
parse_options(int argc, char **argv, struct options *o)
{
	struct option longs[OPTIONS_MAX];
	char letters[LETTERS_MAX];
	int c;

	fill_options(letters, longs);
	while ((c = getopt_long(argc, argv, letters, longs, NULL)) != -1)
		obey_option(o, c);
	if (strcmp(argv[optind - 1], "--") == 0) {
		if (optind == argc)
			usage("a command is missing after --");
		if (o->launch.check)
			usage("-n checks a fleet file, not a command");
		if (o->launch.background)
			usage("-b is for a fleet, not for a command");
		o->launch.command = argv + optind;
	} else {
		if (argc - optind > 1)
			usage("only one fleet file can be run");
		o->launch.fleet_path =
		    optind < argc ? argv[optind] : RUNTIME_FLEET_DEFAULT;
	}
	o->log_level = choose_log_level(o);
}

/* "keeper=3,4,5": 1 if it is this role with n numbers, which come into fds. */
static int
is_role(const char *arg, const char *role, int *fds, int n)
{
	size_t len = strlen(role);
	char *end;
	int i;

	if (strncmp(arg, role, len) != 0)
		return 0;
	for (arg += len, i = 0; i < n; i++, arg = end) {
		if (*arg != (i == 0 ? '=' : ','))
			return 0;
		fds[i] = (int)strtol(arg + 1, &end, 10);
	}
	return *arg == '\0';
}

/* By a sanitizer or valgrind, which want to know of every thread. */
static int
keeper_is_watched(void)
{
#ifdef __SANITIZE_ADDRESS__
	return 1;
#else
	const char *way = getenv("SVD_SPAWN");

	return way != NULL && strcmp(way, "vfork") == 0;
#endif
}

static int
run_keeper(const struct options *o, int table, char **argv)
{
	static const char *const names[KEEPER_LITTER] = {
	    RUNTIME_CONTROL, RUNTIME_STATE, RUNTIME_BIRTHS};
	static char litter[KEEPER_LITTER][RUNTIME_SOCKET_MAX + 1];
	struct keeper_options k = {.argv = argv,
	    .table_fd = table,
	    .init_mode = o->launch.command != NULL,
	    .one_thread = keeper_is_watched()};
	struct err e;
	size_t i;

	prctl(PR_SET_NAME, "svd: keeper");
	log_init("keeper", (enum log_level)o->log_level);
	/* What COMMAND has to say is its own business. */
	if (!k.init_mode) {
		k.notify_socket = getenv("NOTIFY_SOCKET");
		k.watchdog_usec = getenv("WATCHDOG_USEC");
		k.watchdog_pid = getenv("WATCHDOG_PID");
		k.fdstore = getenv("FDSTORE");
	}
	for (i = 0; o->launch.runtime_dir != NULL && i < KEEPER_LITTER; i++)
		if (runtime_path(litter[i], sizeof(litter[i]),
			o->launch.runtime_dir, names[i], &e) == 0)
			k.litter[i] = litter[i];
	return keeper_main(&k);
}

static int
run_supervisor(const struct options *o, const int fds[3])
{
	struct supervisor_options s = {.keeper_fd = fds[0],
	    .birth_read_fd = fds[1],
	    .birth_write_fd = fds[2],
	    .runtime_dir = o->launch.runtime_dir,
	    .fleet_path = o->launch.fleet_path,
	    .command = o->launch.command,
	    .log_level = o->log_level};
	int i;

	prctl(PR_SET_NAME, "svd: supervisor");
	for (i = 0; i < 3; i++)
		fd_set_cloexec(fds[i], 1);
	return supervisor_main(&s);
}

static int
run_logger(const struct options *o, int sock)
{
	struct logger_options l = {.keeper_fd = sock,
	    .log_level = o->log_level,
	    .runtime_dir = o->launch.runtime_dir};

	prctl(PR_SET_NAME, "svd: logger");
	fd_set_cloexec(sock, 1);
	return logger_main(&l);
}

static int
run_role(const char *role, struct options *o, char **argv)
{
	int fds[3];

	if (o->log_fd != -1)
		fd_set_cloexec(o->log_fd, 1);
	log_to(o->log_fd, o->log_format);
	if (is_role(role, "keeper", fds, 1))
		return run_keeper(o, fds[0], argv);
	if (is_role(role, "rehearsal", fds, 2))
		return keeper_rehearse(fds[0], fds[1]);
	if (is_role(role, "supervisor", fds, 3))
		return run_supervisor(o, fds);
	if (is_role(role, "logger", fds, 1))
		return run_logger(o, fds[0]);
	usage("-P is svd's own");
}

int
main(int argc, char **argv)
{
	struct options o = {.log_level = LOG_LEVEL_INFO, .log_fd = -1};

	/* It has options of its own, and speaks through its floor's socket. */
	if (argc >= 3 && strcmp(argv[1], "-P") == 0 &&
	    strcmp(argv[2], "floor") == 0)
		return floor_main(argc - 2, argv + 2);
	if (argc >= 3 && strcmp(argv[1], "-P") == 0) {
		o.is_role = 1;
		parse_options(argc - 2, argv + 2, &o);
		return run_role(argv[2], &o, argv);
	}
	parse_options(argc, argv, &o);
	return launch(&o.launch);
}
