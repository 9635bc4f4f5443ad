/*
 * record: one line of `state`, the fleet's journal in the runtime directory;
 * svd-state(5) tells people.
 *
 * A line is "CRC KIND key=value key=value ...\n": CRC is the CRC-32 (IEEE
 * 802.3) of what follows it and one blank, in eight lower-case hexadecimal
 * digits. Every line is absolute: the last valid line about a worker says all
 * that there is to know of it, so replaying is reading. Pure: no system call.
 *
 *	fleet	the first line: schema, epoch, boot, pidns, name
 *	worker	one worker after a step of its life
 *	death	one entry of a worker's history, written when state is
 *		rewritten; else a worker line with a new `deaths` count is one
 *	gone	what was said of a worker is void: it has left the fleet
 *
 * Times are CLOCK_MONOTONIC milliseconds, `rt` ones milliseconds since 1970.
 * A key that is zero or empty is left out; an unknown one is skipped. Bytes of
 * strings that are not printable ASCII, blanks and '%' are written as %XX.
 */
#ifndef SVD_CORE_RECORD_H
#define SVD_CORE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "base/identity.h"
#include "core/fleet.h"
#include "core/worker_fsm.h"

/* What is written. This one and the one before are read; a member that only
 * the newer has is then zero, and one that only the older has is skipped. */
#ifndef RECORD_SCHEMA
#	define RECORD_SCHEMA 1
#endif
#define RECORD_SCHEMA_OLDEST (RECORD_SCHEMA > 1 ? RECORD_SCHEMA - 1 : 1)
/* Bytes of a line, newline and NUL included: enough for every field at its
 * longest, each byte of its strings escaped. */
#define RECORD_MAX 4096
#define RECORD_FAULT_MAX 160
#define RECORD_STATUS_MAX 160
#define RECORD_FIELD_TEXT_SIZE 64

/* What a process has said on its channel. */
enum channel_stage {
	CHANNEL_CLOSED,   /* there is none (any more) */
	CHANNEL_OPEN,     /* nothing yet */
	CHANNEL_IMPORTED, /* its code is loaded */
	CHANNEL_LOOP      /* it takes requests */
};

/* Why a process was told to end by nobody's wish. */
enum overdue {
	OVERDUE_NO,
	OVERDUE_START,    /* not ready within start_timeout */
	OVERDUE_HEARTBEAT /* none within watchdog */
};

/* What a process has last said by sd_notify(3) of where it is. */
enum said {
	SAID_NOTHING,
	SAID_READY,
	SAID_RELOADING,
	SAID_STOPPING
};

/* How a process ended. */
struct death {
	int64_t at;     /* 0: no death */
	int64_t at_rt;  /* realtime, for people */
	int64_t uptime; /* ms it had run */
	uint64_t generation;
	int pid;    /* 0: never born */
	int code;   /* exit status, -1 if killed by a signal or unborn */
	int signal; /* 0 if none */
	int core;   /* it left a core */
	int raised; /* fault is an exception, which it ended of, or what it
	               was about */
	char fault[RECORD_FAULT_MAX]; /* set-up failure, "" if none: "directory
	                                 '/x': No such file or directory" */
};

struct fleet_record {
	int schema;
	uint64_t epoch; /* made anew by each keeper */
	char boot_id[IDENTITY_BOOT_SIZE];
	uint64_t pidns; /* inode of /proc/self/ns/pid, 0 without /proc */
	int ending;     /* the fleet is going down: what is wanted from here on
	                   is not what was */
	char name[FLEET_NAME_MAX + 1];
};

struct worker_record {
	char name[WORKER_ID_SIZE]; /* its id; an older svd's where there is one
	                              instance: "web" for "web:0" */
	enum worker_state state;
	int want_up;
	uint64_t token; /* of the birth under way or done, 0: none */
	int pid;        /* 0: none (yet) */
	struct identity id;
	uint64_t stop_token; /* the same for a running stop_command */
	int stop_pid;
	uint64_t ready_token; /* and for the command of `ready` */
	int ready_pid;
	uint64_t generation; /* births so far; the intended one's number
	                        while token is set and pid is 0 */
	uint64_t restarts;   /* automatic ones */
	int automatic;       /* its next birth will be one */
	uint64_t deaths;
	uint32_t run;         /* deaths in this run of deaths (backoff) */
	uint32_t interrupted; /* set-ups that took a supervisor with them */
	uint32_t fresh;       /* deaths since the last start by hand */
	int told;             /* STOPPING: 0 nothing yet, 1 its stop signal or
	                         command, 2 KILL */
	int started;          /* its program runs, its entry was called: what is
	                         left of STARTING is to be ready */
	int overdue;          /* STOPPING: enum overdue */
	int64_t
	    watchdog; /* what its process has said of its heartbeats: expected
	                 within this, in ms; 0: nothing; -1: never */
	int64_t since, since_rt; /* of state */
	int64_t born;            /* of the present process */
	int64_t deadline;        /* of state's timer; 0: none */
	uint64_t conf; /* fingerprint of the stanza it was last born by */
	int leaving;   /* the fleet file no longer names it */
	int adopted;   /* its process, or the last one, was an earlier svd's: it
	                  is not the keeper's child */
	int stop_left; /* pid of a stop_command that an earlier svd began; 0 */
	uint64_t line; /* of a floor's process: the token of its present birth,
	                  by which its socket is held; 0: none */
	uint64_t stands_on; /* generation of the floor that it was forked from;
	                       a floor's process: its own */
	int rolls;   /* a floor: its workers are to be replaced by those of this
	                generation, one by one */
	int channel; /* how far it has come on its channel: enum
	                channel_stage */
	int said;    /* by its process, enum said */
	int said_errno;                 /* the same: what ails it; 0: nothing */
	char status[RECORD_STATUS_MAX]; /* the same, for people */
	int raised;                     /* fault is an exception */
	char fault[RECORD_FAULT_MAX];   /* why the present set-up failed; its
	                                   death is still to come */
	struct death last;              /* .at == 0: none yet */
};

enum record_kind {
	RECORD_FLEET,
	RECORD_WORKER,
	RECORD_DEATH,
	RECORD_GONE
};

struct record {
	enum record_kind kind;
	union {
		struct fleet_record fleet;
		struct worker_record worker;
		struct {
			char name[WORKER_ID_SIZE];
			struct death death;
		} history;
		struct {
			char name[WORKER_ID_SIZE];
		} gone;
	} u;
};

/* Formats r with checksum and newline; returns its length in bytes. */
size_t record_format(const struct record *r, char out[RECORD_MAX]);
/* Parses one line (len_bytes without its newline). -1: torn or foreign. */
int record_parse(const char *line, size_t len_bytes, struct record *r);

/* A journal's lines, one after the other. */
struct record_reader {
	const char *at, *end;
	size_t ntorn; /* lines so far that are none */
	int unended;  /* the last one has no newline */
};

void record_read(struct record_reader *rd, const char *text, size_t len_bytes);
/* The next valid record. 0: there is none. */
int record_next(struct record_reader *rd, struct record *r);
/* Can a journal of this schema be read? */
int record_schema_known(int schema);

/* "ready", "reloading", "stopping"; NULL: none of these. */
const char *record_said_name(int said);

/* The table of fields, for the check of svd-state(5): "KIND KEY TYPE", NULL
 * behind the last. */
const char *record_field_text(size_t i, char out[RECORD_FIELD_TEXT_SIZE]);

#endif
