/* attach: see attach.h. Nothing here waits but poll(2): a worker that does not
 * read and a client that does not read are each other's business only. */
#include "logger/attach.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/sys.h"
#include "ipc/proto_attach.h"
#include "ipc/varlink.h"
#include "logger/reader.h"
#include "logger/shown.h"

#define READ_BYTES 16384
#define IN_MAX (ATTACH_HEAD_BYTES + ATTACH_DATA_MAX)
#define STREAMS 2         /* stdout and stderr */
#define NUDGE_MS 50       /* a terminal may have room and not say so */
#define LAST_WORDS_MS 10  /* between two looks for them ... */
#define LAST_WAIT_MS 2000 /* ... at most */

struct attached {
	struct logger *lg;
	struct outputs all;
	struct shown list[STREAMS];
	size_t n;
	int number, client;
	int input; /* -1: it has none */
	int life;  /* a pidfd; -1: not to be had */
	int is_tty;
	int heard_all; /* the client will send nothing more */
	int64_t ended; /* when the worker was seen to have; 0: it has not */
	int said_end;
	int leaving; /* main has been told to finish */
	struct buf in, out;
	size_t written; /* of the first frame's data in `in` */
	size_t taken;   /* not told to the client yet */
	size_t sent;    /* of out */
};

/* --- begin ---------------------------------------------------------------- */

static void
find_outputs(struct attached *a, const char *id, const json_t *since)
{
	const struct stream *s;
	struct shown *sh;
	size_t i;
	char c;

	for (i = 0; i < a->all.n && a->n < STREAMS; i++) {
		if (strcmp(a->all.list[i].id, id) != 0 ||
		    (s = shown_stream(a->lg, &a->all.list[i])) == NULL)
			continue;
		sh = &a->list[a->n++];
		shown_init(sh, &a->all.list[i], s);
		if (shown_go_on(sh, since))
			continue;
		/* From here on; but a prompt that waits is to be seen. */
		sh->at = view_last_lines(&sh->view, 1);
		if (view_read(&sh->view, view_end(&sh->view) - 1, &c, 1) == 1 &&
		    c == '\n')
			sh->at = view_end(&sh->view);
	}
}

static enum attach_type
type_of(const struct shown *s)
{
	return s->o->is_stderr ? ATTACH_STDERR : ATTACH_STDOUT;
}

static void
put_output(
    struct attached *a, const struct shown *s, const void *data, size_t len)
{
	char cursor[SHOWN_CURSOR_SIZE];

	shown_cursor(s, cursor);
	if (attach_put_output(&a->out, type_of(s), cursor, data, len) == -1)
		_exit(1);
}

static int
take_fds(struct attached *a, const json_t *p, const int *fds, size_t nfds)
{
	size_t n = 1;
	const char *input = json_string_value(
	    json_object_get(json_object_get(p, "reply"), "input"));

	a->input = a->life = -1;
	if (input == NULL)
		return -1;
	a->is_tty = strcmp(input, "tty") == 0;
	if (strcmp(input, "none") != 0 && n < nfds)
		a->input = fds[n++];
	if (n < nfds)
		a->life = fds[n++];
	return 0;
}

/* The worker is yet to come: the call goes back, with the place from which it
 * will be shown. */
static _Noreturn void
give_place(struct attached *a, const struct pl_msg *m, const json_t *call)
{
	json_t *p = json_copy((json_t *)call), *since = json_array();
	char cursor[SHOWN_CURSOR_SIZE];
	size_t i;

	for (i = 0; i < a->n; i++) {
		shown_cursor(&a->list[i], cursor);
		json_array_append_new(since, json_string(cursor));
	}
	json_object_set_new(p, "since", since);
	if (varlink_write_call(
		&a->out, "org.svd.Fleet.Attach", p, VARLINK_UPGRADE) == -1 ||
	    buf_add(&a->out, m->data, m->data_len) == -1)
		_exit(1);
	reader_give_back(a->lg, a->client, a->out.data, a->out.len);
	_exit(0);
}

static void
load_outputs(struct attached *a)
{
	struct err e;

	if (a->lg->outputs_fd == -1 ||
	    outputs_load(&a->all, a->lg->outputs_fd, &e) == 0)
		return;
	log_error("%s", e.text);
	_exit(1);
}

/* The reply, and where each output goes on from here. */
static void
begin(struct attached *a, const struct pl_msg *m, const int *fds, size_t nfds)
{
	json_t *p = json_loads(m->text, 0, NULL);
	const char *id = json_string_value(json_object_get(p, "id"));
	const json_t *call = json_object_get(p, "call");
	size_t i;

	a->client = fds[0];
	if (id == NULL)
		_exit(1);
	load_outputs(a);
	find_outputs(a, id, json_object_get(p, "since"));
	if (call != NULL)
		give_place(a, m, call);
	if (take_fds(a, p, fds, nfds) == -1)
		_exit(1);
	if (varlink_write_reply(
		&a->out, json_incref(json_object_get(p, "reply"))) == -1 ||
	    buf_add(&a->in, m->data, m->data_len) == -1)
		_exit(1);
	for (i = 0; i < a->n; i++)
		put_output(a, &a->list[i], "", 0);
	json_decref(p);
}

/* --- from the worker to the client ---------------------------------------- */

/* Noted once and for all by main, before it takes what a next life writes. */
static uint64_t
end_of_life(const struct attached *a, const struct shown *s)
{
	return a->lg->cursors.head->ends[a->number][s->o->is_stderr];
}

/* What a next life writes is not for whoever is attached to this one. Its end
 * is looked at last: it is noted before that is taken. */
static int64_t
end_of(const struct attached *a, const struct shown *s)
{
	int64_t end = view_end(&s->view);
	uint64_t last = end_of_life(a, s);

	return last != 0 && (int64_t)last - 1 < end ? (int64_t)last - 1 : end;
}

static void
show_some(struct attached *a, struct shown *s)
{
	static char buf[ATTACH_CHUNK];
	int64_t left = end_of(a, s) - s->at;
	ssize_t n;

	if (left <= 0)
		return;
	n = view_read(&s->view, s->at, buf,
	    left < (int64_t)sizeof(buf) ? (size_t)left : sizeof(buf));
	if (n == VIEW_BUSY)
		return;
	if (n <= 0) {
		shown_skip(s, view_end(&s->view));
		return;
	}
	if (s->gap && attach_put(&a->out, ATTACH_GAP, "", 0) == -1)
		_exit(1);
	s->gap = 0;
	s->at += n;
	put_output(a, s, buf, (size_t)n);
}

/* Only once the client has taken what there was. */
static void
fill(struct attached *a)
{
	unsigned char n[ATTACH_TAKEN_BYTES];
	size_t i, taken;

	if (a->out.len > 0)
		return;
	while (a->taken > 0) {
		taken = a->taken < UINT16_MAX ? a->taken : UINT16_MAX;
		n[0] = (unsigned char)taken;
		n[1] = (unsigned char)(taken >> 8);
		if (attach_put(&a->out, ATTACH_TAKEN, n, sizeof(n)) == -1)
			_exit(1);
		a->taken -= taken;
	}
	for (i = 0; i < a->n; i++)
		show_some(a, &a->list[i]);
}

static void
flush(struct attached *a)
{
	ssize_t n;

	while (a->sent < a->out.len) {
		n = send(a->client, a->out.data + a->sent, a->out.len - a->sent,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			return;
		if (n == -1)
			_exit(0);
		a->sent += (size_t)n;
	}
	a->out.len = a->sent = 0;
}

/* --- from the client to the worker ---------------------------------------- */

static void
hear(struct attached *a)
{
	ssize_t n;

	if (buf_reserve(&a->in, READ_BYTES) == -1)
		_exit(1);
	n = recv(a->client, a->in.data + a->in.len, READ_BYTES, MSG_DONTWAIT);
	if (n > 0)
		a->in.len += (size_t)n;
	else if (n == 0)
		a->heard_all = 1;
	else if (errno != EAGAIN && errno != EINTR)
		_exit(0);
}

/* What nobody will ever read counts as taken. 0: it has to wait. */
static int
write_input(struct attached *a, const struct attach_frame *f)
{
	ssize_t n = 0;

	while (a->written < f->len) {
		n = a->input == -1 ? (ssize_t)(f->len - a->written)
		                   : write(a->input, f->data + a->written,
					 f->len - a->written);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			return 0;
		if (n <= 0)
			n = (ssize_t)(f->len - a->written);
		a->written += (size_t)n;
		a->taken += (size_t)n;
	}
	a->written = 0;
	return 1;
}

static void
set_window(const struct attached *a, const struct attach_frame *f)
{
	struct winsize size = {.ws_row = (unsigned short)attach_number(f, 0),
	    .ws_col = (unsigned short)attach_number(f, 1)};

	if (a->is_tty && a->input != -1 && size.ws_row > 0 && size.ws_col > 0)
		ioctl(a->input, TIOCSWINSZ, &size);
}

/* 1: some input waits for the worker to read. */
static int
obey(struct attached *a)
{
	struct attach_frame f;
	long len;

	while ((len = attach_take(a->in.data, a->in.len, &f)) > 0) {
		if (f.type == ATTACH_INPUT && !write_input(a, &f))
			return 1;
		if (f.type == ATTACH_WINDOW)
			set_window(a, &f);
		buf_consume(&a->in, (size_t)len);
	}
	if (len == -1) {
		log_info("an attached client sends nonsense");
		_exit(0);
	}
	return 0;
}

/* --- the worker's end ----------------------------------------------------- */

static int
is_all_shown(const struct attached *a)
{
	uint64_t end;
	size_t i;

	if (sys_now_ms() - a->ended >= LAST_WAIT_MS)
		return 1;
	for (i = 0; i < a->n; i++) {
		end = end_of_life(a, &a->list[i]);
		if (end == 0 || (uint64_t)a->list[i].at + 1 < end)
			return 0;
	}
	return 1;
}

static void
note_end(
    struct attached *a, const struct pollfd *life, const struct pollfd *input)
{
	int over = a->life != -1 ? life->revents != 0
	                         : (input->revents & (POLLERR | POLLHUP)) != 0;

	if (over && a->ended == 0)
		a->ended = sys_now_ms();
}

/* Done: the end was said, and heard. Or the worker goes on without us, and so
 * does the client, who knows of all that we have done. */
static int
is_over(struct attached *a)
{
	if (a->out.len > 0)
		return 0;
	if (a->ended == 0)
		return a->leaving && a->taken == 0;
	if (!a->said_end && is_all_shown(a)) {
		if (attach_put(&a->out, ATTACH_ENDED, "", 0) == -1)
			_exit(1);
		a->said_end = 1;
		flush(a);
	}
	return a->said_end && a->out.len == 0;
}

/* --- the loop ------------------------------------------------------------- */

static int
has_grown(const struct attached *a)
{
	size_t i;

	for (i = 0; i < a->n; i++)
		if (end_of(a, &a->list[i]) > a->list[i].at)
			return 1;
	return 0;
}

static void
ask_for_wakeup(struct attached *a)
{
	struct cursor *c;
	size_t i;

	for (i = 0; i < a->n; i++) {
		c = (struct cursor *)a->list[i].view.c;
		atomic_fetch_or(&c->watchers, UINT64_C(1) << a->number);
	}
}

static int
time_to_wait(const struct attached *a, int blocked)
{
	if (a->out.len == 0 && (a->taken > 0 || has_grown(a)))
		return 0;
	if (a->ended != 0 || a->leaving)
		return LAST_WORDS_MS;
	return blocked && a->is_tty ? NUDGE_MS : -1;
}

static void
wait_for_more(struct attached *a, int blocked)
{
	int wake = a->lg->readers[a->number].wake_fd;
	struct pollfd p[] = {{.fd = a->client}, {.fd = wake, .events = POLLIN},
	    {.fd = a->ended == 0 ? a->life : -1, .events = POLLIN},
	    {.fd = a->ended == 0 ? a->input : -1}};
	eventfd_t count;

	if (!a->heard_all && !blocked && a->in.len < IN_MAX)
		p[0].events = POLLIN;
	if (a->out.len > 0)
		p[0].events |= POLLOUT;
	if (blocked)
		p[3].events = POLLOUT;
	ask_for_wakeup(a);
	/* Looked at first: where the fleet has ended, so has the worker. */
	a->leaving = a->lg->cursors.head->quitting != 0;
	poll(p, 4, time_to_wait(a, blocked));
	if (p[0].revents & (POLLHUP | POLLERR))
		_exit(0);
	if (p[0].revents & POLLIN)
		hear(a);
	if (p[1].revents != 0)
		eventfd_read(wake, &count);
	note_end(a, &p[2], &p[3]);
}

_Noreturn void
attach_run(struct logger *lg, const struct pl_msg *m, const int *fds,
    size_t nfds, int number, pid_t main_pid)
{
	struct attached a = {.lg = lg, .number = number};
	int blocked;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != main_pid)
		_exit(0);
	prctl(PR_SET_NAME, "svd: attach");
	begin(&a, m, fds, nfds);
	do {
		fill(&a);
		flush(&a);
		blocked = a.ended == 0 && !a.leaving && obey(&a);
		wait_for_more(&a, blocked);
	} while (!is_over(&a));
	_exit(0);
}
