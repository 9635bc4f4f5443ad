/*
 * keys: see keys.h.
 */
#include "conf/keys.h"

#include <string.h>

#include "conf/nearest.h"

#define DAY (INT64_C(24) * 60 * 60 * 1000) /* ms */
#define YEAR (365 * DAY)

#define FLEET(n, t, field)                        \
	.section = "fleet", .name = n, .type = t, \
	.offset = offsetof(struct fleet_section, field)
#define WORKER(n, t, field)                        \
	.section = "worker", .name = n, .type = t, \
	.offset = offsetof(struct worker_section, field)
#define FLOOR(n, t, field)                        \
	.section = "floor", .name = n, .type = t, \
	.offset = offsetof(struct worker_section, field)
#define IN_FLOOR(n, t, field)                     \
	.section = "floor", .name = n, .type = t, \
	.offset = offsetof(struct floor_conf, field), .in_floor = 1
#define LATER(s, n)                                             \
	{                                                       \
		.section = s, .name = n, .later = 1, .help = "" \
	}

_Static_assert(offsetof(struct worker_conf, nice_set) ==
		   offsetof(struct worker_conf, nice) + sizeof(int),
    "TYPE_OPTIONAL_INT");
_Static_assert(offsetof(struct worker_conf, oom_score_adj_set) ==
		   offsetof(struct worker_conf, oom_score_adj) + sizeof(int),
    "TYPE_OPTIONAL_INT");

static const struct conf_section sections[] = {
    {"fleet", 0, 0},
    {"worker", 1, 0},
    {"floor", 1, 0},
    {"socket", 1, 1},
};

static const struct conf_key keys[] = {
    {FLEET("name", TYPE_NAME, name),
	.help = "name of the fleet; default: the name of the file"},
    {FLEET("runtime_dir", TYPE_PATH, runtime_dir),
	.help = "directory of sockets and state"},
    {FLEET("include", TYPE_GLOBS, include), .live = 1,
	.help = "files with more workers"},
    {FLEET("user", TYPE_USER, user), .live = 1,
	.help = "user of workers that name none"},
    {FLEET("environment", TYPE_ENVIRONMENT, environment), .live = 1,
	.help = "variables for all workers"},
    {FLEET("on_empty", TYPE_CHOICE, on_empty), .choices = "wait|exit",
	.live = 1, .def = "wait", .help = "what to do once no worker is left"},
    {FLEET("supervisor_watchdog", TYPE_DURATION, supervisor_watchdog),
	.def = "0", .max = DAY, .live = 1,
	.help = "longest silence of the supervisor, 0: any"},
    {FLEET("control_group", TYPE_USER, control_group),
	.help = "group whose members may read by svctl"},
    {FLEET("log", TYPE_STREAM, log),
	.choices = "stderr|file:PATH|syslog|journal", .def = "stderr",
	.help = "where svd's own log goes"},
    {FLEET("log_format", TYPE_CHOICE, log_format),
	.choices = "text|json|logfmt", .def = "text",
	.help = "form of the lines of svd's own log"},
    LATER("fleet", "metrics"),
    {WORKER("command", TYPE_COMMAND, conf.argv),
	.help = "the program and its arguments"},
    {WORKER("floor", TYPE_NAME, conf.floor),
	.help = "floor that it is forked from, in place of a command"},
    {WORKER("entry", TYPE_TEXT, conf.entry),
	.help = "what it calls on its floor"},
    {WORKER("args", TYPE_WORDS, conf.args), .help = "arguments of entry"},
    {WORKER("numprocs", TYPE_INT, conf.numprocs), .def = "1", .min = 1,
	.max = FLEET_NUMPROCS_MAX, .live = 1, .help = "number of instances"},
    {WORKER("autostart", TYPE_BOOL, conf.autostart), .def = "yes", .live = 1,
	.help = "start with the fleet"},
    {WORKER("type", TYPE_CHOICE, conf.type), .choices = "daemon|oneshot",
	.def = "daemon", .help = "runs for ever, or once"},
    {WORKER("user", TYPE_USER, conf.user), .help = "user to run as"},
    {WORKER("group", TYPE_USER, conf.group), .help = "group to run as"},
    {WORKER("directory", TYPE_PATH, conf.directory), .def = "/",
	.help = "working directory"},
    {WORKER("umask", TYPE_MODE, conf.umask), .def = "022", .max = 0777,
	.help = "mode bits taken from new files"},
    {WORKER("environment", TYPE_ENVIRONMENT, environment), .help = "variables"},
    {WORKER("env_file", TYPE_ENV_FILE, env_file), .help = "file of variables"},
    {WORKER("stdin", TYPE_STREAM, conf.std_in),
	.choices = "null|pipe|file:PATH", .def = "null",
	.help = "standard input; pipe: what svctl attach sends"},
    {WORKER("tty", TYPE_BOOL, conf.tty), .def = "no",
	.help = "a terminal is its stdin, stdout and stderr"},
    {WORKER("description", TYPE_TEXT, conf.description), .live = 1,
	.help = "what it is, for people"},
    {WORKER("restart", TYPE_CHOICE, conf.restart),
	.choices = "always|on-failure|no", .live = 1,
	.help = "when to start again; default: always, for a oneshot no"},
    {WORKER("backoff_delay", TYPE_DURATION, conf.backoff_delay), .def = "1s",
	.max = YEAR, .live = 1, .help = "wait after the first death"},
    {WORKER("backoff_factor", TYPE_DECIMAL, conf.backoff_factor), .def = "2",
	.min = 1, .max = 100, .live = 1,
	.help = "growth of the wait with each death"},
    {WORKER("backoff_limit", TYPE_DURATION, conf.backoff_limit), .def = "30s",
	.min = 1, .max = YEAR, .live = 1, .help = "longest wait"},
    {WORKER("backoff_jitter", TYPE_DECIMAL, conf.backoff_jitter), .def = "0",
	.max = 1, .live = 1,
	.help = "part of the wait that is added at random"},
    {WORKER("backoff_reset", TYPE_DURATION, conf.backoff_reset), .def = "10s",
	.min = 100, .max = YEAR, .live = 1,
	.help = "a run this long starts the count anew"},
    {WORKER("restart_limit", TYPE_INT, conf.restart_limit), .def = "0",
	.max = FLEET_RESTART_LIMIT_MAX, .live = 1,
	.help = "deaths within restart_interval that are borne, 0: any number"},
    {WORKER("restart_interval", TYPE_DURATION, conf.restart_interval),
	.def = "60s", .min = 1, .max = YEAR, .live = 1,
	.help = "time in which deaths are counted"},
    {WORKER("success_exit_status", TYPE_EXIT_SET, conf.success), .def = "0",
	.live = 1, .help = "statuses and signals that are a success"},
    {WORKER("permanent_exit_status", TYPE_EXIT_SET, conf.permanent), .live = 1,
	.help = "statuses and signals after which it is not started again"},
    {WORKER("essential", TYPE_BOOL, conf.essential), .def = "no", .live = 1,
	.help = "its end for good stops the fleet"},
    {WORKER("max_age", TYPE_DURATION, conf.max_age), .def = "0", .max = YEAR,
	.live = 1, .help = "restart it when this old, 0: never"},
    {WORKER("max_memory", TYPE_SIZE, conf.max_memory), .def = "0", .live = 1,
	.help = "restart it when this large, 0: never"},
    {WORKER("stop_signal", TYPE_SIGNAL, conf.stop_signal), .def = "TERM",
	.live = 1, .help = "signal that asks it to end"},
    {WORKER("stop_timeout", TYPE_DURATION, conf.stop_timeout), .def = "15s",
	.max = YEAR, .live = 1, .help = "grace before KILL, 0: none"},
    {WORKER("stop_command", TYPE_COMMAND, conf.stop_command), .live = 1,
	.help = "program that asks it to end"},
    {WORKER("kill_mode", TYPE_CHOICE, conf.kill_mode),
	.choices = "tree|group|process", .def = "tree", .live = 1,
	.help = "what KILL goes to"},
    {WORKER("stdout", TYPE_STREAM, conf.std_out),
	.choices = "log|inherit|null|file:PATH|syslog|journal", .def = "log",
	.help = "standard output"},
    {WORKER("stderr", TYPE_STREAM, conf.std_err),
	.choices = "log|stdout|inherit|null|file:PATH|syslog|journal",
	.def = "stdout", .help = "standard error"},
    {WORKER("log_tail", TYPE_SIZE, conf.log_tail), .def = "64K",
	.max = FLEET_LOG_TAIL_MAX, .live = 1,
	.help = "bytes of output kept for svctl logs"},
    {WORKER("log_size", TYPE_SIZE, conf.log_size), .def = "0", .live = 1,
	.help = "size at which a file: is rotated, 0: never"},
    {WORKER("log_keep", TYPE_INT, conf.log_keep), .def = "5",
	.max = FLEET_LOG_KEEP_MAX, .live = 1,
	.help = "number of rotated files that are kept"},
    {WORKER("limit_nofile", TYPE_LIMIT, conf.limits[LIMIT_NOFILE]),
	.help = "open descriptors, soft:hard"},
    {WORKER("limit_nproc", TYPE_LIMIT, conf.limits[LIMIT_NPROC]),
	.help = "processes of its user, soft:hard"},
    {WORKER("limit_core", TYPE_SIZE_LIMIT, conf.limits[LIMIT_CORE]),
	.help = "size of a core file, soft:hard"},
    {WORKER("limit_as", TYPE_SIZE_LIMIT, conf.limits[LIMIT_AS]),
	.help = "address space, soft:hard"},
    {WORKER("limit_memlock", TYPE_SIZE_LIMIT, conf.limits[LIMIT_MEMLOCK]),
	.help = "locked memory, soft:hard"},
    {WORKER("nice", TYPE_OPTIONAL_INT, conf.nice), .min = -20, .max = 19,
	.help = "scheduling priority"},
    {WORKER("oom_score_adj", TYPE_OPTIONAL_INT, conf.oom_score_adj),
	.min = -1000, .max = 1000,
	.help = "how soon it is killed when memory runs out"},
    {WORKER("channel", TYPE_CHOICE, conf.channel), .choices = "none|rpc",
	.def = "none", .help = "whether svctl run and call speak to it"},
    {WORKER("ready", TYPE_READY, conf.ready),
	.choices = "exec|notify|fd|tcp:HOST:PORT|unix:PATH|http:URL|"
		   "command:CMD",
	.def = "exec", .help = "when it counts as ready"},
    {WORKER("start_timeout", TYPE_DURATION, conf.start_timeout), .def = "60s",
	.max = YEAR, .live = 1, .help = "longest time to be ready, 0: any"},
    {WORKER("watchdog", TYPE_DURATION, conf.watchdog), .def = "0", .max = DAY,
	.help = "time within which a heartbeat is expected, 0: none is"},
    {WORKER("watchdog_signal", TYPE_SIGNAL, conf.watchdog_signal),
	.def = "ABRT", .live = 1,
	.help = "signal that ends it where none comes"},
    {WORKER("watchdog_mode", TYPE_CHOICE, conf.watchdog_mode),
	.choices = "kill|warn", .def = "kill", .live = 1,
	.help = "whether it is ended then, or only diagnosed"},
    LATER("worker", "after"),
    LATER("worker", "requires"),
    LATER("worker", "sockets"),
    LATER("worker", "cgroup"),
    LATER("worker", "memory_max"),
    LATER("worker", "cpu_max"),
    LATER("worker", "pids_max"),
    LATER("worker", "no_new_privs"),
    LATER("worker", "capabilities"),
    LATER("worker", "read_only_paths"),
    LATER("worker", "private_tmp"),
    {IN_FLOOR("runtime", TYPE_CHOICE, runtime),
	.choices = "native|python|command", .required = 1,
	.help = "what loads and forks"},
    {IN_FLOOR("preload", TYPE_WORDS, preload),
	.help = "modules or files that are loaded once"},
    {IN_FLOOR("python", TYPE_PROGRAM, python),
	.help = "interpreter of a python floor; default: python3"},
    {IN_FLOOR("path", TYPE_PATHS, path),
	.help = "directories where modules are looked for first"},
    {FLOOR("command", TYPE_COMMAND, conf.argv),
	.help = "program of a command floor, and its arguments"},
    {IN_FLOOR("init", TYPE_TEXT, init), .help = "called once all is loaded"},
    {FLOOR("environment", TYPE_ENVIRONMENT, environment),
	.help = "variables of the floor itself"},
    {FLOOR("user", TYPE_USER, conf.user),
	.help = "user to run as, and its workers"},
    {IN_FLOOR("spares", TYPE_INT, spares), .def = "0", .max = FLEET_SPARES_MAX,
	.live = 1, .help = "workers that are forked ahead"},
    {IN_FLOOR("preload_timeout", TYPE_DURATION, preload_timeout), .def = "60s",
	.min = 1, .max = YEAR, .live = 1, .help = "longest time of loading"},
    {IN_FLOOR("fork_timeout", TYPE_DURATION, fork_timeout), .def = "10s",
	.min = 1, .max = YEAR, .live = 1, .help = "longest time of a fork"},
    {IN_FLOOR("max_private", TYPE_SIZE, max_private), .def = "0", .live = 1,
	.help = "warn when a worker's own memory is larger, 0: never"},
    {FLOOR("description", TYPE_TEXT, conf.description), .live = 1,
	.help = "what it is, for people"},
    LATER("socket", "listen"),
    LATER("socket", "backlog"),
    LATER("socket", "mode"),
    LATER("socket", "user"),
    LATER("socket", "group"),
    LATER("socket", "reuse_port"),
};

#define NKEYS (sizeof(keys) / sizeof(keys[0]))
#define NSECTIONS (sizeof(sections) / sizeof(sections[0]))

const struct conf_key *
conf_key_at(size_t n)
{
	return n < NKEYS ? &keys[n] : NULL;
}

void *
conf_key_field(const struct conf_key *key, const void *section)
{
	const struct worker_conf *w = section;
	const void *base = key->in_floor ? w->as_floor : section;

	return (char *)(uintptr_t)base + key->offset;
}

const struct conf_key *
conf_key_find(const char *section, const char *name)
{
	size_t i;

	for (i = 0; i < NKEYS; i++)
		if (strcmp(keys[i].name, name) == 0 &&
		    strcmp(keys[i].section, section) == 0)
			return &keys[i];
	return NULL;
}

const struct conf_section *
conf_section_find(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < NSECTIONS; i++)
		if (strlen(sections[i].name) == len &&
		    memcmp(sections[i].name, name, len) == 0)
			return &sections[i];
	return NULL;
}

int
conf_check_name(const char *name, struct err *e)
{
	static const char alnum[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	size_t len = strlen(name), i;

	if (len > FLEET_NAME_MAX)
		return err_set(e, "'%s' of %zu bytes, at most %d are allowed",
		    name, len, FLEET_NAME_MAX);
	if (strcmp(name, "all") == 0)
		return err_set(e, "the name 'all' is reserved");
	for (i = 0; i < len; i++)
		if (strchr(alnum, name[i]) == NULL &&
		    (i == 0 || strchr("_.-", name[i]) == NULL))
			break;
	if (len > 0 && i == len)
		return 0;
	return err_set(e,
	    "'%s' is not a name: a letter or digit, then letters, digits and "
	    "'_', '.', '-'",
	    name);
}

const char *
conf_key_suggest(const char *section, const char *name)
{
	struct nearest n = {.name = name, .len = strlen(name)};
	size_t i;

	for (i = 0; i < NKEYS; i++)
		if (!keys[i].later && strcmp(keys[i].section, section) == 0)
			nearest_try(&n, keys[i].name);
	return n.found;
}

const struct conf_section *
conf_section_suggest(const char *name, size_t len)
{
	struct nearest n = {.name = name, .len = len};
	size_t i;

	for (i = 0; i < NSECTIONS; i++)
		if (!sections[i].later)
			nearest_try(&n, sections[i].name);
	return n.found == NULL ? NULL
	                       : conf_section_find(n.found, strlen(n.found));
}
