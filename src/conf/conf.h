/*
 * conf: from a fleet file to a struct fleet.
 *
 * A load reads every file it needs (the fleet file, includes, env_files) into
 * a struct sources first. A supervisor that is started again must see exactly
 * what its predecessor saw, whatever has happened to the files on disk since:
 * the sources are therefore kept by the keeper as a snapshot, and a load from a
 * snapshot opens nothing.
 */
#ifndef SVD_CONF_CONF_H
#define SVD_CONF_CONF_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "core/fleet.h"

#define CONF_FILE_MAX (4 << 20)     /* bytes of one file */
#define CONF_SOURCES_MAX (64 << 20) /* bytes of all files */
#define CONF_LINE_MAX (128 << 10)   /* bytes of one physical line */

#define DIAGS_MAX 1000 /* that are kept; errors beyond are only counted */

/* What was found, in the order of the files: "FILE:LINE: text", where there is
 * no line "FILE: text"; a warning's text begins with "warning: ". */
struct diag {
	char *text;
	int is_error;    /* else a warning */
	size_t file_len; /* bytes of FILE in text */
	int line;
	size_t seq, rank; /* for diags_finish */
	int other;
};

/* Zero it to initialise it. */
struct diags {
	struct diag *list;
	size_t n, cap;
	size_t nerrors; /* may be more than are in list: DIAGS_MAX, no memory */
};

void diags_add(struct diags *d, int is_error, const char *file, int line,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void diags_release(struct diags *d);
/* Sorts by the file's place in files, then line, then as they were added; a
 * last line tells of errors that are not in the list. To be called once. */
void diags_finish(struct diags *d, char *const *files, size_t nfiles);

struct sources; /* see source.h */

/*
 * Loads path with everything it includes. On success returns 0 and *f is to
 * be released by the caller; on -1 d has at least one error. With a frozen
 * src nothing is read from disk. `${ENV}` is looked up in environ. Errors of
 * all files are found in one call, in the order of the files. (Without memory
 * even for an error's text, d->nerrors alone tells.)
 */
int conf_load(
    struct fleet *f, const char *path, struct sources *src, struct diags *d);

/* One key's value, as it would be written in a file. */
struct conf_value {
	const char *worker; /* the instance's name; NULL: of [fleet] */
	const char *key;
	const char *text;   /* NULL: it has none */
	const char *origin; /* "FILE:LINE", "default", "svctl scale" */
};

/* Who wants to know where values come from. */
struct conf_sink {
	/* About this instance? NULL: [fleet]. */
	int (*wants)(const struct worker_conf *w, void *arg);
	int (*value)(const struct conf_value *v, void *arg); /* -1: failed */
	void *arg;
	int masked; /* variables of environments are "K=***" */
};

/* conf_load(), with all values to sink as they are found; those of [fleet]
 * first. */
int conf_explain(struct fleet *f, const char *path, struct sources *src,
    struct diags *d, const struct conf_sink *sink);

/*
 * What only the machine can tell: does the command exist, the user, the
 * directory? Adds warnings to d; a fleet with such faults still runs, and the
 * worker's state says why it does not.
 */
void conf_check_machine(const struct fleet *f, struct diags *d);

#endif
