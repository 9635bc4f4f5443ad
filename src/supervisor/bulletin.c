/* bulletin: see bulletin.h. */
#include "supervisor/bulletin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/supervisor.h"

#define NAMES_MAX 3 /* of those that are not as wanted */

/* Of workers; floors are there for them. */
struct count {
	size_t all, as_wanted, alive;
	size_t to_come; /* are to be up, and have come to nothing yet */
	struct worker *others[NAMES_MAX]; /* the first ones that are not */
	size_t nothers;
};

/* Its first process is still to be made, or to be ready. Who has failed once
 * holds up nobody: that may go on for ever. */
static int
is_to_come(const struct worker *w)
{
	return w->rec.want_up && w->rec.generation <= 1 &&
	       (w->rec.state == WS_STARTING || w->rec.state == WS_WAITING);
}

static void
count_workers(const struct supervisor *s, struct count *c)
{
	struct worker *w;
	size_t i;

	*c = (struct count){0};
	ROSTER_EACH (&s->roster, i, w) {
		if (w->conf->as_floor != NULL)
			continue;
		c->all++;
		c->alive += w->rec.pid != 0;
		c->to_come += (size_t)is_to_come(w);
		if (worker_as_wanted(w))
			c->as_wanted++;
		else if (c->nothers < NAMES_MAX)
			c->others[c->nothers++] = w;
	}
}

/* "12 of 14 workers as wanted: web:1 BACKOFF, db FAILED" */
static void
describe(
    const struct supervisor *s, const struct count *c, char *out, size_t size)
{
	size_t i, len;

	if (s->stopping) {
		snprintf(out, size, "stopping: %zu of %zu workers left",
		    c->alive, c->all);
		return;
	}
	len = (size_t)snprintf(out, size, "%s: %zu of %zu workers as wanted",
	    s->bulletin.ready ? "running" : "starting", c->as_wanted, c->all);
	for (i = 0; i < c->nothers && len < size; i++)
		len += (size_t)snprintf(out + len, size - len, "%s%s %s",
		    i == 0 ? "; " : ", ", c->others[i]->conf->name,
		    worker_state_name(c->others[i]->rec.state));
	if (len < size && c->all - c->as_wanted > c->nothers)
		snprintf(out + len, size - len, ", ...");
}

static void
say(struct supervisor *s, enum keeper_notify state, const char *line)
{
	struct keeper_msg m = {.type = KM_NOTIFY,
	    .code = (int32_t)state,
	    .text = line,
	    .text_len = strlen(line) + 1};

	snprintf(s->bulletin.said, sizeof(s->bulletin.said), "%s", line);
	s->bulletin.not_before = loop_now(s->loop) + BULLETIN_EVERY_MS;
	link_send(&s->link, &m, -1);
}

/* Each change is looked at until the fleet is up, and then no more often than
 * a line may be said. */
static void
turn_cb(struct loop_timer *t)
{
	struct supervisor *s = t->arg;
	struct bulletin *n = &s->bulletin;
	int64_t now = loop_now(s->loop);
	int was_ready = n->ready;
	char line[sizeof(n->said)];
	struct count c;

	count_workers(s, &c);
	if (s->resumed && !s->stopping && c.to_come == 0)
		n->ready = 1;
	describe(s, &c, line, sizeof(line));
	if (n->ready && !was_ready)
		say(s, NOTIFY_READY, line);
	else if (strcmp(line, n->said) != 0) {
		if (now >= n->not_before)
			say(s, NOTIFY_SAME, line);
		else
			loop_timer_start(t, n->not_before - now);
	}
}

void
bulletin_init(struct supervisor *s)
{
	s->bulletin = (struct bulletin){
	    .wanted = !s->init_mode && getenv("NOTIFY_SOCKET") != NULL};
	loop_timer_init(s->loop, &s->bulletin.turn, turn_cb, s);
}

void
bulletin_changed(struct supervisor *s)
{
	struct bulletin *n = &s->bulletin;
	int64_t wait = n->not_before - loop_now(s->loop);

	if (!n->wanted || (n->ready && n->turn.active))
		return;
	loop_timer_start(&n->turn, n->ready && wait > 0 ? wait : 0);
}

void
bulletin_reloading(struct supervisor *s)
{
	if (s->bulletin.wanted && s->bulletin.ready)
		say(s, NOTIFY_RELOADING, "reloading");
}

void
bulletin_reloaded(struct supervisor *s)
{
	struct bulletin *n = &s->bulletin;
	char line[sizeof(n->said)];
	struct count c;

	if (!n->wanted || !n->ready)
		return;
	count_workers(s, &c);
	describe(s, &c, line, sizeof(line));
	say(s, NOTIFY_READY, line);
}
