/*
 * attach: see attach.h. What is typed is kept until svd says that it went to
 * the worker, and output counts once its cursor is noted: whoever is lost on
 * the way, the next connection goes on from there.
 */
#include "ctl/attach.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"
#include "ctl/exits.h"
#include "ctl/mode.h"
#include "ctl/print.h"
#include "ctl/report.h"
#include "ipc/proto_attach.h"

/* Bytes not yet taken; more is not read, nor is the detach key. */
#define TYPED_MAX (1024 * 1024)
#define READ_BYTES 65536
#define SAY_MAX 400   /* bytes of a line of our own */
#define LEAVE_MS 1000 /* for what was typed before the detach key */
#define ENDINGS                                                 \
	(SIG_BIT(SIGINT) | SIG_BIT(SIGTERM) | SIG_BIT(SIGHUP) | \
	    SIG_BIT(SIGQUIT))

struct session {
	struct ctl *ctl;
	const char *name;
	json_t *cursors;       /* by the type of their frames, as text */
	json_int_t generation; /* that we were last attached to; 0: none */
	int ended;             /* and it has */
	int attached;
	int is_tty, has_input; /* as the last reply said */
	int terminal;          /* we stand on one */
	int signals;
	int heard_all;    /* of our standard input */
	int64_t leaving;  /* when the detach key came; 0: it has not */
	struct buf typed; /* not taken yet */
	size_t in_flight; /* of these, sent on this connection */
	struct buf out;   /* frames */
	int over, status;
	int signal; /* that ended us, or 0 */
};

static void
end(struct session *s, int status)
{
	s->over = 1;
	s->status = status;
}

/* A line on a terminal that may be raw, and stays so: what is typed meanwhile
 * would not be taken as keys. */
static void
say(const char *text)
{
	char line[SAY_MAX], *p;

	snprintf(line, sizeof(line), "%s", text);
	for (p = line; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	dprintf(STDERR_FILENO, "svctl: %s%s\n", line,
	    mode_now() == MODE_RAW ? "\r" : "");
}

/* --- the call ------------------------------------------------------------- */

static json_t *
parameters(const struct session *s)
{
	json_t *p = json_pack("{s:s}", "name", s->name), *list = json_array();
	const char *type;
	json_t *cursor;

	json_object_foreach (s->cursors, type, cursor)
		json_array_append(list, cursor);
	if (json_array_size(list) > 0)
		json_object_set(p, "since", list);
	if (s->ended)
		json_object_set_new(p, "after", json_integer(s->generation));
	json_decref(list);
	return p;
}

/* What it is to be, for people. */
static void
greet(struct session *s, const json_t *reply, json_int_t generation)
{
	const char *ended = json_string_value(json_object_get(reply, "ended"));
	char text[SAY_MAX];
	int pid = (int)json_integer_value(json_object_get(reply, "pid"));

	if (s->generation == 0 && !s->has_input)
		snprintf(text, sizeof(text),
		    "%s takes no input (see stdin and tty in svd.ini(5)): "
		    "output only",
		    s->name);
	else if (s->generation == 0 && s->terminal)
		snprintf(text, sizeof(text), "%s, pid %d: ctrl-] detaches",
		    s->name, pid);
	else if (s->generation != 0 && s->generation != generation)
		snprintf(text, sizeof(text), "%s: %s%snow pid %d", s->name,
		    ended == NULL ? "" : ended, ended == NULL ? "" : ", ", pid);
	else
		return;
	say(text);
}

static void
set_mode(const struct session *s)
{
	mode_set(s->is_tty ? MODE_RAW : MODE_LINES);
}

static void
send_window(struct session *s)
{
	unsigned int rows, columns;

	if (s->attached && s->is_tty && mode_window(&rows, &columns) == 0 &&
	    attach_put_window(&s->out, rows, columns) == -1)
		end(s, EXIT_FAILED);
}

static void
use_reply(struct session *s, const json_t *reply)
{
	json_int_t generation =
	    json_integer_value(json_object_get(reply, "generation"));
	const char *input = print_member(reply, "input");

	s->is_tty = strcmp(input, "tty") == 0;
	s->has_input = strcmp(input, "none") != 0;
	set_mode(s);
	greet(s, reply, generation);
	s->generation = generation;
	s->ended = 0;
	s->attached = 1;
	send_window(s);
	/* It answers: from now on, only the user's own patience. */
	if (s->ctl->timeout_ms == -1)
		s->ctl->deadline = CLIENT_NEVER;
}

/* Is the worker, which will not come back by itself, as it should be? */
static int
final_status(struct session *s)
{
	json_t *p = json_pack("{s:[s]}", "names", s->name), *msg = NULL;
	struct varlink_reply reply;
	int status = EXIT_NOT_AS_WANTED;
	enum client_result r;
	struct err e;

	r = client_call(&s->ctl->client, "org.svd.Fleet.Status", p, NULL,
	    sys_now_ms() + 10000, &msg, &e);
	json_decref(p);
	if (r == CLIENT_REPLY && report_reply(msg, &reply) == EXIT_DONE &&
	    command_as_wanted(json_array_get(
		json_object_get(reply.parameters, "workers"), 0)))
		status = EXIT_DONE;
	json_decref(msg);
	return status;
}

static void
receive_reply(struct session *s)
{
	struct varlink_in *in = &s->ctl->client.in;
	struct varlink_reply reply;
	json_t *msg;
	struct err e;
	int rc = varlink_take(in, VARLINK_REPLY_MAX, &msg, &e);

	if (rc == 0)
		return;
	if (rc == -1) {
		say(e.text);
		end(s, EXIT_FAILED);
		return;
	}
	if (json_object_get(msg, "error") != NULL)
		mode_restore();
	rc = report_reply(msg, &reply);
	if (rc == EXIT_DONE)
		use_reply(s, reply.parameters);
	else
		end(s, s->ended && rc == EXIT_NOT_AS_WANTED ? final_status(s)
							    : rc);
	json_decref(msg);
}

/* --- frames --------------------------------------------------------------- */

/* Waits for whoever reads it, also where somebody has made it non-blocking. */
static int
write_all(int fd, const char *data, size_t len)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	ssize_t n;

	for (; len > 0; data += n, len -= (size_t)n) {
		n = write(fd, data, len);
		if (n != -1)
			continue;
		n = 0;
		if (errno == EAGAIN)
			poll(&p, 1, -1);
		else if (errno != EINTR)
			return -1;
	}
	return 0;
}

static void
on_output(struct session *s, const struct attach_frame *f)
{
	int fd = f->type == ATTACH_STDERR ? STDERR_FILENO : STDOUT_FILENO;
	const char *end_of_cursor = memchr(f->data, '\0', f->len), *data;
	char type[] = {(char)f->type, '\0'};

	if (end_of_cursor == NULL)
		return;
	data = end_of_cursor + 1;
	/* Whoever reads it is gone: that is no error. */
	if (write_all(fd, data, (size_t)(f->data + f->len - data)) == -1)
		end(s, EXIT_DONE);
	else
		json_object_set_new(s->cursors, type, json_string(f->data));
}

static void
on_gap(struct session *s, const struct attach_frame *f)
{
	(void)s;
	(void)f;
	say("some output is not kept any more");
}

static void
on_taken(struct session *s, const struct attach_frame *f)
{
	size_t n = attach_number(f, 0);

	if (n > s->in_flight)
		n = s->in_flight;
	buf_consume(&s->typed, n);
	s->in_flight -= n;
}

/* What was on its way was meant for who has gone. */
static void
on_ended(struct session *s, const struct attach_frame *f)
{
	char text[SAY_MAX];

	(void)f;
	buf_consume(&s->typed, s->in_flight);
	s->in_flight = 0;
	s->ended = 1;
	client_close(&s->ctl->client);
	if (s->terminal) {
		snprintf(text, sizeof(text), "%s has ended", s->name);
		say(text);
	}
}

static const struct {
	enum attach_type type;
	void (*fn)(struct session *s, const struct attach_frame *f);
} frames[] = {
    {ATTACH_STDOUT, on_output},
    {ATTACH_STDERR, on_output},
    {ATTACH_GAP, on_gap},
    {ATTACH_TAKEN, on_taken},
    {ATTACH_ENDED, on_ended},
};

static void
receive_frames(struct session *s)
{
	struct buf *b = &s->ctl->client.in.buf;
	struct attach_frame f;
	long len;
	size_t i;

	while (!s->over && s->ctl->client.fd != -1 &&
	       (len = attach_take(b->data, b->len, &f)) != 0) {
		if (len == -1) {
			say("the daemon sends nonsense");
			end(s, EXIT_FAILED);
			return;
		}
		for (i = 0; i < sizeof(frames) / sizeof(*frames); i++)
			if (frames[i].type == f.type)
				frames[i].fn(s, &f);
		if (s->ctl->client.fd != -1)
			buf_consume(b, (size_t)len);
	}
}

/* --- what is ready -------------------------------------------------------- */

static void
hear_svd(struct session *s)
{
	struct client *c = &s->ctl->client;
	ssize_t n;

	if (buf_reserve(&c->in.buf, READ_BYTES) == -1) {
		end(s, EXIT_FAILED);
		return;
	}
	n = recv(
	    c->fd, c->in.buf.data + c->in.buf.len, READ_BYTES, MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_close(c);
		return;
	}
	c->in.buf.len += (size_t)n;
	if (!s->attached)
		receive_reply(s);
	if (s->attached)
		receive_frames(s);
}

static void
hear_user(struct session *s)
{
	static char buf[READ_BYTES];
	size_t room = TYPED_MAX - s->typed.len;
	ssize_t n;
	char *key;

	n = read(STDIN_FILENO, buf, room < sizeof(buf) ? room : sizeof(buf));
	if (n == -1 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		s->heard_all = 1;
		return;
	}
	key = s->terminal ? memchr(buf, MODE_DETACH_KEY, (size_t)n) : NULL;
	if (key != NULL) {
		s->leaving = sys_now_ms() + LEAVE_MS;
		n = key - buf;
	}
	if (buf_add(&s->typed, buf, (size_t)n) == -1)
		end(s, EXIT_FAILED);
}

static void
hear_signals(struct session *s)
{
	struct signalfd_siginfo si;

	while (read(s->signals, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (SIG_BIT(si.ssi_signo) & ENDINGS) {
			s->signal = (int)si.ssi_signo;
			end(s, EXIT_FAILED);
			return;
		}
		if (si.ssi_signo == SIGTSTP) {
			mode_restore();
			raise(SIGSTOP);
		}
		/* A shell has set what it likes, and the size may have changed
		 * unseen. */
		if (si.ssi_signo == SIGCONT)
			mode_forget();
		set_mode(s);
		send_window(s);
	}
}

static void
fill_out(struct session *s)
{
	size_t n = s->typed.len - s->in_flight;

	if (!s->attached || n == 0)
		return;
	if (!s->has_input) {
		s->typed.len = 0;
		return;
	}
	if (s->out.len > 0)
		return;
	if (n > ATTACH_CHUNK)
		n = ATTACH_CHUNK;
	if (attach_put(
		&s->out, ATTACH_INPUT, s->typed.data + s->in_flight, n) == -1)
		end(s, EXIT_FAILED);
	else
		s->in_flight += n;
}

/* All that it takes. */
static void
tell_svd(struct session *s)
{
	struct client *c = &s->ctl->client;
	ssize_t n = 1;

	for (fill_out(s); n > 0 && c->fd != -1 && s->out.len > 0; fill_out(s)) {
		n = send(c->fd, s->out.data, s->out.len,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			buf_consume(&s->out, (size_t)n);
	}
	/* A connection that is lost is noticed where it is read. */
	if (n == -1 && errno != EAGAIN && errno != EINTR)
		s->out.len = 0;
}

/* --- the loop ------------------------------------------------------------- */

static int64_t
deadline_of(const struct session *s)
{
	return s->leaving != 0 && s->leaving < s->ctl->deadline
	           ? s->leaving
	           : s->ctl->deadline;
}

static int
time_to_wait(const struct session *s)
{
	int64_t left;

	if (deadline_of(s) == CLIENT_NEVER)
		return -1;
	left = deadline_of(s) - sys_now_ms();
	return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* All that was to be said was, as far as that matters by now. */
static void
look_for_end(struct session *s)
{
	if (s->over)
		return;
	if (s->leaving != 0 &&
	    (s->typed.len == 0 || !s->attached || sys_now_ms() >= s->leaving))
		end(s, EXIT_DONE);
	else if (s->heard_all && !s->ctl->wait && s->attached &&
		 s->typed.len == 0)
		end(s, EXIT_DONE);
	else if (s->terminal && s->heard_all && mode_now() == MODE_RAW)
		end(s, EXIT_DONE); /* it has hung up */
	else if (sys_now_ms() >= s->ctl->deadline) {
		say(s->ctl->timeout_ms == -1 ? "the daemon does not answer"
					     : "timed out");
		end(s, s->ctl->timeout_ms == -1 ? EXIT_UNREACHABLE
						: EXIT_TIMED_OUT);
	}
}

static void
turn(struct session *s)
{
	int listens =
	    !s->heard_all && s->leaving == 0 && s->typed.len < TYPED_MAX;
	struct pollfd p[] = {
	    {.fd = listens ? STDIN_FILENO : -1, .events = POLLIN},
	    {.fd = s->ctl->client.fd, .events = POLLIN},
	    {.fd = s->signals, .events = POLLIN}, {.fd = STDOUT_FILENO}};

	tell_svd(s);
	if (s->out.len > 0)
		p[1].events |= POLLOUT;
	if (poll(p, 4, time_to_wait(s)) == -1)
		return;
	if (p[2].revents != 0)
		hear_signals(s);
	if (p[0].revents != 0 && !s->over)
		hear_user(s);
	if ((p[1].revents & ~POLLOUT) != 0 && !s->over)
		hear_svd(s);
	if ((p[3].revents & (POLLERR | POLLHUP)) != 0 && !s->over)
		end(s, EXIT_DONE);
	look_for_end(s);
}

static void
connection(struct session *s)
{
	struct client *c = &s->ctl->client;
	json_t *p = parameters(s);
	enum client_result r;
	struct err e;

	s->attached = 0;
	s->in_flight = s->out.len = 0;
	r = client_send_upgrade(
	    c, s->ctl->command->method, p, s->ctl->deadline, &e);
	json_decref(p);
	if (r == CLIENT_REPLY)
		while (!s->over && c->fd != -1)
			turn(s);
	else if (r != CLIENT_LOST) {
		mode_restore();
		end(s, report_no_answer(s->ctl, r, &e));
	}
	if (!s->over)
		client_pause(CLIENT_NEVER);
}

static int
open_session(struct session *s)
{
	uint64_t mask =
	    ENDINGS | SIG_BIT(SIGWINCH) | SIG_BIT(SIGTSTP) | SIG_BIT(SIGCONT);

	sys_signals_ignore(SIG_BIT(SIGPIPE));
	sys_sigmask(mask);
	s->signals = sys_signalfd(mask);
	s->cursors = json_object();
	if (s->signals == -1 || s->cursors == NULL) {
		print_error("cannot attach: %s", strerror(errno));
		return -1;
	}
	s->terminal = mode_open();
	mode_set(MODE_LINES);
	return 0;
}

static void
close_session(struct session *s)
{
	mode_restore();
	json_decref(s->cursors);
	fd_close(&s->signals);
	buf_release(&s->typed);
	buf_release(&s->out);
	sys_sigmask(0);
	if (s->signal == 0)
		return;
	/* As it would have ended without us. */
	sys_signals_default(SIG_BIT(s->signal));
	raise(s->signal);
}

int
attach_terminal(struct ctl *ctl)
{
	struct session s = {.ctl = ctl, .signals = -1};

	if (ctl->nargs != 1) {
		print_error("attach takes the NAME of one worker");
		return EXIT_USAGE;
	}
	s.name = ctl->args[0];
	if (open_session(&s) == -1)
		return EXIT_FAILED;
	while (!s.over)
		connection(&s);
	if (s.terminal && s.status == EXIT_DONE && s.leaving != 0)
		say("detached");
	close_session(&s);
	return s.status;
}
