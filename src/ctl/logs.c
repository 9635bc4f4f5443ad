/* logs: see logs.h. */
#include "ctl/logs.h"

#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "ctl/exits.h"
#include "ctl/line.h"
#include "ctl/print.h"
#include "ctl/stream.h"

#define TAILS_MS 1000
#define TAIL_LINES 10

/* Notes how far an output was seen: by all that stands before the '@' of its
 * cursor. -1: it is no cursor. */
static int
note_cursor(json_t *seen, const char *cursor, size_t len)
{
	const char *at = memchr(cursor, '@', len);
	char key[64];

	if (at == NULL || (size_t)(at - cursor) >= sizeof(key))
		return -1;
	snprintf(key, sizeof(key), "%.*s", (int)(at - cursor), cursor);
	return json_object_set_new(seen, key, json_stringn(cursor, len));
}

/* "CURSOR,CURSOR" */
static int
note_cursors(json_t *seen, const char *text)
{
	size_t len;

	for (; *text != '\0'; text += len + (text[len] == ',')) {
		len = strcspn(text, ",");
		if (note_cursor(seen, text, len) == -1)
			return -1;
	}
	return 0;
}

static json_t *
parameters(struct ctl *ctl, void *arg)
{
	json_t *seen = arg, *p = json_object(), *list = json_array(), *cursor;
	const char *key;
	int i;

	for (i = 0; i < ctl->nargs; i++)
		json_array_append_new(list, json_string(ctl->args[i]));
	json_object_set_new(p, "names", list);
	json_object_set_new(p, "follow", json_boolean(ctl->follow));
	if (ctl->lines != -1)
		json_object_set_new(p, "lines", json_integer(ctl->lines));
	if (json_object_size(seen) > 0) {
		list = json_array();
		json_object_foreach (seen, key, cursor)
			json_array_append(list, cursor);
		json_object_set_new(p, "since", list);
	}
	return p;
}

/* Whose line it is, unless that is just what was asked for. */
static void
print_name(const struct ctl *ctl, const json_t *reply)
{
	const char *name = print_member(reply, "name");

	if (ctl->nargs == 1 && strcmp(name, ctl->args[0]) == 0)
		return;
	print_text(name);
	fputs(strcmp(print_member(reply, "stream"), "stderr") == 0 ? "! | "
								   : " | ",
	    stdout);
}

static int
use(struct ctl *ctl, const json_t *reply, void *arg)
{
	json_t *seen = arg, *cursor = json_object_get(reply, "cursor");
	int has_line, gap;

	/* The last one has nothing. */
	if (!json_is_string(json_object_get(reply, "name")))
		return STREAM_GO_ON;
	if (json_is_string(cursor))
		note_cursor(seen, json_string_value(cursor),
		    json_string_length(cursor));
	has_line = json_is_string(json_object_get(reply, "line")) ||
	           json_is_string(json_object_get(reply, "data"));
	gap = json_is_true(json_object_get(reply, "gap"));
	/* With neither it only says from where on to ask again. */
	if (ctl->json && (has_line || gap))
		print_json(reply);
	if (ctl->json)
		return STREAM_GO_ON;
	if (gap) {
		fflush(stdout);
		print_error("%s: some output is not kept any more",
		    print_member(reply, "name"));
	}
	if (has_line) {
		print_name(ctl, reply);
		line_print(reply);
	}
	return STREAM_GO_ON;
}

int
logs_run(struct ctl *ctl)
{
	json_t *seen = json_object();
	const struct stream s = {
	    .parameters = parameters, .use = use, .arg = seen};
	int status = EXIT_USAGE;

	if (ctl->since != NULL && note_cursors(seen, ctl->since) == -1)
		print_error("'%s' is no cursor", ctl->since);
	else
		status = stream_run(ctl, &s);
	json_decref(seen);
	return status;
}

/* The lines of one worker; NULL where they are not to be had. */
static json_t *
tail_of(struct client *c, const char *name, int64_t deadline)
{
	json_t *p =
	    json_pack("{s:[s], s:i}", "names", name, "lines", TAIL_LINES);
	json_t *lines = json_array(), *msg, *one;
	struct varlink_reply reply = {.continues = 1};
	enum client_result r;
	struct err e;

	r = client_send_more(c, "org.svd.Fleet.Logs", p, deadline, &e);
	json_decref(p);
	while (r == CLIENT_REPLY && reply.continues) {
		r = client_receive(c, deadline, &msg, &e);
		if (r != CLIENT_REPLY)
			break;
		if (varlink_read_reply(msg, &reply, &e) == -1 ||
		    reply.error != NULL)
			r = CLIENT_CONFUSED;
		else if (reply.continues) {
			one = json_copy(reply.parameters);
			json_object_del(one, "name");
			json_object_del(one, "cursor");
			json_array_append_new(lines, one);
		}
		json_decref(msg);
	}
	if (r == CLIENT_REPLY)
		return lines;
	client_close(c);
	json_decref(lines);
	return NULL;
}

void
logs_add_tails(const struct ctl *ctl, json_t *workers)
{
	int64_t deadline = sys_now_ms() + TAILS_MS;
	json_t *w, *lines;
	const char *state;
	struct client c;
	size_t i;

	client_init(&c, ctl->path);
	json_array_foreach (workers, i, w) {
		state = print_member(w, "state");
		if (strcmp(state, "RUNNING") == 0 ||
		    strcmp(state, "READY") == 0 || sys_now_ms() >= deadline)
			continue;
		lines = tail_of(&c, print_member(w, "name"), deadline);
		if (lines != NULL)
			json_object_set_new(w, "output", lines);
	}
	client_close(&c);
}
