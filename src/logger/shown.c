/* shown: see shown.h. */
#include "logger/shown.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AGAIN_MAX 5

const char *
shown_stream_name(const struct output *o)
{
	return o->is_stderr ? "stderr" : "stdout";
}

const struct stream *
shown_stream(const struct logger *lg, const struct output *o)
{
	const struct stream *s;
	char key[CURSOR_KEY_SIZE];

	snprintf(key, sizeof(key), "%s:%.*s", o->is_stderr ? "err" : "out",
	    OUTPUT_ID_MAX, o->id);
	s = names_pointer(&lg->streams, key);
	return s == NULL || s->ring == NULL ? NULL : s;
}

void
shown_init(struct shown *s, const struct output *o, const struct stream *stream)
{
	const struct ring *r = stream->ring;

	*s = (struct shown){.o = o,
	    .stream = stream,
	    .view = {
		.c = r->c, .ring = r->fd, .path = r->path, .tail = r->tail}};
}

/* 1: of this output, with *at, 0: of another one, -1: of this one in another
 * life. */
static int
read_cursor(const struct shown *s, const char *text, int64_t *at)
{
	size_t len = strlen(s->o->id);
	const char *stream = shown_stream_name(s->o);
	uint64_t offset, epoch;
	char *end;

	if (text == NULL || strncmp(text, s->o->id, len) != 0 ||
	    text[len] != '/' ||
	    strncmp(text + len + 1, stream, strlen(stream)) != 0 ||
	    text[len + 1 + strlen(stream)] != '@')
		return 0;
	offset = strtoull(text + len + 2 + strlen(stream), &end, 10);
	if (*end != '.')
		return -1;
	epoch = strtoull(end + 1, &end, 16);
	*at = (int64_t)offset;
	return epoch == s->view.c->epoch && *end == '\0' &&
	               *at <= view_end(&s->view)
	           ? 1
	           : -1;
}

int
shown_go_on(struct shown *s, const json_t *cursors)
{
	size_t i;
	int rc;

	for (i = 0; i < json_array_size(cursors); i++) {
		rc = read_cursor(
		    s, json_string_value(json_array_get(cursors, i)), &s->at);
		if (rc == 0)
			continue;
		/* Whether that is still there shows when it is read. */
		if (rc == 1)
			return 1;
		s->gap = 1;
		s->at = view_first_line(&s->view);
		return 1;
	}
	return 0;
}

/* What is written fast may overtake us while we look. */
static void
look_back(struct shown *s)
{
	do {
		s->again--;
		s->end = s->until = view_end(&s->view);
		s->at = view_lines_before(&s->view, s->until, s->lines);
	} while (s->lines > 0 && s->at >= s->until &&
		 view_end(&s->view) != s->until && s->again > 0);
}

void
shown_last_lines(struct shown *s, uint64_t lines)
{
	s->lines = lines;
	s->again = AGAIN_MAX;
	look_back(s);
}

void
shown_skip(struct shown *s, int64_t end)
{
	int64_t at, before = s->at;

	if (!s->said && s->lines > 0 && s->again > 0) {
		look_back(s);
		if (s->at > before)
			return;
		s->at = before;
	}
	at = view_first_line(&s->view);
	if (at <= s->at)
		at = (int64_t)s->view.c->low;
	s->gap = 1;
	s->at = at > s->at ? at : end;
}

void
shown_cursor(const struct shown *s, char out[SHOWN_CURSOR_SIZE])
{
	snprintf(out, SHOWN_CURSOR_SIZE, "%s/%s@%" PRIu64 ".%" PRIx64, s->o->id,
	    shown_stream_name(s->o), (uint64_t)s->at, s->view.c->epoch);
}
