/* verbs_logs: what workers wrote; see call.h. The logger has it, so the whole
 * connection goes there; it comes back once the call is answered. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/call.h"
#include "supervisor/output.h"
#include "supervisor/pick.h"

#define WHY_NOT_SIZE 128

struct handing_over {
	struct answer answer;
	struct supervisor *sup;
	char *parameters; /* JSON */
};

static int
leave(struct answer *a, int fd, const char *unread, size_t unread_len,
    struct buf *out)
{
	struct handing_over *h = (struct handing_over *)a;
	struct call c = {.out = out};
	struct pl_msg m = {.type = PL_LOGS,
	    .text = h->parameters,
	    .data = unread,
	    .data_len = unread_len};
	struct err e;

	if (output_send_client(h->sup, &m, &fd, 1, &e) == 0)
		return 1;
	return call_fail(&c, ERROR_FAILED, e.text);
}

static void
free_handing_over(struct answer *a)
{
	struct handing_over *h = (struct handing_over *)a;

	free(h->parameters);
	free(h);
}

/* At once. */
static int
ready(const struct answer *a)
{
	(void)a;
	return 1;
}

static const struct answer_kind kind = {
    .ready = ready, .leave = leave, .free = free_handing_over};

/* What is captured under one name. */
struct captured {
	int any;
	char why_not[WHY_NOT_SIZE]; /* where nothing is */
};

static void
look_cb(struct worker *w, void *arg)
{
	struct captured *c = arg;
	const struct worker_conf *conf = w->conf;

	if (worker_output(conf, OUTPUT_OUT) != NULL ||
	    worker_output(conf, OUTPUT_ERR) != NULL)
		c->any = 1;
	snprintf(c->why_not, sizeof(c->why_not),
	    "the output of '%s' is not kept: stdout is %s, stderr is %s",
	    conf->name, stream_kind_name(conf->std_out.kind),
	    stream_kind_name(conf->std_err.kind));
}

/* Some output for each name; else an error was answered. */
static int
check_captured(struct call *c, const json_t *names, int *rc)
{
	struct captured captured;
	json_t *name, *one, *pick;
	size_t i;

	json_array_foreach (names, i, name) {
		captured = (struct captured){.any = 0};
		one = json_pack("[O]", name);
		pick = pick_new(one);
		json_decref(one);
		if (pick == NULL) {
			*rc = call_no_memory(c);
			return -1;
		}
		pick_each(c->sup, pick, look_cb, &captured);
		pick_each_slot(c->sup, pick, look_cb, &captured);
		json_decref(pick);
		if (captured.any)
			continue;
		*rc = call_fail(c, ERROR_FAILED, captured.why_not);
		return -1;
	}
	return 0;
}

/* The name of one that is wrong, or NULL. */
static const char *
bad_parameter(const struct call *c)
{
	if (call_names_nobody(c))
		return "names";
	if (json_integer_value(json_object_get(c->parameters, "lines")) < 0)
		return "lines";
	return call_bad_cursor(c) ? "since" : NULL;
}

static int
verb_logs(struct call *c)
{
	const char *bad = bad_parameter(c);
	struct handing_over *h;
	json_t *pick, *p;
	int rc;

	if (!c->more)
		return call_fail(c, ERROR_EXPECTED_MORE, NULL);
	if (bad != NULL)
		return call_fail(c, ERROR_INVALID_PARAMETER, bad);
	if (call_check_names_or_floors(c, &pick, &rc) == -1)
		return rc;
	json_decref(pick);
	if (check_captured(c, json_object_get(c->parameters, "names"), &rc) ==
	    -1)
		return rc;
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		return call_no_memory(c);
	h->answer.kind = &kind;
	h->sup = c->sup;
	p = json_copy(c->parameters);
	json_object_set_new(p, "table", json_integer(output_table(c->sup)));
	h->parameters = p == NULL ? NULL : json_dumps(p, JSON_COMPACT);
	json_decref(p);
	if (h->parameters == NULL) {
		free(h);
		return call_no_memory(c);
	}
	return call_answer_later(c, &h->answer);
}

const struct verb verbs_logs[] = {
    {"Logs", ACCESS_READ,
	"names: []string, lines: ?int, follow: ?bool, since: ?[]string",
	"name: ?string, stream: ?string, cursor: ?string, line: ?string, "
	"data: ?string, gap: ?bool",
	verb_logs,
	"With `more`: the last lines (10) that workers wrote, a reply each, "
	"or\n"
	"# those behind the cursors of an earlier call, in the order in which "
	"svd\n"
	"# took them; with follow, what comes then too. stream is stdout or\n"
	"# stderr, data has base64 of a line that is not UTF-8; gap: some "
	"before\n"
	"# it are not kept any more. With follow, an output without a line so "
	"far\n"
	"# is told of by its cursor alone. The last reply has nothing."},
    {0},
};
