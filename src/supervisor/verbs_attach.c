/*
 * verbs_attach: a connection that becomes a worker's stdin and stdout; see
 * call.h. The logger has the output and outlives us, so the connection goes
 * there for good, together with a copy of what leads to the worker's stdin.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/sys.h"
#include "core/backoff.h"
#include "ipc/varlink.h"
#include "supervisor/call.h"
#include "supervisor/output.h"

struct attaching {
	struct answer answer;
	struct supervisor *sup;
	struct worker *w; /* held by a reference */
	json_t *since;    /* cursors, or NULL */
	uint64_t after;   /* a generation that is not meant; 0: any is */
};

/* A process that is set up, and not the one that was seen to end. */
static int
is_up(const struct attaching *a)
{
	const struct worker_record *r = &a->w->rec;

	return (r->state == WS_RUNNING || r->state == WS_STOPPING ||
		   (r->state == WS_STARTING && r->started)) &&
	       r->pid != 0 && r->generation != a->after;
}

/* Nothing will come of it by itself. */
static int
is_down(const struct attaching *a)
{
	return a->w->gone || !worker_alive(a->w);
}

/* It is to come: what it writes from its birth on is to be shown, so it must be
 * known where that begins. */
static int
needs_place(const struct attaching *a)
{
	return a->since == NULL && !is_up(a) && !is_down(a);
}

static int
ready(const struct answer *answer)
{
	const struct attaching *a = (const struct attaching *)answer;

	return is_up(a) || is_down(a) || needs_place(a);
}

static int
look(struct answer *answer, const struct worker *w)
{
	const struct attaching *a = (const struct attaching *)answer;

	return a->w == w && ready(answer);
}

static const char *
input_name(const struct worker *w)
{
	if (w->input.fd == -1)
		return "none";
	return w->input.is_tty ? "tty" : "pipe";
}

/* How the last life ended is of interest to who has seen it. */
static json_t *
make_reply(const struct attaching *a)
{
	const struct worker *w = a->w;
	char text[RECORD_FAULT_MAX];
	json_t *ended = NULL;

	if (a->after != 0)
		ended = varlink_string(
		    death_describe(&w->rec.last, text, sizeof(text)));
	return json_pack("{s:s, s:i, s:I, s:s, s:o*}", "name", w->conf->name,
	    "pid", w->rec.pid, "generation", (json_int_t)w->rec.generation,
	    "input", input_name(w), "ended", ended);
}

/* What the logger is told: which output, from where, and what to answer; or the
 * call that it is to give back, with cursors. NULL: no memory. */
static char *
make_parameters(const struct attaching *a)
{
	json_t *p =
	    needs_place(a)
		? json_pack("{s:s, s:{s:s, s:I}}", "id", a->w->rec.name, "call",
		      "name", a->w->conf->name, "after", (json_int_t)a->after)
		: json_pack("{s:s, s:O*, s:o}", "id", a->w->rec.name, "since",
		      a->since, "reply", make_reply(a));
	char *text;

	json_object_set_new(p, "table", json_integer(output_table(a->sup)));
	text = p == NULL ? NULL : json_dumps(p, JSON_COMPACT);
	json_decref(p);
	return text;
}

static int
hand_over(struct attaching *a, struct pl_msg *m, int client, struct err *e)
{
	char *parameters = make_parameters(a);
	int fds[PL_ATTACH_FDS] = {client}, life = -1, rc;
	size_t n = 1;

	if (parameters == NULL)
		return err_set(e, "out of memory");
	m->text = parameters;
	if (a->w->input.fd != -1)
		fds[n++] = a->w->input.fd;
	/* Ours until its exit is acknowledged: the pid is its own. */
	if (a->w->rec.pid != 0)
		life = sys_pidfd_open(a->w->rec.pid);
	if (life != -1)
		fds[n++] = life;
	rc = output_send_client(a->sup, m, fds, n, e);
	fd_close(&life);
	free(parameters);
	return rc;
}

static int
leave(struct answer *answer, int fd, const char *unread, size_t unread_len,
    struct buf *out)
{
	struct attaching *a = (struct attaching *)answer;
	struct pl_msg m = {
	    .type = PL_ATTACH, .data = unread, .data_len = unread_len};
	struct call c = {.out = out};
	struct err e;

	if (is_up(a) || needs_place(a)) {
		if (hand_over(a, &m, fd, &e) == 0)
			return 1;
		return call_fail(&c, ERROR_FAILED, e.text);
	}
	err_set(&e, "'%s' is %s", a->w->conf->name,
	    a->w->gone ? "no more in the fleet"
		       : worker_state_name(a->w->rec.state));
	return call_fail(&c, ERROR_NOT_RUNNING, e.text);
}

static void
free_attaching(struct answer *answer)
{
	struct attaching *a = (struct attaching *)answer;

	json_decref(a->since);
	worker_unref(a->w);
	free(a);
}

static const struct answer_kind kind = {
    .ready = ready, .look = look, .leave = leave, .free = free_attaching};

/* One instance; else an error was answered, *rc is of that. */
static struct worker *
find(struct call *c, const char *name, int *rc)
{
	char id[WORKER_ID_SIZE], why[128];
	struct worker *w = NULL;

	if (worker_id_complete(name, id) == 0)
		w = roster_by_id(&c->sup->roster, id);
	if (w == NULL || w->conf->as_floor != NULL) {
		*rc = call_fail(c, ERROR_NO_SUCH_WORKER, name);
		return NULL;
	}
	if (strchr(name, ':') != NULL || w->conf->numprocs == 1)
		return w;
	snprintf(why, sizeof(why), "'%s' is %d workers, name one of them: %s",
	    name, w->conf->numprocs, w->conf->name);
	*rc = call_fail(c, ERROR_REFUSED, why);
	return NULL;
}

static int
verb_attach(struct call *c)
{
	const char *name =
	    json_string_value(json_object_get(c->parameters, "name"));
	json_int_t after =
	    json_integer_value(json_object_get(c->parameters, "after"));
	struct attaching *a;
	struct worker *w;
	int rc;

	if (call_bad_cursor(c))
		return call_fail(c, ERROR_INVALID_PARAMETER, "since");
	if (after < 0)
		return call_fail(c, ERROR_INVALID_PARAMETER, "after");
	w = find(c, name, &rc);
	if (w == NULL)
		return rc;
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return call_no_memory(c);
	a->answer.kind = &kind;
	a->sup = c->sup;
	a->w = w;
	a->since = json_incref(json_object_get(c->parameters, "since"));
	a->after = (uint64_t)after;
	worker_ref(w);
	return call_answer_later(c, &a->answer);
}

const struct verb verbs_attach[] = {
    {"Attach", ACCESS_ACT, "name: string, since: ?[]string, after: ?int",
	"name: string, pid: int, generation: int, input: string, "
	"ended: ?string",
	verb_attach,
	"With `upgrade`: the connection becomes one worker's standard input\n"
	"# and output. Answered once it runs, as another generation than "
	"after;\n"
	"# input is tty, pipe or none, ended how the last life did. Then come\n"
	"# frames, both ways: a type (1 byte), 0, the length of the data (2\n"
	"# bytes, little-endian), the data. To svd: `i` input, `w` rows and\n"
	"# columns of the terminal (2 bytes each). From svd: `o` stdout and "
	"`r`\n"
	"# stderr (a cursor, NUL, bytes), behind those of since or from now "
	"on;\n"
	"# `g` some output before what follows is not kept any more; `a` so "
	"many\n"
	"# bytes (2) of input have gone to the worker; `x` its process has "
	"ended."},
    {0},
};
