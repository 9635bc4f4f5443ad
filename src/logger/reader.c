/* reader: see reader.h. */
#include "logger/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "ipc/chan.h"
#include "ipc/varlink.h"
#include "logger/base64.h"
#include "logger/lines.h"
#include "logger/shown.h"

#define LINES_DEFAULT 10
#define BLOCK 65536
#define SEND_BYTES 32768

struct reading {
	struct logger *lg;
	struct outputs all;
	struct shown *list; /* of these */
	size_t n;
	struct shown **by_epoch; /* the same */
	struct marks_reading marks;
	int client, number, follow;
	struct buf out;
};

/* --- what is asked for ---------------------------------------------------- */

static int
is_named(const struct output *o, const json_t *names)
{
	const char *name;
	size_t i;

	for (i = 0; i < json_array_size(names); i++) {
		name = json_string_value(json_array_get(names, i));
		if (name != NULL &&
		    (strcmp(name, "all") == 0 || strcmp(name, o->group) == 0 ||
			strcmp(name, o->name) == 0 || strcmp(name, o->id) == 0))
			return 1;
	}
	return 0;
}

static int
is_shown(const struct reading *rd, const struct ring *r)
{
	size_t i;

	for (i = 0; i < rd->n; i++)
		if (rd->list[i].view.c == r->c)
			return 1;
	return 0;
}

/* Main does not keep it: it is of no use to it but at a change. */
static int
load(struct reading *rd)
{
	struct err e;

	/* Nothing is captured yet. */
	if (rd->lg->outputs_fd == -1)
		return 0;
	if (outputs_load(&rd->all, rd->lg->outputs_fd, &e) == 0)
		return 0;
	log_error("%s", e.text);
	return -1;
}

static int
choose(struct reading *rd, const json_t *parameters)
{
	const json_t *names = json_object_get(parameters, "names"),
		     *since = json_object_get(parameters, "since"),
		     *lines = json_object_get(parameters, "lines");
	const struct outputs *all = &rd->all;
	uint64_t n = json_is_integer(lines) && json_integer_value(lines) >= 0
	                 ? (uint64_t)json_integer_value(lines)
	                 : LINES_DEFAULT;
	size_t i;

	rd->follow = json_is_true(json_object_get(parameters, "follow"));
	rd->list = calloc(all->n + 1, sizeof(*rd->list));
	if (rd->list == NULL)
		return -1;
	for (i = 0; i < all->n; i++) {
		const struct output *o = &all->list[i];
		const struct stream *s = shown_stream(rd->lg, o);

		if (s == NULL || !is_named(o, names) || is_shown(rd, s->ring))
			continue;
		shown_init(&rd->list[rd->n], o, s);
		if (shown_go_on(&rd->list[rd->n], since))
			rd->list[rd->n].until = view_end(&rd->list[rd->n].view);
		else
			shown_last_lines(&rd->list[rd->n], n);
		rd->n++;
	}
	return 0;
}

/* --- what is answered ----------------------------------------------------- */

/* Whoever does not read is waited for, unless he goes. */
static void
flush(struct reading *rd)
{
	size_t at = 0;
	ssize_t n;

	while (at < rd->out.len) {
		n = send(rd->client, rd->out.data + at, rd->out.len - at,
		    MSG_NOSIGNAL);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			_exit(0);
		at += (size_t)n;
	}
	rd->out.len = 0;
}

/* What is not UTF-8, or has a NUL in it, goes as base64. */
static int
put_text(json_t *reply, const char *text, size_t len)
{
	static char encoded[BASE64_SIZE(LINE_TEXT_MAX)];
	json_t *line =
	    memchr(text, '\0', len) == NULL ? json_stringn(text, len) : NULL;

	if (line != NULL)
		return json_object_set_new(reply, "line", line);
	base64_encode(text, len, encoded);
	return json_object_set_new(reply, "data", json_string(encoded));
}

/* One reply; text NULL: only how far we are. */
static void
say(struct reading *rd, struct shown *s, const char *text, size_t len)
{
	char cursor[SHOWN_CURSOR_SIZE];
	json_t *reply;

	shown_cursor(s, cursor);
	reply = json_pack("{s:s, s:s, s:s}", "name", s->o->name, "stream",
	    shown_stream_name(s->o), "cursor", cursor);
	if (reply == NULL ||
	    (text != NULL && put_text(reply, text, len) == -1) ||
	    (s->gap && json_object_set_new(reply, "gap", json_true()) == -1) ||
	    varlink_write_part(&rd->out, reply) == -1)
		_exit(1);
	s->gap = 0;
	s->said = 1;
	if (rd->out.len >= SEND_BYTES)
		flush(rd);
}

/* The lines in buf, which is what is there from s->at on. Returns whether there
 * was a whole one. */
static int
say_some(
    struct reading *rd, struct shown *s, const char *buf, size_t n, int final)
{
	size_t used, line, len;

	for (used = 0; used < n; used += line) {
		line = line_take(buf + used, n - used, final, &len);
		if (line == 0)
			break;
		s->at += (int64_t)line;
		say(rd, s, buf + used, len);
	}
	return used > 0;
}

static int
is_ending(const struct reading *rd, const struct shown *s)
{
	return rd->lg->cursors.head->quitting || s->view.c->key[0] == '\0';
}

/* Its file is being exchanged. Whoever follows waits for that, unless he has
 * gone. */
static int
may_wait(const struct reading *rd, const struct shown *s)
{
	struct pollfd p = {.fd = rd->client, .events = POLLRDHUP};

	if (!rd->follow || is_ending(rd, s))
		return 0;
	if (poll(&p, 1, 0) > 0)
		_exit(0);
	return 1;
}

static void
look_at_ends(struct reading *rd)
{
	size_t i;

	for (i = 0; i < rd->n; i++)
		rd->list[i].end = rd->follow ? view_end(&rd->list[i].view)
		                             : rd->list[i].until;
}

/* Whole lines up to end; the last one too, if it will not be added to or is not
 * waited for. */
static void
say_lines(struct reading *rd, struct shown *s, int64_t end, int final)
{
	int is_last, is_all = end == s->end;
	static char buf[BLOCK];
	ssize_t n;

	for (; s->at < end; end = is_all ? s->end : end) {
		n = view_read_all(&s->view, s->at, buf,
		    end - s->at < BLOCK ? (size_t)(end - s->at) : BLOCK);
		if (n == VIEW_BUSY && may_wait(rd, s))
			continue;
		is_last = s->at + n >= end;
		if (n <= 0)
			shown_skip(s, end);
		else if (!say_some(rd, s, buf, (size_t)n, final && is_last) &&
			 is_last)
			return;
	}
}

/* --- in the order in which it was captured -------------------------------- */

static int
compare_epochs(const void *a, const void *b)
{
	uint64_t x = (*(struct shown *const *)a)->view.c->epoch,
		 y = (*(struct shown *const *)b)->view.c->epoch;

	return (x > y) - (x < y);
}

static int
begin_order(struct reading *rd)
{
	size_t i;

	rd->marks = (struct marks_reading){.fd = rd->lg->marks.fd, .next = 1};
	rd->by_epoch = calloc(rd->n + 1, sizeof(struct shown *));
	if (rd->by_epoch == NULL)
		return -1;
	for (i = 0; i < rd->n; i++)
		rd->by_epoch[i] = &rd->list[i];
	qsort(rd->by_epoch, rd->n, sizeof(struct shown *), compare_epochs);
	return 0;
}

/* NULL: it is not one of those that are asked for. */
static struct shown *
find_epoch(const struct reading *rd, uint64_t epoch)
{
	struct cursor c = {.epoch = epoch};
	struct shown key = {.view = {.c = &c}}, *const one = &key, **s;

	s = bsearch(
	    &one, rd->by_epoch, rd->n, sizeof(struct shown *), compare_epochs);
	return s == NULL ? NULL : *s;
}

/*
 * What is older than all marks: of each output what comes before the first one
 * of its own, of whom there is none all of it. It is said output by output.
 */
static void
say_unmarked(struct reading *rd)
{
	struct marks_reading marks = rd->marks;
	struct shown *s;
	struct mark m;
	size_t i;

	look_at_ends(rd);
	while (marks_next(&marks, &m)) {
		s = find_epoch(rd, m.epoch);
		if (s != NULL && (int64_t)m.from < s->end)
			s->end = (int64_t)m.from;
	}
	for (i = 0; i < rd->n; i++)
		say_lines(rd, &rd->list[i], rd->list[i].end, 0);
}

static void
say_marked(struct reading *rd)
{
	struct shown *s;
	struct mark m;

	while (marks_next(&rd->marks, &m)) {
		s = find_epoch(rd, rd->marks.ended);
		if (s != NULL)
			say_lines(rd, s,
			    (int64_t)m.to < s->end ? (int64_t)m.to : s->end, 0);
	}
	s = find_epoch(rd, rd->marks.open);
	if (s != NULL)
		say_lines(rd, s, s->end, 0);
}

/* All that is there now; final: the last lines too, if they have no end. */
static void
say_all(struct reading *rd, int final)
{
	size_t i;

	look_at_ends(rd);
	if (rd->n > 1)
		say_marked(rd);
	for (i = 0; i < rd->n; i++)
		say_lines(rd, &rd->list[i], rd->list[i].end, final);
	flush(rd);
}

/* Whoever follows and loses us is to go on from here also where there was no
 * line yet, or was none behind a gap. */
static void
say_positions(struct reading *rd)
{
	size_t i;

	for (i = 0; i < rd->n; i++)
		if (!rd->list[i].said)
			say(rd, &rd->list[i], NULL, 0);
	flush(rd);
}

/* --- following ------------------------------------------------------------ */

/* Has anything been added since? */
static int
has_grown(const struct reading *rd)
{
	size_t i;

	for (i = 0; i < rd->n; i++)
		if (view_end(&rd->list[i].view) != rd->list[i].end)
			return 1;
	return 0;
}

static int
is_any_left(const struct reading *rd)
{
	size_t i;

	for (i = 0; i < rd->n; i++)
		if (rd->list[i].view.c->key[0] != '\0')
			return 1;
	return 0;
}

/* Until something is added, or the client goes: it has nothing more to say
 * before we are done. */
static void
wait_for_more(struct reading *rd)
{
	struct pollfd p[2] = {
	    {.fd = rd->lg->readers[rd->number].wake_fd, .events = POLLIN},
	    {.fd = rd->client, .events = POLLRDHUP}};
	struct cursor *c;
	eventfd_t count;
	size_t i;

	for (i = 0; i < rd->n; i++) {
		c = (struct cursor *)rd->list[i].view.c;
		atomic_fetch_or(&c->watchers, UINT64_C(1) << rd->number);
	}
	if (has_grown(rd) || rd->lg->cursors.head->quitting)
		return;
	poll(p, 2, -1);
	if (p[1].revents != 0)
		_exit(0);
	eventfd_read(p[0].fd, &count);
}

static void
follow(struct reading *rd)
{
	while (is_any_left(rd) && !rd->lg->cursors.head->quitting) {
		say_all(rd, 0);
		wait_for_more(rd);
	}
	say_all(rd, 1);
}

/* --- begin and end -------------------------------------------------------- */

void
reader_give_back(
    const struct logger *lg, int client, const char *data, size_t len)
{
	static unsigned char packet[PL_PACKET_MAX];
	struct pl_msg back = {.type = PL_CLIENT, .data = data, .data_len = len};
	size_t size = pl_encode(&back, packet);
	int flags = fcntl(client, F_GETFL);

	fcntl(client, F_SETFL, flags | O_NONBLOCK);
	while (size > 0 &&
	       chan_send(lg->pair, packet, size, &client, 1, 0) == -1 &&
	       errno == EINTR)
		;
}

_Noreturn void
reader_run(struct logger *lg, const struct pl_msg *m, int client, int number,
    pid_t main_pid)
{
	struct reading rd = {.lg = lg, .client = client, .number = number};
	json_t *parameters = json_loads(m->text, 0, NULL);
	int flags = fcntl(client, F_GETFL);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != main_pid)
		_exit(0);
	prctl(PR_SET_NAME, "svd: logs");
	fcntl(client, F_SETFL, flags & ~O_NONBLOCK);
	if (parameters == NULL || load(&rd) == -1 ||
	    choose(&rd, parameters) == -1 || begin_order(&rd) == -1)
		_exit(1);
	if (rd.n > 1)
		say_unmarked(&rd);
	say_all(&rd, !rd.follow);
	if (rd.follow) {
		say_positions(&rd);
		follow(&rd);
	}
	if (varlink_write_reply(&rd.out, json_object()) == -1)
		_exit(1);
	flush(&rd);
	/* The call is answered. */
	reader_give_back(lg, client, m->data, m->data_len);
	_exit(0);
}
