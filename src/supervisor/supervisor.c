/*
 * supervisor: see supervisor.h. What concerns the fleet as a whole: the queue
 * of births, the end of the fleet, names.
 */
#include "supervisor/supervisor.h"

#include <string.h>

#include "base/log.h"
#include "core/backoff.h"
#include "supervisor/adopted.h"
#include "supervisor/control.h"
#include "supervisor/dump_log.h"
#include "supervisor/reload.h"

#define SWEEP_AGAIN_MS 1
#define FLUSH_AGAIN_MS 20
#define SPAWN_BATCH 16 /* births in one turn of the loop, */
#define SPAWN_MS                                               \
	4 /* for which it has so long; one, while somebody is  \
	     connected: a birth sleeps until its child has had \
	     its turn at a processor */
#define EXIT_NO_STATUS 10

/* Never one of an earlier supervisor's, whose births may still be unread. */
uint64_t
supervisor_new_token(struct supervisor *s)
{
	return (uint64_t)s->link.life << 32 | ++s->last_token;
}

void
supervisor_wake(struct supervisor *s)
{
	if (!s->spawn_turn.active)
		loop_timer_start(&s->spawn_turn, 0);
}

void
supervisor_queue_spawn(struct supervisor *s, struct worker *w)
{
	if (w->queue == &s->spawns)
		return;
	supervisor_unqueue_spawn(w);
	w->queue = &s->spawns;
	TAILQ_INSERT_TAIL(&s->spawns, w, spawn_link);
	supervisor_wake(s);
}

void
supervisor_unqueue_spawn(struct worker *w)
{
	if (w->queue == NULL)
		return;
	TAILQ_REMOVE(w->queue, w, spawn_link);
	w->queue = NULL;
}

static void check_end(struct supervisor *s);

/* Some of the births that are due. 1: there is no room for the records of more:
 * nobody is born of whom nothing could be recorded. */
static int
give_birth(struct supervisor *s)
{
	int64_t begun = loop_now(s->loop);
	struct worker *w;
	int n = 0;

	while ((w = TAILQ_FIRST(&s->spawns)) != NULL && n++ < SPAWN_BATCH) {
		if (state_reserve(&s->state) == -1)
			return 1;
		supervisor_unqueue_spawn(w);
		worker_spawn(w);
		if (control_has_clients(s->control) ||
		    loop_now(s->loop) - begun >= SPAWN_MS)
			break;
	}
	return 0;
}

/* The same turn serves the dead first, so that nothing of a predecessor lives
 * when its successor is born. */
void
supervisor_spawn_turn(struct supervisor *s)
{
	int swept = s->sweep.n > 0, blocked;

	if (sweep_run(s)) {
		link_flush(&s->link);
		loop_timer_start(&s->spawn_turn, SWEEP_AGAIN_MS);
		return;
	}
	blocked = give_birth(s);
	/* A successor is born in the next turn; it need not wait for what the
	 * keeper then does. */
	if (!swept && link_flush(&s->link) == -1)
		loop_timer_start(&s->spawn_turn, FLUSH_AGAIN_MS);
	if (swept || (!TAILQ_EMPTY(&s->spawns) && !blocked) || s->sweep.n > 0)
		supervisor_wake(s);
	sweep_siblings_later(s);
	/* A birth may have been what read the last of the dead to its end. */
	if (!s->resumed)
		supervisor_births_changed(s);
	reload_forget(s);
	check_end(s);
}

static int
is_named(const struct worker *w, const char *name)
{
	return strcmp(name, "all") == 0 || strcmp(name, w->conf->name) == 0 ||
	       strcmp(name, w->conf->group_name) == 0 ||
	       strcmp(name, w->rec.name) == 0;
}

int
supervisor_each_named(struct supervisor *s, const char *name,
    void (*fn)(struct worker *w, void *arg), void *arg)
{
	struct worker *w;
	size_t i;
	int n = 0;

	ROSTER_EACH (&s->roster, i, w) {
		if (w->conf->as_floor != NULL || !is_named(w, name))
			continue;
		n++;
		if (fn != NULL)
			fn(w, arg);
	}
	return n;
}

static void
say_stopping(struct supervisor *s)
{
	struct keeper_msg m = {.type = KM_STOPPING, .code = s->exit_code};

	link_send(&s->link, &m, -1);
}

void
supervisor_stop(struct supervisor *s, int with_grace, int exit_code)
{
	struct worker *w;
	struct err e;
	size_t i;

	if (!s->stopping) {
		s->stopping = 1;
		state_put_ending(&s->state);
		s->exit_code = exit_code;
		log_info("stopping the fleet");
		floors_stop(s);
	}
	/* Said each time: a successor of ours is asked again. */
	say_stopping(s);
	bulletin_changed(s);
	ROSTER_EACH (&s->roster, i, w) {
		worker_command(w, EV_STOP);
		if (!with_grace)
			worker_kill(w, &e);
	}
	s->may_end = 1;
	supervisor_wake(s);
}

int
supervisor_detach(struct supervisor *s, struct err *e)
{
	if (s->stopping)
		return err_set(e, "the fleet is going down");
	if (!s->resumed)
		return err_set(e, "a worker is still being born");
	if (state_copy(&s->state, e) == -1)
		return -1;
	log_info("detaching: the workers run on");
	s->detaching = 1;
	s->may_end = 1;
	supervisor_wake(s);
	return 0;
}

/* Nothing is done any more that would not be on record. */
static void
detach(struct supervisor *s)
{
	struct keeper_msg m = {.type = KM_DETACH};

	control_finish(s->control);
	s->quit = 1;
	link_send(&s->link, &m, -1);
	loop_stop(s->loop);
}

/* 128+n, its status, or 10 where it has none: it never ran. */
static int
essential_status(const struct worker *w)
{
	const struct death *d = &w->rec.last;

	/* What a failed set-up leaves is a status only for an init. */
	if (death_is_unborn(d) && !w->sup->init_mode)
		return EXIT_NO_STATUS;
	if (d->signal != 0)
		return 128 + d->signal;
	return d->code >= 0 ? d->code : EXIT_NO_STATUS;
}

/* An init has nothing else to say why it ends. */
static void
end_of_essential(const struct worker *w)
{
	if (w->sup->init_mode && w->rec.last.fault[0] != '\0')
		log_error("%s", w->rec.last.fault);
	log_info("%s is essential and has ended", w->conf->name);
}

static int
count_alive(const struct supervisor *s)
{
	struct worker *w;
	size_t i;
	int n = 0;

	/* A floor is there for its workers. */
	ROSTER_EACH (&s->roster, i, w)
		n += (s->stopping || w->conf->as_floor == NULL) &&
		     worker_alive(w);
	return n;
}

/*
 * Looked at when a worker has come to rest, from the top of the loop rather
 * than from within its step: the end of one may be the end of all.
 */
static void
check_end(struct supervisor *s)
{
	struct keeper_msg quit = {.type = KM_QUIT};
	struct worker *w;
	size_t i;

	if (s->quit || !s->resumed || !s->may_end)
		return;
	if (s->detaching && !s->stopping) {
		detach(s);
		return;
	}
	ROSTER_EACH (&s->roster, i, w) {
		if (s->stopping || !w->conf->essential || w->snapshot != 0 ||
		    (w->rec.state != WS_EXITED && w->rec.state != WS_FAILED))
			continue;
		end_of_essential(w);
		supervisor_stop(s, 1, essential_status(w));
		return;
	}
	s->may_end = 0;
	if (count_alive(s) > 0)
		return;
	if (!s->stopping && s->fleet.on_empty == ON_EMPTY_EXIT) {
		log_info("nothing is left to run");
		supervisor_stop(s, 1, 0);
		return;
	}
	if (!s->stopping)
		return;
	sweep_run(s);
	sweep_siblings(s);
	control_finish(s->control);
	dump_log_finish(s);
	output_finish(s);
	notify_finish(s);
	s->quit = 1;
	link_send(&s->link, &quit, -1);
	loop_stop(s->loop);
}

void
supervisor_send_limits(struct supervisor *s)
{
	struct keeper_msg limits = {
	    .type = KM_LIMITS, .ms2 = (uint64_t)s->fleet.supervisor_watchdog};
	struct worker *w;
	size_t i;

	ROSTER_EACH (&s->roster, i, w)
		if ((uint64_t)w->conf->stop_timeout > limits.ms)
			limits.ms = (uint64_t)w->conf->stop_timeout;
	link_send(&s->link, &limits, -1);
}

void
supervisor_worker_changed(struct supervisor *s, struct worker *w)
{
	if (s->control != NULL)
		control_worker_changed(s->control, w);
	if (!LIST_EMPTY(&s->floors))
		floor_worker_changed(w);
	bulletin_changed(s);
	if (worker_alive(w))
		return;
	s->may_end = 1;
	supervisor_wake(s);
}

/* What a predecessor may not have come to, and what an earlier svd may have
 * had no room to record. */
static void
sweep_dead(struct supervisor *s, const struct worker *w)
{
	if (w->conf->kill_mode != KILL_MODE_TREE)
		return;
	if (w->rec.adopted)
		sweep_add_adopted(s, 0, w);
	else if (w->rec.last.pid > 0)
		sweep_add(s, w->rec.last.pid, w);
}

/* Every process of earlier lives is known now, or was never born. */
static void
settle(struct supervisor *s)
{
	struct worker *w;
	size_t i;

	s->resumed = 1;
	spawner_forget_notes(&s->spawner);
	floors_read(s);
	adopted_bury(s);
	ROSTER_EACH (&s->roster, i, w) {
		if (worker_known(w)) {
			if (w->rec.pid == 0)
				sweep_dead(s, w);
			worker_resume(w);
		}
		reload_reconcile(w);
	}
	notify_listen(s);
	s->may_end = 1;
	supervisor_wake(s);
	bulletin_changed(s);
}

void
supervisor_births_changed(struct supervisor *s)
{
	births_read(&s->births);
	if (!s->resumed && !births_pending(&s->births))
		settle(s);
}
