/* verbs_channel: what is asked of workers by their channels; see call.h. */
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/sys.h"
#include "ipc/json_scan.h"
#include "ipc/value.h"
#include "ipc/varlink.h"
#include "supervisor/call.h"
#include "supervisor/channel.h"
#include "supervisor/control.h"
#include "supervisor/idl.h"
#include "supervisor/pick.h"
#include "supervisor/view.h"

#define VALUE_MAX VARLINK_CALL_MAX /* bytes, of a value in a message */

struct asking {
	struct answer answer;
	struct request request;
	struct supervisor *sup;
	struct worker *worker; /* a reference */
	int has_value;         /* in its answer */
	int large;             /* the client takes a value in a descriptor */
};

/* How a verb becomes a frame. */
struct way {
	enum frame_type type;
	const char *name;  /* the parameter that is the frame's name, or NULL */
	const char *value; /* that is text; NULL: it is JSON, `value` */
	int may_lack;      /* there need be no value */
	int has_value;
};

/* --- the answer --- */

static void
done(struct request *r, int now)
{
	struct asking *a =
	    (struct asking *)((char *)r - offsetof(struct asking, request));

	if (now)
		control_answer(&a->answer);
	else
		control_wake(a->sup->control);
}

static int
ready(const struct answer *answer)
{
	return ((const struct asking *)answer)->request.state >= REQUEST_RESULT;
}

static int
write_value(struct buf *out, const char *text, size_t len)
{
	return varlink_begin_reply(out) == -1 ||
	               buf_adds(out, "\"value\":") == -1 ||
	               buf_add(out, text, len) == -1 || varlink_end(out) == -1
	           ? -1
	           : 0;
}

static int
write_large(struct asking *a, struct call *c)
{
	struct request *r = &a->request;
	struct buf text = {0};
	struct err e;
	int rc;

	if (a->large) {
		rc = varlink_write_reply(
		    c->out, json_pack("{s:I}", "bytes", value_size(r->memfd)));
		a->answer.gives = r->memfd;
		r->memfd = -1;
		return rc;
	}
	rc = value_read(r->memfd, VALUE_MAX, &text, &e);
	if (rc == 0 && !json_scan_is_value(text.data, text.len))
		rc = err_set(&e, "its answer is not JSON");
	rc = rc == -1 ? call_fail(c, ERROR_FAILED, e.text)
	              : write_value(c->out, text.data, text.len);
	buf_release(&text);
	return rc;
}

static int
write_result(struct asking *a, struct call *c)
{
	struct request *r = &a->request;

	if (!a->has_value)
		return varlink_write_reply(c->out, json_object());
	if (r->memfd != -1)
		return write_large(a, c);
	return write_value(c->out, r->answer.data, r->answer.len);
}

static int
write_exception(struct asking *a, struct call *c)
{
	const struct buf *b = &a->request.answer;
	json_t *what = json_loadb(b->data, b->len, 0, NULL);
	char bad[64];

	if (what != NULL && idl_check(call_errors[ERROR_WORKER_EXCEPTION].in,
				what, bad, sizeof(bad)) == 0)
		return call_fail_with(c, ERROR_WORKER_EXCEPTION, what);
	json_decref(what);
	return call_fail(c, ERROR_FAILED,
	    "it has told of an exception in a form that is not known");
}

static int
write_death(struct asking *a, struct call *c)
{
	struct buf text = {0};
	json_t *exit = NULL;

	if (view_exit(&a->request.death, &text) == 0)
		exit = json_loadb(text.data, text.len, JSON_DECODE_ANY, NULL);
	buf_release(&text);
	return call_fail_with(c, ERROR_WORKER_DIED,
	    json_pack(
		"{s:s, s:o}", "name", a->worker->conf->name, "exit", exit));
}

static enum answer_written
write_answer(struct answer *answer, struct buf *out)
{
	struct asking *a = (struct asking *)answer;
	struct call c = {.sup = a->sup, .out = out};
	int rc;

	switch (a->request.state) {
	case REQUEST_RESULT:
		rc = write_result(a, &c);
		break;
	case REQUEST_EXCEPTION:
		rc = write_exception(a, &c);
		break;
	case REQUEST_TIMED_OUT:
		rc = call_fail(&c, ERROR_TIMED_OUT, a->worker->conf->name);
		break;
	case REQUEST_DIED:
		rc = write_death(a, &c);
		break;
	default:
		rc = call_fail(&c, ERROR_FAILED, a->request.reason);
	}
	return rc == -1 ? ANSWER_FAILED : ANSWER_LAST;
}

static void
free_answer(struct answer *answer)
{
	struct asking *a = (struct asking *)answer;

	request_release(&a->request);
	worker_unref(a->worker);
	free(a);
}

static const struct answer_kind kind = {
    .ready = ready, .write = write_answer, .free = free_answer};

/* --- the question --- */

struct found {
	struct worker *worker;
	size_t n;
};

static void
found_cb(struct worker *w, void *arg)
{
	struct found *f = arg;

	f->worker = w;
	f->n++;
}

/* The one instance that `name` names. NULL: an error was answered. */
static struct worker *
find_worker(struct call *c, int *rc)
{
	const json_t *name = json_object_get(c->parameters, "name");
	struct found f = {.n = 0};
	json_t *names = json_pack("[O]", name), *pick = pick_new(names);

	if (pick != NULL)
		pick_each(c->sup, pick, found_cb, &f);
	json_decref(pick);
	json_decref(names);
	if (f.n == 1)
		return f.worker;
	*rc = f.n == 0
	          ? call_fail(c, ERROR_NO_SUCH_WORKER, json_string_value(name))
	          : call_fail(c, ERROR_REFUSED,
			"one instance can be asked, not several");
	return NULL;
}

static int
is_true(const struct call *c, const char *key)
{
	return json_is_true(json_object_get(c->parameters, key));
}

/* It was asked of a process that is no more. */
static int
has_died_since(const struct call *c, const struct worker *w)
{
	const json_t *called = json_object_get(c->parameters, "called");

	return is_true(c, "again") && json_is_integer(called) &&
	       w->rec.last.at >= json_integer_value(called);
}

/* Whose bytes are had by a descriptor. -1: *e. */
static int
take_given(int *given, struct request *r, struct buf *text, struct frame *f,
    struct err *e)
{
	int64_t size = value_size(*given);

	if (size == -1 || size > FRAME_VALUE_MAX)
		return err_set(e, "the descriptor is no sealed memfd");
	if (size <= FRAME_INLINE_MAX) {
		if (value_read(*given, FRAME_INLINE_MAX, text, e) == -1)
			return -1;
		f->value = text->data;
		f->value_len = text->len;
		return 0;
	}
	r->given = *given;
	*given = -1;
	f->value_len = (size_t)size;
	return 0;
}

/* The frame's value, from wherever it is. What is taken is in r and text. -1:
 * an error was answered. */
static int
take_value(struct call *c, const struct way *way, struct request *r,
    struct buf *text, struct frame *f, int *rc)
{
	const json_t *value = json_object_get(
	    c->parameters, way->value == NULL ? "" : way->value);
	struct err e;
	int failed = 0;

	f->value = way->value == NULL ? c->extra->value.data
	                              : json_string_value(value);
	f->value_len = way->value == NULL ? c->extra->value.len
	                                  : json_string_length(value);
	if (*c->extra->given != -1)
		failed = take_given(c->extra->given, r, text, f, &e);
	else if (f->value_len > FRAME_INLINE_MAX) {
		r->given = value_make(f->value, f->value_len, &e);
		failed = r->given == -1;
	} else if (f->value == NULL && !way->may_lack)
		failed = err_set(&e, "there is no value");
	if (failed)
		*rc = call_fail(c, ERROR_REFUSED, e.text);
	f->flags = r->given == -1 ? 0 : FRAME_IN_MEMFD;
	return failed ? -1 : 0;
}

static uint64_t
id_of(const struct call *c)
{
	const json_t *id = json_object_get(c->parameters, "id");

	return json_is_integer(id) ? (uint64_t)json_integer_value(id)
	                           : sys_random();
}

static int64_t
timeout_of(const struct call *c)
{
	double s = json_number_value(json_object_get(c->parameters, "timeout"));

	/* Of a time that is over nothing is left but the answer. */
	return s > 1e9 || s == 0. ? 0 : s < .001 ? 1 : (int64_t)(s * 1000.);
}

/* NULL: no memory. */
static struct asking *
asking_new(struct call *c, const struct way *way, struct worker *w)
{
	struct asking *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->answer.kind = &kind;
	a->sup = c->sup;
	a->worker = w;
	worker_ref(w);
	a->has_value = way->has_value;
	a->large = is_true(c, "large");
	request_init(&a->request, c->sup, id_of(c), done);
	return a;
}

static int
ask(struct call *c, const struct way *way, struct worker *w)
{
	const json_t *name =
	    json_object_get(c->parameters, way->name == NULL ? "" : way->name);
	struct frame f = {.type = way->type,
	    .name = json_string_value(name),
	    .name_len = json_string_length(name)};
	struct asking *a = asking_new(c, way, w);
	struct buf text = {0};
	int rc;

	if (a == NULL)
		return call_no_memory(c);
	if (f.name_len > FRAME_NAME_MAX) {
		free_answer(&a->answer);
		return call_fail(c, ERROR_INVALID_PARAMETER, way->name);
	}
	if (take_value(c, way, &a->request, &text, &f, &rc) == -1)
		free_answer(&a->answer);
	else if (has_died_since(c, w)) {
		a->request.death = w->rec.last;
		a->request.state = REQUEST_DIED;
		rc = call_answer_later(c, &a->answer);
	} else {
		request_ask(&a->request, w, &f, timeout_of(c));
		rc = call_answer_later(c, &a->answer);
	}
	buf_release(&text);
	return rc;
}

static int
verb(struct call *c, const struct way *way)
{
	struct worker *w;
	int rc = 0;

	if ((w = find_worker(c, &rc)) == NULL)
		return rc;
	if (has_died_since(c, w))
		return ask(c, way, w);
	if (w->conf->channel == CHANNEL_NONE && w->channel == NULL)
		return call_fail(c, ERROR_REFUSED,
		    "it has no channel: its section has no 'channel = rpc'");
	if (w->rec.pid == 0)
		return call_fail(
		    c, ERROR_NOT_RUNNING, worker_state_name(w->rec.state));
	if (w->channel == NULL)
		return call_fail(c, ERROR_FAILED, "its channel has ended");
	return ask(c, way, w);
}

static int
verb_run(struct call *c)
{
	static const struct way way = {.type = FRAME_RUN, .value = "code"};

	return verb(c, &way);
}

static int
verb_call(struct call *c)
{
	static const struct way way = {.type = FRAME_CALL,
	    .name = "method",
	    .may_lack = 1,
	    .has_value = 1};

	return verb(c, &way);
}

static int
verb_store(struct call *c)
{
	static const struct way way = {.type = FRAME_STORE, .name = "key"};

	return verb(c, &way);
}

static int
verb_load(struct call *c)
{
	static const struct way way = {
	    .type = FRAME_LOAD, .value = "expression", .has_value = 1};

	return verb(c, &way);
}

int
channel_ping(struct call *c)
{
	static const struct way way = {.type = FRAME_PING, .may_lack = 1};

	return c->access < ACCESS_ASK
	           ? call_fail(c, ERROR_PERMISSION_DENIED, NULL)
	           : verb(c, &way);
}

const struct verb verbs_channel[] = {
    {"Run", ACCESS_ASK, "name: string, code: ?string, " CALL_ASKED, "",
	verb_run,
	"Code for one worker with `channel = rpc`. What is too long for a\n"
	"# message, here and below, may come in a sealed memfd instead, "
	"passed\n"
	"# along. timeout is seconds. A call that is lost with its connection\n"
	"# may be sent again with `again`, if it had a random id, and when it\n"
	"# was first made in ms of CLOCK_MONOTONIC: it is not done twice."},
    {"Call", ACCESS_ASK,
	"name: string, method: string, value: ?object, large: "
	"?bool, " CALL_ASKED,
	"value: ?object, bytes: ?int", verb_call,
	"A method of it; value is JSON of any kind: a list is its arguments,\n"
	"# an object named ones. With large, a large value comes in a memfd:\n"
	"# then bytes says how long it is."},
    {"Store", ACCESS_ASK,
	"name: string, key: string, value: ?object, " CALL_ASKED, "",
	verb_store, "A value, under that name."},
    {"Load", ACCESS_ASK,
	"name: string, expression: ?string, large: ?bool, " CALL_ASKED,
	"value: ?object, bytes: ?int", verb_load,
	"The value of an expression. large and bytes as in Call."},
    {0},
};
