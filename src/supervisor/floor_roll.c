/* floor_roll: a floor's generations: which of its two slots is to serve, and
 * how a new one takes the workers of the old one over. Part of floor.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "supervisor/floor.h"
#include "supervisor/supervisor.h"

/*
 * The first worker of a section runs for so long before the others follow. What
 * a new generation breaks is most often broken at once, and in all of them: a
 * worker is RUNNING when its entry is called, and ends a moment later.
 */
#define PROOF_MS 500

/*
 * Of two that are wanted, one is too many: the old one once the new one serves,
 * the new one once it has failed while the old one serves. An old one that has
 * died meanwhile does not come back.
 */
void
floor_choose_slot(struct floor *f)
{
	struct worker *new = floor_newest(f);
	struct worker *old = new == NULL ? NULL : floor_other_slot(f, new);

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
	if (floor_other_slot(f, slot) != NULL)
		supervisor_worker_changed(f->sup, floor_other_slot(f, slot));
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
		/* What is to be done once is not begun again. */
		return w->rec.stands_on < generation &&
		               w->conf->type == WORKER_DAEMON
		           ? STANDING_OLD
		           : STANDING_NEW;
	case WS_BACKOFF:
	case WS_FAILED:
		return w->rec.stands_on == generation ? STANDING_BROKEN
		                                      : STANDING_NEW;
	default:
		return STANDING_NEW;
	}
}

/* Has w, which runs on the new generation, a sibling before it that does so for
 * long enough, or does so itself? Else it is looked at again then. */
static int
is_proven(struct floor *f, const struct worker *w, const struct worker **proof)
{
	int64_t age = loop_now(f->sup->loop) - w->rec.born;

	if (*proof != NULL &&
	    strcmp((*proof)->conf->group_name, w->conf->group_name) == 0)
		return 1;
	if (age < PROOF_MS) {
		loop_timer_start(&f->proof, PROOF_MS - age);
		return 0;
	}
	*proof = w;
	return 1;
}

static void
halt_for(struct floor *f, struct worker *slot, const struct worker *w)
{
	char why[sizeof(f->halted)];

	snprintf(why, sizeof(why), "%s does not run on it: %s", w->conf->name,
	    w->error);
	halt(f, slot, why);
}

static int
runs_on(const struct worker *w, uint64_t generation)
{
	return w->rec.state == WS_RUNNING && w->rec.stands_on == generation;
}

/* One at a time: the next is replaced once the last one runs. */
void
floor_roll(struct floor *f)
{
	struct worker *slot = floor_serving(f), *w, *next = NULL;
	const struct worker *proof = NULL, *newest = floor_newest(f);
	int busy = 0;
	size_t i;

	if (slot == NULL || !slot->rec.rolls || f->sup->stopping)
		return;
	/* Another is being loaded, which will replace them all. */
	if (newest != slot && newest->rec.want_up)
		return;
	ROSTER_EACH (&f->sup->roster, i, w) {
		if (w->conf->floor == NULL || floor_of(w) != f)
			continue;
		switch (standing_of(w, slot->rec.generation)) {
		case STANDING_BUSY:
			busy = 1;
			break;
		case STANDING_OLD:
			next = next == NULL ? w : next;
			break;
		case STANDING_BROKEN:
			halt_for(f, slot, w);
			return;
		case STANDING_NEW:
			if (runs_on(w, slot->rec.generation) &&
			    !is_proven(f, w, &proof))
				busy = 1;
			break;
		}
	}
	if (busy)
		return;
	if (next != NULL)
		worker_command(next, EV_RESTART);
	else
		halt(f, slot, NULL);
}

struct worker *
floor_renew(struct floor *f)
{
	struct worker *slot = floor_serving(f);

	/* Where none serves, what there is tries again. */
	slot = slot == NULL ? floor_newest(f) : floor_other_slot(f, slot);
	f->halted[0] = '\0';
	slot->rec.rolls = 1;
	/* It is the newest from here on. */
	slot->rec.generation = floor_next_generation(f);
	worker_command(slot, EV_RESTART);
	return slot;
}

int
floor_outdated(const struct floor *f)
{
	const struct worker *newest = floor_newest(f);
	const struct worker *serving = floor_serving(f);

	if (newest->rec.want_up)
		return worker_outdated(newest);
	/* It was given up. What serves goes on, unless both are of another
	 * stanza than this one. */
	return newest->rec.conf != newest->conf->print &&
	       (serving == NULL || worker_outdated(serving));
}

void
floor_reconcile_slot(struct worker *w)
{
	struct floor *f = w->floor;
	const struct worker *serving = floor_serving(f);

	if (f->slots[0] == NULL || f->slots[1] == NULL)
		return;
	if (!f->slots[0]->rec.want_up && !f->slots[1]->rec.want_up)
		worker_command(f->slots[0], EV_START);
	else if (floor_outdated(f)) {
		log_info("%s: its stanza has changed", w->conf->name);
		floor_renew(f);
	} else if (serving != NULL && serving != floor_newest(f) &&
		   !worker_outdated(serving))
		/* What could not be loaded is not asked for any more. */
		f->halted[0] = '\0';
	floor_wake(f);
}
