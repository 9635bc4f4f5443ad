/*
 * journal: what the copy of the fleet's journal says (svd-state(5)), for what
 * svctl does without a daemon.
 */
#ifndef SVD_CTL_JOURNAL_H
#define SVD_CTL_JOURNAL_H

#include <stddef.h>
#include <sys/types.h>

#include <jansson.h>

#include "base/err.h"
#include "core/record.h"

struct journal {
	struct fleet_record fleet;
	/* As svctl calls them; one whose name is "" has left. */
	struct worker_record *workers;
	size_t nworkers, cap;
	size_t ntorn;  /* lines that are none */
	json_t *index; /* id to place in workers */
	uid_t owner;   /* of the file */
};

/* What has become of a process on record. */
enum journal_process {
	PROCESS_NONE,    /* none is on record */
	PROCESS_ALIVE,   /* it is there, proven to be the same */
	PROCESS_GONE,    /* no process has this pid, or its own has ended */
	PROCESS_ANOTHER, /* another process has this pid */
	PROCESS_UNKNOWN  /* there is one, and nothing proves whose */
};

/* Is there a file beside this control socket? */
int journal_exists(const char *socket);
/* Reads it. It is gone by only if it is a regular file of root, of the caller
 * or of the socket's owner. To be released in any case. */
int journal_load(struct journal *j, const char *socket, struct err *e);
void journal_release(struct journal *j);
/* Do its pids mean anything here and now? -1: *e says where it is from. */
int journal_check_place(const struct journal *j, struct err *e);
/* *pidfd: of the process where it is PROCESS_ALIVE, the caller's; -1 where the
 * kernel has none. */
enum journal_process journal_prove(const struct worker_record *w, int *pidfd);
/* Is it called so, as the supervisor takes names? */
int journal_is_named(const struct worker_record *w, const char *name);
/* Is each name somebody's? EXIT_DONE, or EXIT_NO_SUCH_NAME, which is said. */
int journal_check_names(const struct journal *j, char *const *names, size_t n);
/* The same for one worker; no names are all. */
int
journal_is_picked(const struct worker_record *w, char *const *names, size_t n);

#endif
