/* reload: see reload.h. */
#include "supervisor/reload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/sys.h"
#include "supervisor/events.h"
#include "supervisor/recycle.h"
#include "supervisor/supervisor.h"
#include "supervisor/trace.h"

static int
fail(struct reload *r, const char *text)
{
	diags_add(&r->diags, 1, r->sup->fleet_path, 0, "%s", text);
	return -1;
}

static int
no_memory(struct reload *r)
{
	return fail(r, "out of memory");
}

static int
same_text(const char *a, const char *b)
{
	return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

/* Its sockets and files have these names. */
static int
check_fleet(struct reload *r)
{
	const struct fleet *was = &r->sup->fleet;
	struct err e;

	if (strcmp(was->name, r->next.name) != 0) {
		err_set(&e,
		    "the fleet's name is '%s': it cannot become '%s' while it "
		    "runs",
		    was->name, r->next.name);
		return fail(r, e.text);
	}
	if (!same_text(was->runtime_dir, r->next.runtime_dir))
		return fail(
		    r, "runtime_dir cannot change while the fleet runs");
	return 0;
}

/* The stanzas in force. To be freed; NULL: no memory. */
static const struct worker_conf **
present_confs(const struct supervisor *s, size_t *n)
{
	const struct worker_conf **confs;
	struct worker *w;
	size_t i;

	*n = 0;
	confs = calloc(s->roster.n + 1, sizeof(struct worker_conf *));
	if (confs == NULL)
		return NULL;
	ROSTER_EACH (&s->roster, i, w)
		if (w->snapshot == 0)
			confs[(*n)++] = w->conf;
	return confs;
}

static int
note_fixed(
    const struct conf_key *key, const char *was, const char *is, void *arg)
{
	(void)was;
	(void)is;
	if (!key->live)
		*(int *)arg = 1;
	return 0;
}

int
reload_load(struct reload *r, struct supervisor *s, struct sources *src)
{
	const struct worker_conf **confs;
	size_t n;
	int rc;

	*r = (struct reload){.sup = s, .fd = -1};
	if (src == NULL)
		return no_memory(r);
	if (conf_load(&r->next, s->fleet_path, src, &r->diags) == -1 ||
	    check_fleet(r) == -1)
		return -1;
	if (!sources_frozen(src))
		conf_check_machine(&r->next, &r->diags);
	confs = present_confs(s, &n);
	rc = confs == NULL ? -1
	                   : plan_make(&r->plan, confs, n, r->next.workers,
				 r->next.nworkers);
	free(confs);
	if (rc == 0)
		rc = plan_fleet_changes(
		    &s->fleet, &r->next, note_fixed, &r->keep_first);
	return rc == -1 ? no_memory(r) : 0;
}

static int
make_snapshot(struct reload *r, struct sources *src)
{
	struct err e;

	r->fd = sys_memfd("svd-fleet");
	if (r->fd == -1)
		return fail(r, "cannot make a memfd");
	if (sources_save(src, r->fd, &e) == -1)
		return fail(r, e.text);
	return 0;
}

/* Whom a step is about. One that is to be added may be leaving still. */
static int
prepare_step(struct reload *r, size_t i)
{
	const struct plan_step *step = &r->plan.steps[i];
	struct supervisor *s = r->sup;
	char id[WORKER_ID_SIZE];

	worker_conf_id(step->is != NULL ? step->is : step->was, id);
	r->workers[i] = roster_by_id(&s->roster, id);
	if (step->is == NULL)
		return 0;
	/* The plan points into the list, which is ours. */
	r->confs[i] = worker_conf_take((struct worker_conf *)step->is);
	if (r->confs[i] == NULL)
		return -1;
	if (r->workers[i] != NULL)
		return 0;
	r->workers[i] = worker_new(s, r->confs[i]);
	if (r->workers[i] == NULL)
		return -1;
	r->confs[i] = NULL; /* the worker's */
	return 0;
}

int
reload_prepare(struct reload *r, struct sources *src)
{
	struct supervisor *s = r->sup;
	size_t i, n = r->plan.n;

	if (make_snapshot(r, src) == -1)
		return -1;
	r->confs = calloc(n + 1, sizeof(struct worker_conf *));
	r->workers = calloc(n + 1, sizeof(struct worker *));
	r->items = calloc(n + 1, sizeof(*r->items));
	if (r->confs == NULL || r->workers == NULL || r->items == NULL ||
	    snapshot_reserve(s) == -1 ||
	    roster_reserve(&s->roster, s->roster.n + n) == -1)
		return no_memory(r);
	for (i = 0; i < n; i++)
		if (prepare_step(r, i) == -1)
			return no_memory(r);
	return 0;
}

/* A worker stays in the roster while it leaves, behind all others. */
static void
enact_step(struct reload *r, size_t i, uint64_t number)
{
	struct supervisor *s = r->sup;
	struct worker *w = r->workers[i];

	switch (r->plan.steps[i].kind) {
	case PLAN_REMOVE:
		w->snapshot = number;
		w->place = SIZE_MAX;
		return;
	case PLAN_ADD:
		if (w->snapshot != 0)
			snapshot_leave(s, w->snapshot);
		else
			roster_add(&s->roster, w); /* there is room */
		w->snapshot = 0;
		break;
	default:
		break;
	}
	w->place = i;
	if (r->confs[i] != NULL)
		worker_take_conf(w, r->confs[i]);
	r->confs[i] = NULL;
}

static size_t
count_steps(const struct plan *p, enum plan_kind kind)
{
	size_t i, n = 0;

	for (i = 0; i < p->n; i++)
		n += p->steps[i].kind == kind;
	return n;
}

void
reload_commit(struct reload *r)
{
	struct supervisor *s = r->sup;
	uint64_t number;
	size_t i;

	if (r->keep_first)
		snapshot_keep_first(s);
	number = snapshot_replace(s, r->fd, count_steps(&r->plan, PLAN_REMOVE));
	r->fd = -1;
	for (i = 0; i < r->plan.n; i++) {
		enact_step(r, i, number);
		if (r->plan.steps[i].kind != PLAN_SAME)
			r->items[r->nitems++] = (struct reload_item){
			    r->plan.steps[i].kind, r->workers[i]};
		r->workers[i] = NULL;
	}
	log_info("the fleet file in force is another: %zu of %zu workers are "
		 "not as they were",
	    r->nitems, s->roster.n);
	roster_sort(&s->roster);
	s->fleet.on_empty = r->next.on_empty;
	s->fleet.supervisor_watchdog = r->next.supervisor_watchdog;
	supervisor_send_limits(s);
	/* On its way before anybody is told to end: the keeper passes it on
	 * before it says of whom that he has, and so before the next is born.
	 */
	output_changed(s);
	output_table(s);
	if (r->nitems > 0)
		events_fleet_changed(s);
}

void
reload_finish(struct reload *r)
{
	struct worker *w;
	size_t i;

	for (i = 0; i < r->nitems; i++) {
		w = r->items[i].worker;
		if (r->items[i].kind == PLAN_LIVE &&
		    w->rec.state == WS_RUNNING) {
			loop_timer_stop(&w->recycle);
			recycle_arm(w);
			watchdog_begin(w);
		}
		/* Once all is known of earlier lives it is asked again. */
		reload_reconcile(w);
	}
	/* What is the fleet's end may be another thing now. */
	r->sup->may_end = 1;
	supervisor_wake(r->sup);
}

void
reload_release(struct reload *r)
{
	size_t i;

	for (i = 0; i < r->plan.n; i++) {
		if (r->confs != NULL && r->confs[i] != NULL) {
			worker_conf_release(r->confs[i]);
			free(r->confs[i]);
		}
		/* One that was to be added, and is not. */
		if (r->workers != NULL && r->workers[i] != NULL &&
		    r->plan.steps[i].kind == PLAN_ADD &&
		    r->workers[i]->snapshot == 0)
			worker_free(r->workers[i]);
	}
	free(r->confs);
	free(r->workers);
	free(r->items);
	plan_release(&r->plan);
	fleet_release(&r->next);
	diags_release(&r->diags);
	fd_close(&r->fd);
}

static void
log_diags(const struct diags *d)
{
	size_t i;

	for (i = 0; i < d->n; i++)
		if (d->list[i].is_error)
			log_error("%s", d->list[i].text);
		else
			log_warn("%s", d->list[i].text);
}

void
reload_by_signal(struct supervisor *s)
{
	struct sources *src = sources_new();
	struct reload r;
	int rc;

	if (s->stopping) {
		log_warn("no reload: the fleet is shutting down");
		sources_free(src);
		return;
	}
	bulletin_reloading(s);
	rc = reload_load(&r, s, src);
	if (rc == 0)
		rc = reload_prepare(&r, src);
	log_diags(&r.diags);
	if (rc == 0) {
		reload_commit(&r);
		reload_finish(&r);
	} else
		log_error("not reloaded: the fleet stays as it was");
	reload_release(&r);
	sources_free(src);
	bulletin_reloaded(s);
}

/* One record says both, so that a successor sees neither without the other. */
static void
leave(struct worker *w)
{
	int told = w->rec.leaving;

	w->rec.leaving = 1;
	if (w->rec.want_up)
		worker_command(w, EV_STOP);
	else if (!told && worker_known(w))
		worker_record(w);
}

/* Down, and on record as that: a successor does not take it for new. */
static void
begin_down(struct worker *w)
{
	w->rec.since = loop_now(w->sup->loop);
	w->rec.since_rt = loop_realtime(w->sup->loop);
	worker_record(w);
}

static void
begin(struct worker *w)
{
	w->rec.leaving = 0;
	if (w->conf->autostart)
		worker_command(w, EV_START);
	else if (!worker_known(w))
		begin_down(w);
	else
		worker_record(w);
}

void
reload_reconcile(struct worker *w)
{
	if (w->sup->stopping)
		return;
	if (w->snapshot != 0)
		leave(w);
	else if (w->conf->as_floor != NULL)
		floor_reconcile_slot(w);
	else if (w->rec.leaving || !worker_known(w))
		begin(w);
	else if (worker_outdated(w)) {
		log_info("%s: its stanza has changed", w->conf->name);
		worker_command(w, EV_RESTART);
	} else if (w->queue != NULL)
		supervisor_queue_spawn(
		    w->sup, w); /* for another floor, or none */
}

static int
at_rest(const struct worker *w)
{
	return !worker_alive(w) && w->rec.pid == 0 && w->rec.stop_pid == 0 &&
	       w->rec.ready_pid == 0 && w->queue == NULL;
}

static void
forget(struct worker *w)
{
	struct supervisor *s = w->sup;
	struct record r = {.kind = RECORD_GONE};

	log_info("%s: has left the fleet", w->conf->name);
	output_forget(w);
	input_end(w);
	notify_forget(w);
	trace_put(w, NULL);
	memcpy(r.u.gone.name, w->rec.name, sizeof(r.u.gone.name));
	if (worker_known(w))
		state_put(&s->state, &r);
	roster_remove(&s->roster, w);
	snapshot_leave(s, w->snapshot);
	worker_gone(w);
}

/* What is noted to be swept names its worker: not before that is done. */
void
reload_forget(struct supervisor *s)
{
	size_t i, before = s->roster.n;

	if (s->snapshots.nold + s->snapshots.ninvented == 0 || s->sweep.n > 0 ||
	    !s->resumed)
		return;
	for (i = s->roster.n; i > 0; i--)
		if (s->roster.list[i - 1]->snapshot != 0 &&
		    at_rest(s->roster.list[i - 1]))
			forget(s->roster.list[i - 1]);
	if (s->roster.n < before)
		events_fleet_changed(s);
}
