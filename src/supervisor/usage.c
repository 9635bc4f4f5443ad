/* usage: see usage.h. */
#include "supervisor/usage.h"

#include <stdlib.h>

#include "ipc/json_text.h"
#include "ipc/varlink.h"
#include "supervisor/call.h"
#include "supervisor/control.h"
#include "supervisor/measure.h"
#include "supervisor/pick.h"
#include "supervisor/view.h"
#include "supervisor/view_floors.h"

struct usage {
	struct answer answer;
	struct supervisor *sup;
	json_t *pick;
	struct measure *measure;
};

static int
usage_ready(const struct answer *a)
{
	return measure_done(((const struct usage *)a)->measure);
}

/* A pid that the worker still has is still the process that was measured. */
static int
add_usage(struct worker *w, struct buf *out, void *arg)
{
	floor_judge_private(w, arg);
	if (json_text_string(out, ",\"status\":", w->rec.status) == -1)
		return -1;
	return view_memory(arg, w->rec.pid, out);
}

static enum answer_written
usage_write(struct answer *a, struct buf *out)
{
	struct usage *u = (struct usage *)a;

	if (varlink_begin_reply(out) == -1 ||
	    view_status(u->sup, u->pick, add_usage, u->measure, out) == -1 ||
	    varlink_end(out) == -1)
		return ANSWER_FAILED;
	return ANSWER_LAST;
}

static void
usage_free(struct answer *a)
{
	struct usage *u = (struct usage *)a;

	measure_free(u->measure);
	json_decref(u->pick);
	free(u);
}

static const struct answer_kind usage_kind = {
    .ready = usage_ready,
    .write = usage_write,
    .free = usage_free,
};

static void
measured_cb(void *arg)
{
	struct usage *u = arg;

	control_wake(u->sup->control);
}

struct pids {
	int *list;
	size_t n;
};

static void
pid_cb(struct worker *w, void *arg)
{
	struct pids *p = arg;

	if (w->rec.pid != 0)
		p->list[p->n++] = w->rec.pid;
}

int
usage_answer(struct call *c, json_t *pick)
{
	struct usage *u = calloc(1, sizeof(*u));
	struct pids pids = {calloc(c->sup->roster.n + 1, sizeof(int)), 0};
	struct err e;

	if (u == NULL || pids.list == NULL) {
		free(u);
		free(pids.list);
		return call_no_memory(c);
	}
	pick_each(c->sup, pick, pid_cb, &pids);
	u->measure = measure_new(c->sup, pids.list, pids.n, measured_cb, u, &e);
	free(pids.list);
	if (u->measure == NULL) {
		free(u);
		return call_fail(c, ERROR_FAILED, e.text);
	}
	u->answer.kind = &usage_kind;
	u->sup = c->sup;
	u->pick = json_incref(pick);
	return call_answer_later(c, &u->answer);
}
