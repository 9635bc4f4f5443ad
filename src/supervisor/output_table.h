/*
 * output_table: the table of outputs as the logger reads it, one line each,
 * fields separated by tabs, strings escaped as %XX:
 *
 *	table   NUMBER
 *	fleet   NAME LOG FORMAT LOGPATH
 *	output  STREAM ID NAME GROUP KIND TAIL SIZE KEEP UID GID PATH
 *
 * NUMBER is greater than that of any earlier one. LOG is stderr, file, syslog
 *or journal; FORMAT text, json or logfmt; STREAM out or err; KIND log, file,
 *syslog or journal; TAIL and SIZE are bytes; UID and GID own a new file; a path
 *that there is none of is "-".
 */
#ifndef SVD_SUPERVISOR_OUTPUT_TABLE_H
#define SVD_SUPERVISOR_OUTPUT_TABLE_H

#include "base/buf.h"
#include "core/fleet.h"

struct worker;

/* "out", "err" */
const char *output_stream_name(enum output_stream stream);
/* "out:web:0", as the keeper holds it: the id, and which stream of it. NULL: it
 * is no such name. */
const char *output_read_name(const char *name, int *stream);
/* These append lines. -1: no memory. */
int output_table_fleet(struct buf *b, const struct fleet *f, uint64_t number);
/* Nothing for a stream that has no FIFO. What is not captured any more while
 * its writer lives goes to the log. */
int output_table_stream(struct buf *b, const struct worker *w, int stream);
/* The text of the table that fd is, whatever its position, to be freed; NULL:
 * it cannot be had. */
char *output_table_read(int fd);
/* The line there, to be freed, of a stream as the keeper holds it; NULL: there
 * is none, or no memory. table: NULL: there is none. */
char *output_table_find(const char *table, const char *name);

#endif
