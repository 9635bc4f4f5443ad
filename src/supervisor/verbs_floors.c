/* verbs_floors: the verbs that look at floors and renew them; see call.h. */
#include <stdlib.h>
#include <string.h>

#include "ipc/varlink.h"
#include "supervisor/call.h"
#include "supervisor/control.h"
#include "supervisor/floor.h"
#include "supervisor/view_floors.h"

#define PREFIX "floor:"

/* Answers Floors once all that it tells of is measured. */
struct floors {
	struct answer answer;
	struct supervisor *sup;
	int is_long;
	struct measure *measure;
};

static int
floors_ready(const struct answer *a)
{
	return measure_done(((const struct floors *)a)->measure);
}

static int
write_rows(const struct floors *a, const struct floor_rows *rows, struct buf *b)
{
	size_t i;

	if (varlink_begin_reply(b) == -1 || buf_adds(b, "\"floors\":[") == -1)
		return -1;
	for (i = 0; i < rows->n; i++)
		if ((i > 0 && buf_adds(b, ",") == -1) ||
		    view_floor(a->sup, &rows->list[i], a->measure, a->is_long,
			b) == -1)
			return -1;
	return buf_adds(b, "]") == -1 ? -1 : varlink_end(b);
}

static enum answer_written
floors_write(struct answer *a, struct buf *out)
{
	const struct floors *floors = (struct floors *)a;
	struct floor_rows rows = {0};
	int rc = -1;

	if (floor_rows_make(floors->sup, &rows) == 0)
		rc = write_rows(floors, &rows, out);
	floor_rows_release(&rows);
	return rc == -1 ? ANSWER_FAILED : ANSWER_LAST;
}

static void
floors_free(struct answer *a)
{
	struct floors *floors = (struct floors *)a;

	measure_free(floors->measure);
	free(floors);
}

static const struct answer_kind floors_kind = {
    .ready = floors_ready,
    .write = floors_write,
    .free = floors_free,
};

static void
measured_cb(void *arg)
{
	struct floors *floors = arg;

	control_wake(floors->sup->control);
}

/* The processes of floors; for is_long also of the workers on them. Returns how
 * many. */
static size_t
find_pids(const struct supervisor *s, int is_long, int *pids)
{
	const struct worker_conf *c;
	struct worker *w;
	size_t i, n = 0;

	ROSTER_EACH (&s->roster, i, w) {
		c = w->conf;
		if (w->rec.pid != 0 &&
		    (c->as_floor != NULL || (is_long && c->floor != NULL)))
			pids[n++] = w->rec.pid;
	}
	return n;
}

static int
verb_floors(struct call *c)
{
	struct floors *a = calloc(1, sizeof(*a));
	int *pids = calloc(c->sup->roster.n + 1, sizeof(*pids));
	struct err e;
	size_t n;

	if (a == NULL || pids == NULL) {
		free(a);
		free(pids);
		return call_no_memory(c);
	}
	a->answer.kind = &floors_kind;
	a->sup = c->sup;
	a->is_long = json_is_true(json_object_get(c->parameters, "long"));
	n = find_pids(c->sup, a->is_long, pids);
	a->measure = measure_new(c->sup, pids, n, measured_cb, a, &e);
	free(pids);
	if (a->measure == NULL) {
		free(a);
		return call_fail(c, ERROR_FAILED, e.text);
	}
	return call_answer_later(c, &a->answer);
}

/* The same call once more, whose caller has lost the supervisor that obeyed it
 * (see is_obeyed() in verbs_act.c). */
static int
is_renewed(const struct call *c, const struct floor *f)
{
	const json_t *before = json_object_get(c->parameters, "generation");

	return json_is_integer(before) &&
	       json_integer_value(before) <
	           (json_int_t)floor_newest(f)->rec.generation;
}

/* It is on its way, and o waits for its end. Takes o. */
static int
renew(struct call *c, struct floor *f, struct outcome *o)
{
	struct worker *slot =
	    is_renewed(c, f) ? floor_newest(f) : floor_renew(f);

	o->extra =
	    json_pack("{s:I}", "generation", (json_int_t)slot->rec.generation);
	if (o->extra == NULL || outcome_add(o, slot) == -1) {
		outcome_free(o);
		return call_no_memory(c);
	}
	outcome_begin(o);
	return call_answer_outcome(c, o);
}

static int
verb_refloor(struct call *c)
{
	const char *name =
	    json_string_value(json_object_get(c->parameters, "floor"));
	struct floor *f;
	struct outcome *o;

	/* As it is called in the log, and as `logs` and `why` call it. */
	if (strncmp(name, PREFIX, strlen(PREFIX)) == 0)
		name += strlen(PREFIX);
	f = floor_find(c->sup, name);
	if (f == NULL)
		return call_fail(c, ERROR_NO_SUCH_FLOOR, name);
	if (c->sup->stopping)
		return call_fail(
		    c, ERROR_REFUSED, "the fleet is shutting down");
	if (floor_newest(f)->snapshot != 0)
		return call_fail(c, ERROR_REFUSED,
		    "the floor is on its way out of the fleet");
	o = outcome_new(OUTCOME_ROLLED);
	return o == NULL ? call_no_memory(c) : renew(c, f, o);
}

const struct verb verbs_floors[] = {
    {"Floors", ACCESS_READ, "long: ?bool", "floors: []Floor", verb_floors,
	"All floors, in the order of the file."},
    {"Refloor", ACCESS_ACT, "floor: string, wait: ?bool, generation: ?int",
	"generation: int, results: []Result", verb_refloor,
	"Loads another generation of it; once that serves, its workers are\n"
	"# replaced, one after the other, and the floor's name is the one "
	"result.\n"
	"# If it cannot be loaded the old one goes on; if a worker does not "
	"run\n"
	"# on it, the rest stay where they are. generation, the newest before "
	"the\n"
	"# call was first sent: who sends it again loads it once."},
    {0},
};
