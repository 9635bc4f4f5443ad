/* verbs_dump: what workers are about, one after the other; see call.h. */
#include <stdlib.h>

#include "ipc/json_text.h"
#include "ipc/varlink.h"
#include "supervisor/call.h"
#include "supervisor/control.h"
#include "supervisor/dump.h"
#include "supervisor/pick.h"

#define EACH_MS 10000 /* that one may take */

struct dumping {
	struct answer answer;
	struct supervisor *sup;
	struct worker **list; /* references */
	size_t n, at;
	int64_t until;     /* 0: no more than each may take */
	struct dump *dump; /* of list[at]; NULL: there is none, as why says */
	struct err why;
};

const char dump_types[] =
    "# What an instance's processes are about, as lines of text; or why that\n"
    "# could not be found out: error. cut_off: why the text is not whole.\n"
    "type Diagnosis (name: string, pid: int, text: ?string, cut_off: ?string,\n"
    "  error: ?string)\n";

static void
done_cb(void *arg)
{
	struct dumping *d = arg;

	control_wake(d->sup->control);
}

static void
begin(struct dumping *d)
{
	struct worker *w = d->list[d->at];
	int64_t ms = EACH_MS, left = d->until - loop_now(w->sup->loop);

	if (d->until != 0 && left < ms)
		ms = left > 0 ? left : 0;
	d->dump = dump_begin(w, ms, done_cb, d, &d->why);
}

static int
is_ready(const struct answer *answer)
{
	const struct dumping *d = (const struct dumping *)answer;

	return d->dump == NULL || dump_over(d->dump);
}

static int
write_one(const struct dumping *d, struct buf *out)
{
	const struct worker *w = d->list[d->at];
	int has = d->dump != NULL;

	return json_text_string(out, "{\"name\":", w->conf->name) == -1 ||
	               json_text_int(out, ",\"pid\":", w->rec.pid) == -1 ||
	               json_text_string(out,
			   ",\"text\":", has ? dump_text(d->dump) : NULL) ==
	                   -1 ||
	               json_text_string(out,
			   ",\"cut_off\":", has ? dump_cut(d->dump) : NULL) ==
	                   -1 ||
	               json_text_string(
			   out, ",\"error\":", has ? NULL : d->why.text) == -1
	           ? -1
	           : buf_adds(out, "}");
}

static enum answer_written
write_next(struct answer *answer, struct buf *out)
{
	struct dumping *d = (struct dumping *)answer;

	if (d->at == 0 && (varlink_begin_reply(out) == -1 ||
			      buf_adds(out, "\"dumps\":[") == -1))
		return ANSWER_FAILED;
	if ((d->at > 0 && buf_adds(out, ",") == -1) || write_one(d, out) == -1)
		return ANSWER_FAILED;
	dump_free(d->dump);
	d->dump = NULL;
	if (++d->at < d->n) {
		begin(d);
		return ANSWER_MORE;
	}
	return buf_adds(out, "]") == -1 || varlink_end(out) == -1
	           ? ANSWER_FAILED
	           : ANSWER_LAST;
}

static void
free_dumping(struct answer *answer)
{
	struct dumping *d = (struct dumping *)answer;
	size_t i;

	dump_free(d->dump);
	for (i = 0; i < d->n; i++)
		worker_unref(d->list[i]);
	free(d->list);
	free(d);
}

static const struct answer_kind kind = {
    .ready = is_ready, .write = write_next, .free = free_dumping};

static void
count_cb(struct worker *w, void *arg)
{
	(void)w;
	++*(size_t *)arg;
}

static void
add_cb(struct worker *w, void *arg)
{
	struct dumping *d = arg;

	worker_ref(w);
	d->list[d->n++] = w;
}

/* Of a floor's two slots the one that has a process, or both. */
static void
add_slot_cb(struct worker *slot, void *arg)
{
	if (slot->rec.pid != 0)
		add_cb(slot, arg);
}

/* NULL: no memory. */
static struct dumping *
dumping_new(struct call *c, const json_t *pick)
{
	double s = json_number_value(json_object_get(c->parameters, "timeout"));
	struct dumping *d = calloc(1, sizeof(*d));
	size_t n = 1;

	pick_each(c->sup, pick, count_cb, &n);
	pick_each_slot(c->sup, pick, count_cb, &n);
	if (d == NULL ||
	    (d->list = calloc(n, sizeof(struct worker *))) == NULL) {
		free(d);
		return NULL;
	}
	d->answer.kind = &kind;
	d->sup = c->sup;
	if (s > 0. && s < 1e9)
		d->until = loop_now(c->sup->loop) + (int64_t)(s * 1000.);
	pick_each(c->sup, pick, add_cb, d);
	pick_each_slot(c->sup, pick, add_slot_cb, d);
	return d;
}

static int
verb_dump(struct call *c)
{
	struct dumping *d;
	json_t *pick;
	int rc;

	if (call_names_nobody(c))
		return call_fail(c, ERROR_INVALID_PARAMETER, "names");
	if (call_check_names_or_floors(c, &pick, &rc) == -1)
		return rc;
	d = dumping_new(c, pick);
	json_decref(pick);
	if (d == NULL)
		return call_no_memory(c);
	if (d->n == 0) {
		free_dumping(&d->answer);
		return call_reply(c, json_pack("{s:[]}", "dumps"));
	}
	begin(d);
	return call_answer_later(c, &d->answer);
}

const struct verb verbs_dump[] = {
    {"Dump", ACCESS_ACT, "names: []string, timeout: ?float",
	"dumps: []Diagnosis", verb_dump,
	"Looks into the processes of workers, and of floors (floor:NAME):\n"
	"# threads, stacks, descriptors. timeout is seconds, for all of them;\n"
	"# what is known by then is what is told."},
    {0},
};
