/* unclaimed: see unclaimed.h. */
#include "supervisor/unclaimed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "conf/grow.h"
#include "ipc/value.h"
#include "supervisor/channel.h"
#include "supervisor/supervisor.h"

#define PREFIX "answer:"
#define CLAIM_MS 10000 /* a client comes back much sooner */
#define KEPT_MAX 64    /* of one worker */

static void
held_name(const struct unclaimed_answers *u, uint64_t id, enum frame_type type,
    char out[KEEPER_NAME_MAX + 1])
{
	snprintf(out, KEEPER_NAME_MAX + 1, PREFIX "%" PRIx64 ":%d:%s", id,
	    (int)type, u->worker->rec.name);
}

static void
drop_all(struct unclaimed_answers *u)
{
	char name[KEEPER_NAME_MAX + 1];
	struct unclaimed *a;

	while (u->n > 0) {
		a = &u->list[--u->n];
		held_name(u, a->id, a->type, name);
		link_drop(&u->worker->sup->link, name);
		fd_close(&a->fd);
	}
	free(u->list);
	u->list = NULL;
	u->cap = 0;
}

static void
until_cb(struct loop_timer *t)
{
	drop_all(t->arg);
}

void
unclaimed_init(struct unclaimed_answers *u, struct worker *w)
{
	u->worker = w;
	loop_timer_init(w->sup->loop, &u->until, until_cb, u);
}

void
unclaimed_release(struct unclaimed_answers *u)
{
	loop_timer_stop(&u->until);
	drop_all(u);
}

void
unclaimed_expect(struct unclaimed_answers *u)
{
	loop_timer_start(&u->until, CLAIM_MS);
}

/* Takes fd. -1: no memory, or there are too many. */
static int
add(struct unclaimed_answers *u, uint64_t id, enum frame_type type, int fd)
{
	struct unclaimed *list = NULL;

	if (u->n < KEPT_MAX)
		list = grow_list(u->list, u->n + 1, &u->cap, sizeof(*list));
	if (list == NULL) {
		fd_close(&fd);
		return -1;
	}
	u->list = list;
	list[u->n++] = (struct unclaimed){.id = id, .type = type, .fd = fd};
	return 0;
}

void
unclaimed_keep(struct unclaimed_answers *u, const struct frame *f, int *fd)
{
	char name[KEEPER_NAME_MAX + 1];
	struct err e;

	if (!u->until.active || unclaimed_find(u, f->id) != NULL)
		return;
	if (*fd == -1)
		*fd = value_make(f->value, f->value_len, &e);
	if (*fd == -1)
		return;
	held_name(u, f->id, f->type, name);
	if (u->n < KEPT_MAX)
		link_hold(&u->worker->sup->link, name, *fd);
	if (add(u, f->id, f->type, *fd) == -1)
		link_drop(&u->worker->sup->link, name);
	*fd = -1;
}

int
unclaimed_adopt(struct supervisor *s, const char *held, int fd)
{
	struct worker *w = NULL;
	uint64_t id;
	int type, n = 0;

	if (sscanf(held, PREFIX "%" SCNx64 ":%d:%n", &id, &type, &n) != 2 ||
	    n == 0)
		return 0;
	w = roster_by_id(&s->roster, held + n);
	if (w != NULL && w->channel != NULL)
		add(&w->channel->requests.unclaimed, id, (enum frame_type)type,
		    fd);
	else {
		link_drop(&s->link, held);
		fd_close(&fd);
	}
	return 1;
}

const struct unclaimed *
unclaimed_find(const struct unclaimed_answers *u, uint64_t id)
{
	size_t i;

	for (i = 0; i < u->n; i++)
		if (u->list[i].id == id)
			return &u->list[i];
	return NULL;
}
