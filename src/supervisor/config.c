/* config: see config.h. */
#include "supervisor/config.h"

#include <stdlib.h>

#include "conf/conf.h"
#include "conf/source.h"
#include "ipc/json_text.h"
#include "ipc/varlink.h"
#include "supervisor/call.h"
#include "supervisor/pick.h"

/* For each piece the fleet is loaded anew: what a load has at hand while it
 * puts a worker together is too much to keep for thousands of them. This many
 * bytes take about as long as the load of a fleet so large. */
#define PIECE_BYTES (512 << 10)

struct config {
	struct answer answer;
	struct supervisor *sup;
	struct sources *src;
	json_t *pick;
	int masked;
	int begun;
	size_t looked_at; /* workers, told or not */
	size_t told;      /* workers */
	/* Of the piece that is being made. */
	struct buf *out;
	size_t enough; /* out's length is then */
	size_t at;     /* the next worker */
	int nvalues;   /* in the list that is open */
	int failed;    /* no memory */
};

static void
note(struct config *c, int rc)
{
	if (rc == -1)
		c->failed = 1;
}

/* The list of [fleet]'s values stays open until a worker, or the end, comes;
 * and so does a worker's. */
static int
wants_fleet(struct config *c)
{
	if (c->begun)
		return 0;
	c->begun = 1;
	note(c, varlink_begin_reply(c->out));
	note(c, buf_adds(c->out, "\"fleet\":["));
	return 1;
}

static int
config_wants(const struct worker_conf *w, void *arg)
{
	struct config *c = arg;
	char id[WORKER_ID_SIZE];

	c->nvalues = 0;
	if (w == NULL)
		return wants_fleet(c);
	if (c->at++ != c->looked_at || c->out->len >= c->enough)
		return 0;
	c->looked_at++;
	/* A floor's slots say the same. */
	if (w->as_floor != NULL && w->instance != 0)
		return 0;
	worker_conf_id(w, id);
	if (!pick_has(c->pick, w->name, w->group_name, id))
		return 0;
	note(c,
	    json_text_string(c->out,
		c->told++ == 0 ? "],\"workers\":[{\"name\":" : "]},{\"name\":",
		w->name));
	note(c, buf_adds(c->out, ",\"values\":["));
	return 1;
}

static int
add_value(struct config *c, const char *text)
{
	static const char key[] = ",\"value\":";

	/* A value that is empty is not one that there is not. */
	if (text != NULL && *text == '\0')
		return buf_adds(c->out, key) == -1 ? -1
		                                   : buf_adds(c->out, "\"\"");
	return json_text_string(c->out, key, text);
}

static int
config_value(const struct conf_value *v, void *arg)
{
	struct config *c = arg;

	if (json_text_string(c->out,
		c->nvalues++ == 0 ? "{\"key\":" : ",{\"key\":", v->key) == -1 ||
	    add_value(c, v->text) == -1 ||
	    json_text_string(c->out, ",\"origin\":", v->origin) == -1)
		return -1;
	return buf_adds(c->out, "}");
}

/* What f has is told up to its end. */
static enum answer_written
end(struct config *c)
{
	note(c, buf_adds(c->out, c->told == 0 ? "],\"workers\":[]" : "]}]"));
	note(c, varlink_end(c->out));
	return c->failed ? ANSWER_FAILED : ANSWER_LAST;
}

static enum answer_written
config_write(struct answer *a, struct buf *out)
{
	struct config *c = (struct config *)a;
	struct conf_sink sink = {.wants = config_wants,
	    .value = config_value,
	    .arg = c,
	    .masked = c->masked};
	struct diags d = {0};
	struct fleet f;
	size_t n;
	int rc;

	c->out = out;
	c->enough = out->len + PIECE_BYTES;
	c->at = 0;
	rc = conf_explain(&f, c->sup->fleet_path, c->src, &d, &sink);
	diags_release(&d);
	if (rc == -1)
		return ANSWER_FAILED;
	n = f.nworkers;
	fleet_release(&f);
	if (c->failed)
		return ANSWER_FAILED;
	return c->looked_at == n ? end(c) : ANSWER_MORE;
}

static int
config_ready(const struct answer *a)
{
	(void)a;
	return 1;
}

static void
config_free(struct answer *a)
{
	struct config *c = (struct config *)a;

	sources_free(c->src);
	json_decref(c->pick);
	free(c);
}

static const struct answer_kind config_kind = {
    .ready = config_ready,
    .write = config_write,
    .free = config_free,
};

int
config_answer(struct call *c, struct sources *src, json_t *pick)
{
	struct config *a = malloc(sizeof(*a));

	if (a == NULL) {
		sources_free(src);
		return call_no_memory(c);
	}
	*a = (struct config){.answer.kind = &config_kind,
	    .sup = c->sup,
	    .src = src,
	    .pick = json_incref(pick),
	    .masked = c->access < ACCESS_ACT};
	return call_answer_later(c, &a->answer);
}
