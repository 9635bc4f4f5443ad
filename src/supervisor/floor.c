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

#define RETRY_MS 1000 /* after a fork that failed, or a spare that died */
#define ASK_MAX 16    /* in one turn */

static void turn_cb(struct loop_timer *t);

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

static void
end_spares(struct floor *f, uint64_t before)
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

/* Their number was lessened. Who is about to take one will ask for another. */
static void
end_surplus(struct floor *f)
{
	size_t n = floor_count_spares(f);
	struct line *l;

	for (; n > (size_t)floor_newest(f)->conf->as_floor->spares; n--) {
		l = TAILQ_FIRST(&f->spares);
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
	end_spares(f, UINT64_MAX);
	give_up_waiting(f);
	while (!LIST_EMPTY(&f->sockets))
		floor_socket_end(LIST_FIRST(&f->sockets));
	loop_timer_stop(&f->turn);
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

static struct worker *
other_slot(const struct floor *f, const struct worker *slot)
{
	return f->slots[slot == f->slots[0]];
}

struct worker *
floor_serving(const struct floor *f)
{
	struct worker *w = floor_newest(f);

	if (w != NULL && w->rec.state != WS_RUNNING)
		w = other_slot(f, w);
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

/* The oldest that lives. */
static struct line *
take_spare(struct floor *f)
{
	struct line *l;

	while ((l = TAILQ_FIRST(&f->spares)) != NULL) {
		TAILQ_REMOVE(&f->spares, l, link);
		if (!line_is_dead(l))
			return l;
		line_end(l);
	}
	return NULL;
}

void
floor_spawn(struct worker *w)
{
	struct floor *f = floor_of(w);
	struct line *l;

	if (f == NULL) {
		worker_unborn(w, "its floor has left the fleet");
		return;
	}
	l = take_spare(f);
	if (l != NULL)
		worker_take_line(w, l);
	else {
		w->queue = &f->waiting;
		TAILQ_INSERT_TAIL(&f->waiting, w, spawn_link);
	}
	floor_wake(f);
}

void
floor_add_spare(struct floor *f, struct line *l)
{
	TAILQ_INSERT_TAIL(&f->spares, l, link);
	floor_wake(f);
}

int
floor_knows(const struct floor *f, int pid)
{
	const struct worker *w = roster_by_pid(&f->sup->roster, pid);
	const struct line *l;

	if (w != NULL)
		return w->line != NULL && w->rec.pid == pid;
	TAILQ_FOREACH (l, &f->spares, link)
		if (l->pid == pid)
			return 1;
	return 0;
}

void
floor_fork_failed(struct floor *f, const char *what)
{
	struct worker *w = TAILQ_FIRST(&f->waiting);

	f->not_before = loop_now(f->sup->loop) + RETRY_MS;
	if (w == NULL) {
		log_warn("floor:%s: %s", f->name, what);
		return;
	}
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

/* Are there as many waiting, and spares wanted, as are asked for and there? */
static size_t
missing(const struct floor *f, const struct worker *slot, size_t asked)
{
	size_t have = asked + floor_count_spares(f);
	size_t want = (size_t)slot->conf->as_floor->spares;
	const struct worker *w;

	TAILQ_FOREACH (w, &f->waiting, spawn_link)
		if (want++ >= have + ASK_MAX)
			break;
	return want > have ? want - have : 0;
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
			return;
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

/*
 * Of two that are wanted, one is too many: the old one once the new one serves,
 * the new one once it has failed while the old one serves. An old one that has
 * died meanwhile does not come back.
 */
static void
choose_slot(struct floor *f)
{
	struct worker *new = floor_newest(f);
	struct worker *old = new == NULL ? NULL : other_slot(f, new);

	if (old == NULL || !new->rec.want_up || !old->rec.want_up)
		return;
	if (new->rec.state == WS_RUNNING ||
	    (new->rec.state == WS_STARTING && old->rec.state == WS_BACKOFF)) {
		worker_command(old, EV_STOP);
		return;
	}
	if ((new->rec.state != WS_BACKOFF &&new->rec.state != WS_FAILED) ||
	    old->rec.state != WS_RUNNING)
		return;
	log_error("%s: generation %" PRIu64 " cannot be loaded, %" PRIu64
		  " goes on",
	    new->conf->name, new->rec.generation, old->rec.generation);
	snprintf(f->halted, sizeof(f->halted), "%s", new->error);
	new->rec.rolls = 0;
	worker_command(new, EV_STOP);
	supervisor_worker_changed(f->sup, old);
}

static void
halt(struct floor *f, struct worker *slot, const char *why)
{
	slot->rec.rolls = 0;
	worker_record(slot);
	if (why == NULL)
		log_info("%s: generation %" PRIu64 " has taken over",
		    slot->conf->name, slot->rec.generation);
	else
		log_error("%s: generation %" PRIu64
			  " takes over no further: %s",
		    slot->conf->name, slot->rec.generation, why);
	snprintf(f->halted, sizeof(f->halted), "%s", why == NULL ? "" : why);
	supervisor_worker_changed(f->sup, slot);
	if (other_slot(f, slot) != NULL)
		supervisor_worker_changed(f->sup, other_slot(f, slot));
}

/* What stands between w and the next one's replacement. */
enum standing {
	STANDING_NEW, /* nothing */
	STANDING_OLD, /* it is the next one */
	STANDING_BUSY,
	STANDING_BROKEN /* it does not run on the new generation */
};

static enum standing
standing_of(const struct worker *w, uint64_t generation)
{
	if (!w->rec.want_up || w->snapshot != 0)
		return STANDING_NEW;
	switch (w->rec.state) {
	case WS_STARTING:
	case WS_STOPPING:
		return STANDING_BUSY;
	case WS_RUNNING:
		return w->rec.stands_on < generation ? STANDING_OLD
		                                     : STANDING_NEW;
	case WS_BACKOFF:
	case WS_FAILED:
		return w->rec.stands_on == generation ? STANDING_BROKEN
		                                      : STANDING_NEW;
	default:
		return STANDING_NEW;
	}
}

/* One at a time: the next is replaced once the last one runs. */
static void
roll(struct floor *f)
{
	struct worker *slot = floor_serving(f), *w, *next = NULL;
	char why[sizeof(f->halted)];
	size_t i;

	if (slot == NULL || !slot->rec.rolls || f->sup->stopping)
		return;
	ROSTER_EACH (&f->sup->roster, i, w) {
		if (w->conf->floor == NULL || floor_of(w) != f)
			continue;
		switch (standing_of(w, slot->rec.generation)) {
		case STANDING_BUSY:
			return;
		case STANDING_OLD:
			next = next == NULL ? w : next;
			break;
		case STANDING_BROKEN:
			snprintf(why, sizeof(why), "%s does not run on it: %s",
			    w->conf->name, w->error);
			halt(f, slot, why);
			return;
		case STANDING_NEW:
			break;
		}
	}
	if (next != NULL)
		worker_command(next, EV_RESTART);
	else
		halt(f, slot, NULL);
}

static void
turn_cb(struct loop_timer *t)
{
	struct floor *f = t->arg;
	struct worker *slot;

	if (!f->sup->resumed)
		return; /* settle() wakes all */
	choose_slot(f);
	slot = floor_serving(f);
	if (slot != NULL)
		end_spares(f, slot->rec.generation);
	serve_waiting(f);
	end_surplus(f);
	tell_waiting(f);
	roll(f);
	ask(f);
}

void
floor_worker_changed(struct worker *w)
{
	struct floor *f = w->conf->as_floor != NULL ? w->floor : floor_of(w);

	if (f != NULL)
		floor_wake(f);
}

struct worker *
floor_renew(struct floor *f)
{
	struct worker *slot = floor_serving(f);

	/* Where none serves, what there is tries again. */
	slot = slot == NULL ? floor_newest(f) : other_slot(f, slot);
	f->halted[0] = '\0';
	slot->rec.rolls = 1;
	/* It is the newest from here on. */
	slot->rec.generation = floor_next_generation(f);
	worker_command(slot, EV_RESTART);
	return slot;
}

void
floor_reconcile_slot(struct worker *w)
{
	struct worker *newest = floor_newest(w->floor);

	if (w->floor->slots[0] == NULL || w->floor->slots[1] == NULL)
		return;
	if (!w->floor->slots[0]->rec.want_up &&
	    !w->floor->slots[1]->rec.want_up)
		worker_command(w->floor->slots[0], EV_START);
	else if (w == newest && worker_outdated(w)) {
		log_info("%s: its stanza has changed", w->conf->name);
		floor_renew(w->floor);
	}
	end_surplus(w->floor);
	floor_wake(w->floor);
}

void
floors_read(struct supervisor *s)
{
	struct floor_socket *fs, *next;
	struct floor *f;

	LIST_FOREACH (f, &s->floors, link)
		for (fs = LIST_FIRST(&f->sockets); fs != NULL; fs = next) {
			next = LIST_NEXT(fs, link);
			floor_socket_read(fs);
		}
}

int
floors_spare_ended(struct supervisor *s, int pid)
{
	struct floor *f;
	struct line *l;

	/* Its birth comes before its end. */
	floors_read(s);
	LIST_FOREACH (f, &s->floors, link)
		TAILQ_FOREACH (l, &f->spares, link) {
			if (l->pid != pid)
				continue;
			TAILQ_REMOVE(&f->spares, l, link);
			line_end(l);
			f->not_before = loop_now(s->loop) + RETRY_MS;
			floor_wake(f);
			return 1;
		}
	return 0;
}

void
floors_stop(struct supervisor *s)
{
	struct floor *f;

	LIST_FOREACH (f, &s->floors, link)
		end_spares(f, UINT64_MAX);
}

/* A line is its worker's, or a spare, or of a floor that is no more. */
static void
adopt_line(struct supervisor *s, const char *held, int fd)
{
	struct line_name n;
	struct worker *w;
	struct floor *f;
	struct line *l;

	if (line_parse_name(held, &n) == -1) {
		fd_close(&fd);
		return;
	}
	l = line_new(s, &n, fd);
	if (l == NULL)
		return;
	w = roster_by_pid(&s->roster, n.pid);
	f = floor_find(s, n.floor);
	if (w != NULL && w->rec.line == n.token) {
		l->worker = w;
		w->line = l;
	} else if (w == NULL && f != NULL) {
		link_born(&s->link, l->pid);
		floor_add_spare(f, l);
	} else
		line_end(l);
}

/* The sockets first, then what belongs to them. */
void
floors_adopt(struct supervisor *s)
{
	static const char *const kinds[] = {
	    "floor:", "load:", "late:", "line:"};
	struct link *link = &s->link;
	struct link_held *h;
	size_t i, kind;
	int fd;

	for (kind = 0; kind < sizeof(kinds) / sizeof(*kinds); kind++)
		for (i = 0; i < link->nheld; i++) {
			h = &link->held[i];
			if (h->fd == -1 || strncmp(h->name, kinds[kind],
					       strlen(kinds[kind])) != 0)
				continue;
			fd = h->fd;
			h->fd = -1;
			if (kind == 3)
				adopt_line(s, h->name, fd);
			else if (floor_socket_adopt(s, h->name, fd) == -1)
				link_drop(link, h->name);
		}
}
