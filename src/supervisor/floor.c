/* floor: see floor.h. */
#include "supervisor/floor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "supervisor/control.h"
#include "supervisor/supervisor.h"

/* One may go with a floor that dies; so many in a row are no accident. */
#define STILLBORN_MAX 3
#define ASK_MAX 16 /* in one turn */

static void turn_cb(struct loop_timer *t);
static void proof_cb(struct loop_timer *t);

/* "@py" is the section's name of a slot, "py" the floor's. */
static const char *
name_of(const struct worker *slot)
{
	return slot->conf->group_name + 1;
}

static struct floor *
make(struct supervisor *s, const char *name)
{
	struct floor *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->sup = s;
	snprintf(f->name, sizeof(f->name), "%s", name);
	TAILQ_INIT(&f->waiting);
	TAILQ_INIT(&f->spares);
	LIST_INIT(&f->sockets);
	loop_timer_init(s->loop, &f->turn, turn_cb, f);
	loop_timer_init(s->loop, &f->proof, proof_cb, f);
	LIST_INSERT_HEAD(&s->floors, f, link);
	return f;
}

int
floor_attach(struct worker *w)
{
	struct floor *f = floor_find(w->sup, name_of(w));

	if (f == NULL)
		f = make(w->sup, name_of(w));
	if (f == NULL)
		return -1;
	w->floor = f;
	f->slots[w->conf->instance] = w;
	return 0;
}

void
floor_end_spares(struct floor *f, uint64_t before)
{
	struct line *l, *next;

	for (l = TAILQ_FIRST(&f->spares); l != NULL; l = next) {
		next = TAILQ_NEXT(l, link);
		if (l->generation >= before)
			continue;
		TAILQ_REMOVE(&f->spares, l, link);
		line_end(l);
	}
}

/* Who waited for it is told so at its birth. */
static void
give_up_waiting(struct floor *f)
{
	struct worker *w;

	while ((w = TAILQ_FIRST(&f->waiting)) != NULL)
		supervisor_queue_spawn(f->sup, w);
}

void
floor_detach(struct worker *w)
{
	struct floor *f = w->floor;

	if (f == NULL || f->slots[w->conf->instance] != w)
		return;
	f->slots[w->conf->instance] = NULL;
	if (f->slots[0] != NULL || f->slots[1] != NULL)
		return;
	floor_end_spares(f, UINT64_MAX);
	give_up_waiting(f);
	while (!LIST_EMPTY(&f->sockets))
		floor_socket_end(LIST_FIRST(&f->sockets));
	loop_timer_stop(&f->turn);
	loop_timer_stop(&f->proof);
	LIST_REMOVE(f, link);
	free(f);
}

struct floor *
floor_find(struct supervisor *s, const char *name)
{
	struct floor *f;

	LIST_FOREACH (f, &s->floors, link)
		if (strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

struct floor *
floor_of(const struct worker *w)
{
	return w->conf->floor == NULL ? NULL
	                              : floor_find(w->sup, w->conf->floor);
}

struct worker *
floor_newest(const struct floor *f)
{
	struct worker *a = f->slots[0], *b = f->slots[1];

	if (a == NULL || b == NULL)
		return a == NULL ? b : a;
	return b->rec.generation > a->rec.generation ? b : a;
}

struct worker *
floor_other_slot(const struct floor *f, const struct worker *slot)
{
	return f->slots[slot == f->slots[0]];
}

struct worker *
floor_serving(const struct floor *f)
{
	struct worker *w = floor_newest(f);

	if (w != NULL && w->rec.state != WS_RUNNING)
		w = floor_other_slot(f, w);
	return w != NULL && w->rec.state == WS_RUNNING ? w : NULL;
}

struct floor_socket *
floor_socket_of(const struct worker *slot)
{
	struct floor_socket *fs;

	LIST_FOREACH (fs, &slot->floor->sockets, link)
		if (fs->token == slot->rec.line)
			return fs;
	return NULL;
}

uint64_t
floor_next_generation(const struct floor *f)
{
	const struct worker *w = floor_newest(f);

	return w == NULL ? 1 : w->rec.generation + 1;
}

size_t
floor_count_spares(const struct floor *f)
{
	const struct line *l;
	size_t n = 0;

	TAILQ_FOREACH (l, &f->spares, link)
		n++;
	return n;
}

/* The oldest that lives. *died: there were others. */
static struct line *
take_spare(struct floor *f, int *died)
{
	struct line *l;

	while ((l = TAILQ_FIRST(&f->spares)) != NULL) {
		TAILQ_REMOVE(&f->spares, l, link);
		if (!line_is_dead(l))
			return l;
		line_end(l);
		*died = 1;
	}
	return NULL;
}

void
floor_spawn(struct worker *w)
{
	struct floor *f = floor_of(w);
	struct line *l;
	int died = 0;

	if (f == NULL) {
		worker_unborn(w, "its floor has left the fleet");
		return;
	}
	l = take_spare(f, &died);
	if (l != NULL) {
		f->starting = l->pid;
		f->stillborn = 0;
		worker_take_line(w, l);
	} else {
		w->queue = &f->waiting;
		TAILQ_INSERT_TAIL(&f->waiting, w, spawn_link);
	}
	if (l == NULL && died)
		floor_spare_died(f, "what was forked for it has ended");
	floor_wake(f);
}

void
floor_add_spare(struct floor *f, struct line *l)
{
	TAILQ_INSERT_TAIL(&f->spares, l, link);
	floor_wake(f);
}

void
floor_spare_died(struct floor *f, const char *what)
{
	if (++f->stillborn >= STILLBORN_MAX) {
		floor_fork_failed(f, what);
		return;
	}
	log_warn("floor:%s: %s", f->name, what);
	if (f->stillborn > 1)
		f->not_before = loop_now(f->sup->loop) + FLOOR_RETRY_MS;
}

void
floor_fork_failed(struct floor *f, const char *what)
{
	/* Who is next in line may have another spare yet. */
	struct worker *w =
	    TAILQ_EMPTY(&f->spares) ? TAILQ_FIRST(&f->waiting) : NULL;
	int64_t now = loop_now(f->sup->loop);

	if (w == NULL && f->not_before <= now)
		log_warn("floor:%s: %s", f->name, what);
	f->not_before = now + FLOOR_RETRY_MS;
	if (w == NULL)
		return;
	supervisor_unqueue_spawn(w);
	worker_unborn(w, what);
}

const char *
floor_failure(const struct floor *f)
{
	const struct worker *w = floor_newest(f);

	if (w == NULL || floor_serving(f) != NULL || !TAILQ_EMPTY(&f->spares) ||
	    (w->rec.state != WS_BACKOFF && w->rec.state != WS_FAILED))
		return NULL;
	return w->error;
}

void
floor_wake(struct floor *f)
{
	if (!f->turn.active || f->not_before != 0)
		loop_timer_start(&f->turn, 0);
}

/* The last spare that was wanted has not come to its work yet: a fork now would
 * take from its time. */
static int
is_starting(const struct floor *f)
{
	const struct worker *w = roster_by_pid(&f->sup->roster, f->starting);

	return f->starting != 0 && w != NULL && w->rec.pid == f->starting &&
	       worker_in_set_up(w);
}

/* Are there as many waiting, and spares wanted, as are asked for and there? */
static size_t
missing(const struct floor *f, const struct worker *slot, size_t asked)
{
	size_t have = asked + floor_count_spares(f);
	size_t want = is_starting(f) ? 0 : (size_t)slot->conf->as_floor->spares;
	const struct worker *w;

	TAILQ_FOREACH (w, &f->waiting, spawn_link)
		if (want++ >= have + ASK_MAX)
			break;
	return want > have ? want - have : 0;
}

static void
ask_again(struct floor *f)
{
	f->not_before = loop_now(f->sup->loop) + FLOOR_RETRY_MS;
	loop_timer_start(&f->turn, FLOOR_RETRY_MS);
}

static void
ask(struct floor *f)
{
	struct worker *slot = floor_serving(f);
	struct floor_socket *fs = slot == NULL ? NULL : floor_socket_of(slot);
	int64_t wait = f->not_before - loop_now(f->sup->loop);
	size_t n;

	if (fs == NULL || f->sup->stopping)
		return;
	if (f->not_before != 0 && wait > 0) {
		loop_timer_start(&f->turn, wait);
		return;
	}
	f->not_before = 0;
	for (n = missing(f, slot, fs->asked); n > 0; n--)
		if (floor_socket_ask(fs) == -1)
			break;
	/* Else an answer will come first. */
	if (n > 0 && fs->asked == 0)
		ask_again(f);
}

void
floor_expect(struct floor *f)
{
	struct worker *slot = f == NULL ? NULL : floor_serving(f);
	struct floor_socket *fs = slot == NULL ? NULL : floor_socket_of(slot);

	if (fs != NULL && !f->sup->stopping && f->not_before == 0 &&
	    TAILQ_EMPTY(&f->waiting) && fs->asked + floor_count_spares(f) == 0)
		floor_socket_ask(fs);
}

/* Forked for whom has been stopped meanwhile. Whoever is about to be born may
 * still want one. */
static void
end_surplus(struct floor *f)
{
	struct worker *slot = floor_newest(f);
	size_t n = floor_count_spares(f);
	struct line *l;

	if (slot == NULL || !TAILQ_EMPTY(&f->waiting) ||
	    !TAILQ_EMPTY(&f->sup->spawns))
		return;
	for (; n > (size_t)slot->conf->as_floor->spares; n--) {
		l = TAILQ_FIRST(&f->spares);
		TAILQ_REMOVE(&f->spares, l, link);
		line_end(l);
	}
}

/* The spawn queue's turn comes after that of the dead. */
static void
serve_waiting(struct floor *f)
{
	struct line *l = TAILQ_FIRST(&f->spares);
	struct worker *w;

	for (; l != NULL && (w = TAILQ_FIRST(&f->waiting)) != NULL;
	     l = TAILQ_NEXT(l, link))
		supervisor_queue_spawn(f->sup, w);
}

/* Who waits in vain is settled as what it is. */
static void
tell_waiting(struct floor *f)
{
	struct worker *w;
	int i;

	if (floor_failure(f) == NULL || f->sup->control == NULL)
		return;
	TAILQ_FOREACH (w, &f->waiting, spawn_link)
		control_worker_changed(f->sup->control, w);
	for (i = 0; i < FLOOR_SLOTS; i++)
		if (f->slots[i] != NULL)
			control_worker_changed(f->sup->control, f->slots[i]);
}

static void
turn_cb(struct loop_timer *t)
{
	struct floor *f = t->arg;
	struct worker *slot;

	if (!f->sup->resumed)
		return; /* settle() wakes all */
	floor_choose_slot(f);
	slot = floor_serving(f);
	if (slot != NULL)
		floor_end_spares(f, slot->rec.generation);
	serve_waiting(f);
	end_surplus(f);
	tell_waiting(f);
	floor_roll(f);
	ask(f);
}

static void
proof_cb(struct loop_timer *t)
{
	floor_wake(t->arg);
}

void
floor_worker_changed(struct worker *w)
{
	struct floor *f = w->conf->as_floor != NULL ? w->floor : floor_of(w);

	if (f != NULL)
		floor_wake(f);
}
