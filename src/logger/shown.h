/*
 * shown: an output that a client reads, and how far it has come. A position is
 * told to it as a cursor, "ID/STREAM@OFFSET.EPOCH".
 */
#ifndef SVD_LOGGER_SHOWN_H
#define SVD_LOGGER_SHOWN_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "logger/context.h"
#include "logger/outputs.h"
#include "logger/view.h"

#define SHOWN_CURSOR_SIZE 128

struct shown {
	struct view view;
	const struct output *o;
	const struct stream *stream; /* as it was when we were forked */
	int64_t at;
	int64_t end;    /* as far as is said now */
	int64_t until;  /* who does not follow is told no more */
	uint64_t lines; /* so many of the last ones are asked for, */
	int again;      /* and looked for so often, if they are overtaken */
	int gap;        /* to be said with what comes next */
	int said;       /* the client has a cursor of it */
};

/* "stdout" or "stderr" */
const char *shown_stream_name(const struct output *o);
/* NULL: it is not captured yet. */
const struct stream *
shown_stream(const struct logger *lg, const struct output *o);
void shown_init(
    struct shown *s, const struct output *o, const struct stream *stream);
/* Goes on behind that one of the cursors, strings, that is of this output; 0:
 * there is none. */
int shown_go_on(struct shown *s, const json_t *cursors);
/* From so many lines on before what is there now, until that. */
void shown_last_lines(struct shown *s, uint64_t lines);
/* What comes next is not there any more: on to what is; of which who has seen
 * nothing yet gets the last lines that he asked for. Always some way further,
 * to end where nothing at all can be read. */
void shown_skip(struct shown *s, int64_t end);
void shown_cursor(const struct shown *s, char out[SHOWN_CURSOR_SIZE]);

#endif
