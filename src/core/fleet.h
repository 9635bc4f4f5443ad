/*
 * fleet: what a fleet file says, as plain data.
 *
 * Made by conf/, read by everybody, changed by nobody afterwards. Durations
 * are in milliseconds, sizes in bytes. Strings are owned by the struct they
 * stand in.
 */
#ifndef SVD_CORE_FLEET_H
#define SVD_CORE_FLEET_H

#include <stddef.h>
#include <stdint.h>

#include "base/logline.h"
#include "base/units.h"
#include "core/ready.h"

#define FLEET_NAME_MAX 40 /* bytes of a fleet's, worker's name */
#define FLEET_NUMPROCS_MAX 10000
#define FLEET_WORKERS_MAX 10000 /* instances in one fleet */
#define FLEET_RESTART_LIMIT_MAX 1000
#define FLEET_LOG_KEEP_MAX 1000
#define FLEET_LOG_TAIL_MAX (64 << 20)
/* Where a command without a slash is looked for, if PATH is not set. */
#define FLEET_PATH_DEFAULT \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define FLEET_SPARES_MAX 1000
#define FLEET_WATCHDOG_MIN 10 /* ms, where there is one */
#define FLOOR_SLOTS 2         /* instances of a floor */
#define FLOOR_PYTHON_DEFAULT "python3"
/* "floor:NAME:9999" and its NUL */
#define WORKER_NAME_SIZE (FLEET_NAME_MAX + 12)
#define WORKER_ID_SIZE WORKER_NAME_SIZE

enum worker_type {
	WORKER_DAEMON,
	WORKER_ONESHOT
};

enum restart_when {
	RESTART_ALWAYS,
	RESTART_ON_FAILURE,
	RESTART_NO,
	RESTART_DEFAULT /* while parsing only: always, for a oneshot no */
};

enum kill_mode {
	KILL_MODE_TREE,
	KILL_MODE_GROUP,
	KILL_MODE_PROCESS
};

enum channel_kind {
	CHANNEL_NONE,
	CHANNEL_RPC
};

/* What a missing heartbeat leads to. */
enum watchdog_mode {
	WATCHDOG_KILL,
	WATCHDOG_WARN
};

enum on_empty {
	ON_EMPTY_WAIT,
	ON_EMPTY_EXIT
};

enum stream_kind {
	STREAM_NULL,
	STREAM_INHERIT, /* svd's own */
	STREAM_FILE,
	STREAM_STDOUT, /* stderr only: the same as stdout */
	STREAM_LOG,    /* svd's own log */
	STREAM_SYSLOG,
	STREAM_JOURNAL,
	STREAM_PIPE,  /* stdin only: what `svctl attach` sends */
	STREAM_STDERR /* [fleet] log only */
};

struct stream_conf {
	enum stream_kind kind;
	char *path; /* STREAM_FILE, absolute */
};

/* Streams of a worker that svd may capture. */
enum output_stream {
	OUTPUT_OUT,
	OUTPUT_ERR,
	OUTPUT_STREAMS
};

/* Indices into worker_conf.limits; limit_resource[] gives RLIMIT_*. */
enum limit_id {
	LIMIT_NOFILE,
	LIMIT_NPROC,
	LIMIT_CORE,
	LIMIT_AS,
	LIMIT_MEMLOCK,
	LIMIT_COUNT
};

#define LIMIT_INFINITY UINT64_MAX

struct limit_conf {
	int set;
	uint64_t soft, hard; /* LIMIT_INFINITY: unlimited */
};

enum floor_runtime {
	FLOOR_NATIVE, /* svd's own role */
	FLOOR_PYTHON,
	FLOOR_COMMAND
};

/*
 * What a [floor:F] says beside what any process has. A floor is run as two
 * instances, "@F:0" and "@F:1", of which one serves; the other takes its turn
 * as the next generation, so that the old one serves until the new one can.
 */
struct floor_conf {
	enum floor_runtime runtime;
	char **preload; /* modules, or files; NULL: none */
	char *python; /* absolute, or along PATH; NULL: FLOOR_PYTHON_DEFAULT */
	char **path;  /* directories in front of sys.path; NULL: none */
	char *init;   /* called once all is loaded; NULL: nothing */
	int spares;   /* workers that are kept ready */
	int64_t preload_timeout, fork_timeout;
	uint64_t max_private; /* bytes of a worker, 0: any; a warning */
};

/* One instance: %n, %N and %F are already expanded. */
struct worker_conf {
	char name[WORKER_NAME_SIZE];         /* "web:0", or "web"; "floor:F" */
	char group_name[FLEET_NAME_MAX + 2]; /* "web": the section's name, or
	                                        "@F" */
	int instance;                        /* 0 to numprocs-1 */
	int numprocs;
	const char *file; /* where its section stands; owned by the fleet, NULL
	                     where taken from that */
	int line;
	uint64_t print; /* of all that a change of needs a restart, see
	                   conf/plan.h; 0: none was taken */

	/* process */
	char *description; /* or NULL */
	char **argv;       /* NULL-terminated, at least one word; NULL where it
	                      stands on a floor, or is one that is no command */
	char *floor; /* the name of the floor that it stands on, or NULL */
	char *entry; /* what it calls there */
	char **args; /* of entry; or NULL */
	struct floor_conf *as_floor; /* NULL: it is a worker */
	int autostart;
	enum worker_type type;
	char *user, *group; /* names or numbers as written; NULL: svd's own */
	char *directory;
	unsigned int umask;
	char **environment; /* "K=V": [fleet] environment, env_file,
	                       environment, later ones have replaced earlier
	                       ones; NULL-terminated, never NULL */
	struct stream_conf std_in, std_out, std_err;
	int tty; /* a terminal is stdin, stdout and stderr; what it shows goes
	            where std_out says */

	enum channel_kind channel; /* that its process is given */

	struct ready_conf ready;
	int64_t start_timeout; /* until it must be, 0: for ever; not for EXEC */
	/* liveness */
	int64_t watchdog; /* 0: no heartbeat is expected */
	int watchdog_signal;
	enum watchdog_mode watchdog_mode;

	/* output */
	uint64_t log_tail; /* bytes that are kept */
	uint64_t log_size; /* bytes at which a file is rotated, 0: never */
	int log_keep;      /* rotated files */

	/* restart */
	enum restart_when restart; /* never RESTART_DEFAULT */
	int64_t backoff_delay, backoff_limit, backoff_reset;
	double backoff_factor, backoff_jitter; /* >= 1; 0 to 1 */
	int restart_limit;                     /* 0: none */
	int64_t restart_interval;
	struct exit_set success, permanent;
	int essential;
	int64_t max_age;     /* 0: none */
	uint64_t max_memory; /* bytes of RSS, 0: none */

	/* stop */
	int stop_signal;
	int64_t stop_timeout;
	char **stop_command; /* argv, or NULL */
	enum kill_mode kill_mode;

	/* limits */
	struct limit_conf limits[LIMIT_COUNT];
	int nice, nice_set;
	int oom_score_adj, oom_score_adj_set;
};

struct fleet {
	char name[FLEET_NAME_MAX + 1];
	char *runtime_dir;   /* or NULL: the default for the name */
	char *control_group; /* whose members may read, or NULL */
	enum on_empty on_empty;
	int64_t supervisor_watchdog; /* 0: off */
	struct stream_conf log;      /* svd's own: STDERR, FILE ... */
	enum logline_format log_format;
	struct worker_conf *workers; /* in the order of the file */
	size_t nworkers;
	char **files; /* names that worker_conf.file points to */
	size_t nfiles;
};

void worker_conf_release(struct worker_conf *w);
/* Moved to the heap, to be released and freed; *w is empty. NULL: no memory. */
struct worker_conf *worker_conf_take(struct worker_conf *w);
/* "web:0", also where its name is "web": what it is known by while the number
 * of its siblings changes. */
void worker_conf_id(const struct worker_conf *w, char out[WORKER_ID_SIZE]);
/* The id that a name stands for: "web" is "web:0". -1: it is too long. */
int worker_id_complete(const char *name, char out[WORKER_ID_SIZE]);
void fleet_release(struct fleet *f);
/* Where this stream goes, if svd takes it from a FIFO: it is apart, and a kind
 * that the logger serves; else NULL. */
const struct stream_conf *
worker_output(const struct worker_conf *w, enum output_stream stream);
/* Can `svctl attach` send it something? */
int worker_has_input(const struct worker_conf *w);
/* "native" ... */
const char *floor_runtime_name(enum floor_runtime runtime);
/* "null", "log" ... */
const char *stream_kind_name(enum stream_kind kind);
/* RLIMIT_* for a limit_id. */
int limit_resource(enum limit_id id);
/* "nofile" ... */
const char *limit_name(enum limit_id id);

#endif
