/*
 * ready: what a worker's `ready` says, and the places where it is asked. Pure:
 * no system call, and nothing is looked up, as that could take for ever.
 */
#ifndef SVD_CORE_READY_H
#define SVD_CORE_READY_H

#include "base/err.h"

#define READY_TARGET_MAX 1000   /* bytes of a target as it is written */
#define READY_UNIX_PATH_MAX 107 /* bytes: what an address has room for */
#define READY_FD_ENV "SVD_READY_FD"
#define READY_HOST_SIZE 46 /* of any numeric address, and its NUL */

enum ready_kind {
	READY_EXEC,    /* its program runs, its entry is called */
	READY_NOTIFY,  /* it says READY=1, see sd_notify(3) */
	READY_FD,      /* it writes a newline to SVD_READY_FD */
	READY_TCP,     /* something listens at an address */
	READY_UNIX,    /* at a path */
	READY_HTTP,    /* and answers well */
	READY_COMMAND, /* a program says so by its exit status */
	READY_KINDS
};

struct ready_conf {
	enum ready_kind kind;
	char *target; /* TCP "127.0.0.1:80", UNIX a path, HTTP a whole URL; else
	                 NULL */
	char **argv;  /* COMMAND; else NULL */
};

/* A TCP or HTTP target, taken apart. */
struct ready_address {
	char host[READY_HOST_SIZE]; /* numeric, without brackets; "": this
	                               machine, by either protocol */
	int is_v6;                  /* with a host */
	int port;
	const char *named; /* HOST[:PORT] as it is written, in the target */
	int named_len;
	const char *path; /* of HTTP: what follows that, in the target; "": "/"
	                   */
};

/* "exec" ... */
const char *ready_kind_name(enum ready_kind kind);
/* -1: it is none. */
int ready_parse_address(enum ready_kind kind, const char *target,
    struct ready_address *a, struct err *e);
/* Is it a target of that kind? */
int ready_check_target(enum ready_kind kind, const char *target, struct err *e);

#endif
