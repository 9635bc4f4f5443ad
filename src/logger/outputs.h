/*
 * outputs: the table of captured outputs, which the supervisor writes and the
 * keeper holds. One line each, fields separated by a tab, bytes escaped as %XX;
 * lines of a kind that is not known are skipped.
 *
 *	table NUMBER
 *	fleet NAME LOGKIND FORMAT LOGPATH
 *	output STREAM ID NAME GROUP KIND TAIL SIZE KEEP UID GID PATH
 */
#ifndef SVD_LOGGER_OUTPUTS_H
#define SVD_LOGGER_OUTPUTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/logline.h"

#define OUTPUTS_MAX_BYTES (64 << 20)
#define OUTPUT_ID_MAX 46 /* bytes: "sink:out:ID" and the like are short */

enum output_kind {
	OUTPUT_LOG, /* only of an output: lines go to svd's own log */
	OUTPUT_FILE,
	OUTPUT_SYSLOG,
	OUTPUT_JOURNAL,
	OUTPUT_STDERR /* only of svd's own log */
};

struct output {
	const char *id, *name, *group, *path; /* path: only of a file */
	uint64_t tail, size;                  /* bytes; size 0: no rotation */
	uint32_t keep;
	unsigned char is_stderr, kind;
};

struct outputs {
	char *text; /* what all strings point into */
	const char *fleet, *log_path;
	uint64_t number; /* of a later one it is greater; 0: it has none */
	enum output_kind log;
	enum logline_format format;
	struct output *list;
	size_t n;
};

/*
 * Takes text (malloc'ed, NUL-terminated), which it changes. -1: it is no such
 * table, or there is no memory: text is freed then.
 */
int
outputs_parse(struct outputs *o, char *text, size_t len_bytes, struct err *e);
/* What fd holds, whatever its position. 1: it cannot be read now. */
int outputs_load(struct outputs *o, int fd, struct err *e);
/* Frees the list, but keeps what is said of the fleet. -1: no memory. */
int outputs_forget_list(struct outputs *o);
void outputs_release(struct outputs *o);
/* Of the table's own words. */
const char *output_kind_name(enum output_kind kind);

#endif
