/*
 * keys: the table of all that may stand in a fleet file.
 *
 * It drives parsing, defaults and messages; the manual page and the shells'
 * completions are tested against it.
 */
#ifndef SVD_CONF_KEYS_H
#define SVD_CONF_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "core/fleet.h"

/* What a value is; value.c parses each. */
enum value_type {
	TYPE_TEXT,
	TYPE_NAME,         /* a fleet's or floor's */
	TYPE_PATH,         /* absolute */
	TYPE_ENV_FILE,     /* absolute, "-" in front: may be missing */
	TYPE_GLOBS,        /* words */
	TYPE_USER,         /* or group */
	TYPE_COMMAND,      /* words */
	TYPE_WORDS,        /* any */
	TYPE_PATHS,        /* words, absolute */
	TYPE_PROGRAM,      /* absolute, or a name along PATH */
	TYPE_ENVIRONMENT,  /* words K=V */
	TYPE_BOOL,         /* int */
	TYPE_INT,          /* int */
	TYPE_OPTIONAL_INT, /* int, then an int that is set to 1 */
	TYPE_DECIMAL,      /* double */
	TYPE_DURATION,     /* int64_t, ms */
	TYPE_SIZE,         /* uint64_t; max 0: none */
	TYPE_MODE,         /* unsigned int, octal */
	TYPE_SIGNAL,       /* int */
	TYPE_EXIT_SET,     /* struct exit_set */
	TYPE_CHOICE,       /* an enum in the order of the choices */
	TYPE_STREAM,       /* struct stream_conf */
	TYPE_LIMIT,        /* struct limit_conf of numbers */
	TYPE_SIZE_LIMIT,   /* struct limit_conf of sizes */
	TYPE_READY,        /* struct ready_conf */
	TYPE_COUNT
};

struct conf_key {
	const char *section; /* "fleet", "worker" ... */
	const char *name;
	enum value_type type;
	size_t offset; /* in struct fleet_section or worker_section, or where
	                  in_floor: in struct floor_conf, at conf.as_floor */
	int in_floor;
	int64_t min, max;    /* in the type's own unit */
	const char *choices; /* "a|b"; for a stream's message only */
	const char *def;     /* as it would be written; NULL: none */
	int live; /* a change needs no restart: of the worker; for [fleet], of
	             svd */
	int required;
	int later;        /* known, but not in this version */
	const char *help; /* one line */
};

/* Kinds of sections. */
struct conf_section {
	const char *name;
	int named; /* [name:NAME] */
	int later;
};

struct env_file_conf {
	char *path; /* NULL: none */
	int optional;
};

/* What [fleet] is parsed into. */
struct fleet_section {
	char *name; /* or NULL */
	char *runtime_dir;
	char *control_group;
	char **include;
	char *user;
	char **environment;
	enum on_empty on_empty;
	int64_t supervisor_watchdog;
	struct stream_conf log;
	enum logline_format log_format;
};

/* What [worker:W] or [floor:F] is parsed into; conf.environment is then put
 * together. */
struct worker_section {
	struct worker_conf conf;
	char **environment;
	struct env_file_conf env_file;
};

/* Is it a name for a fleet or a worker? */
int conf_check_name(const char *name, struct err *e);
/* The n-th from 0; NULL behind the last. Keys of a section stand together. */
const struct conf_key *conf_key_at(size_t n);
/* The key's field in a struct fleet_section or worker_section, or in the
 * worker_conf that this begins with, if it is in there. */
void *conf_key_field(const struct conf_key *key, const void *section);
/* NULL where there is none. */
const struct conf_key *conf_key_find(const char *section, const char *name);
const struct conf_section *conf_section_find(const char *name, size_t len);
/* The key or section of this version that was likely meant, or NULL. */
const char *conf_key_suggest(const char *section, const char *name);
const struct conf_section *conf_section_suggest(const char *name, size_t len);

#endif
