/* snapshot: see snapshot.h. */
#include "supervisor/snapshot.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "conf/conf.h"
#include "conf/grow.h"
#include "lib/set_up.h"
#include "supervisor/supervisor.h"

#define OLD "fleet:"
#define FIRST "fleet=first"
#define INVENTED UINT64_MAX /* in place of a number */

static void
old_name(uint64_t number, char out[KEEPER_NAME_MAX + 1])
{
	snprintf(out, KEEPER_NAME_MAX + 1, OLD "%" PRIu64, number);
}

static int
load(struct fleet *f, int fd, const char *path, struct err *e)
{
	struct sources *src = sources_load(fd, e);
	struct diags d = {0};
	int rc;

	if (src == NULL)
		return -1;
	rc = conf_load(f, path, src, &d);
	if (rc == -1)
		err_set(e, "%s", d.n > 0 ? d.list[0].text : "no fleet");
	diags_release(&d);
	sources_free(src);
	return rc;
}

static int
by_number(const void *a, const void *b)
{
	const struct snapshot_old *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

int
snapshot_reserve(struct supervisor *s)
{
	struct snapshots *sn = &s->snapshots;
	struct snapshot_old *old;

	old = grow_list(sn->old, sn->nold + 1, &sn->cap, sizeof(*old));
	if (old == NULL)
		return -1;
	sn->old = old;
	return 0;
}

static int
take_old(struct supervisor *s)
{
	struct snapshots *sn = &s->snapshots;
	struct link_held *h;
	size_t i;

	for (i = 0; i < s->link.nheld; i++) {
		h = &s->link.held[i];
		if (h->fd == -1 || strncmp(h->name, OLD, strlen(OLD)) != 0)
			continue;
		if (snapshot_reserve(s) == -1)
			return -1;
		sn->old[sn->nold++] = (struct snapshot_old){
		    .number = strtoull(h->name + strlen(OLD), NULL, 10),
		    .fd = h->fd};
		h->fd = -1;
	}
	if (sn->nold > 0)
		qsort(sn->old, sn->nold, sizeof(*sn->old), by_number);
	return 0;
}

/* What cannot change while svd runs, of the fleet file that it was started
 * with: what conf/keys.c says not to be live. */
static void
exchange_fixed(struct fleet *a, struct fleet *b)
{
	const struct fleet was = *a;

	a->control_group = b->control_group;
	a->log = b->log;
	a->log_format = b->log_format;
	b->control_group = was.control_group;
	b->log = was.log;
	b->log_format = was.log_format;
}

static int
take_first(struct supervisor *s, struct err *e)
{
	int fd = link_take(&s->link, FIRST), rc;
	struct fleet first = {0};

	if (fd == -1)
		return 0;
	s->snapshots.has_first = 1;
	rc = load(&first, fd, s->fleet_path, e);
	fd_close(&fd);
	if (rc == -1)
		return -1;
	exchange_fixed(&s->fleet, &first);
	fleet_release(&first);
	return 0;
}

void
snapshot_keep_first(struct supervisor *s)
{
	if (!s->snapshots.has_first)
		link_hold(&s->link, FIRST, s->snapshots.fd);
	s->snapshots.has_first = 1;
}

int
snapshots_init(struct supervisor *s, const char *path, struct err *e)
{
	struct snapshots *sn = &s->snapshots;

	s->fleet_path = path;
	sn->fd = link_take(&s->link, "fleet");
	if (sn->fd == -1)
		return err_set(e, "the keeper holds no fleet file");
	if (take_old(s) == -1)
		return err_set(e, "out of memory");
	if (load(&s->fleet, sn->fd, path, e) == -1)
		return -1;
	return take_first(s, e);
}

struct sources *
snapshot_sources(const struct supervisor *s, struct err *e)
{
	return sources_load(s->snapshots.fd, e);
}

/* Read when it is first asked for: most successors find all in the fleet. */
static void
load_old(struct supervisor *s, struct snapshot_old *old)
{
	struct err e;

	if (old->fd == -1)
		return;
	if (load(&old->fleet, old->fd, s->fleet_path, &e) == -1)
		log_error("an earlier fleet file: %s", e.text);
	fd_close(&old->fd);
}

static int
has_id(const struct worker_conf *c, const char *group, int instance)
{
	return c->instance == instance && strcmp(c->group_name, group) == 0;
}

struct worker_conf *
snapshot_find_old(struct supervisor *s, const char *id, uint64_t *number)
{
	char group[WORKER_ID_SIZE], *colon;
	struct snapshot_old *old;
	size_t i, k;
	int instance;

	if (s->snapshots.nold == 0 || worker_id_complete(id, group) == -1 ||
	    (colon = strchr(group, ':')) == NULL)
		return NULL;
	*colon = '\0';
	instance = atoi(colon + 1);
	/* Whoever was removed twice was last in the newest. */
	for (i = s->snapshots.nold; i > 0; i--) {
		old = &s->snapshots.old[i - 1];
		load_old(s, old);
		for (k = 0; k < old->fleet.nworkers; k++) {
			if (!has_id(&old->fleet.workers[k], group, instance))
				continue;
			*number = old->number;
			old->users++;
			return worker_conf_take(&old->fleet.workers[k]);
		}
	}
	return NULL;
}

struct worker_conf *
snapshot_invent(struct supervisor *s, const char *id, uint64_t *number)
{
	char full[WORKER_ID_SIZE], *colon;
	struct worker_conf *c;

	/* A floor has ended with its svd. */
	if (id[0] == '@' || worker_id_complete(id, full) == -1 ||
	    (colon = strchr(full, ':')) == NULL ||
	    (c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	*colon = '\0';
	c->instance = atoi(colon + 1);
	c->numprocs = c->instance + 1;
	snprintf(
	    c->group_name, sizeof(c->group_name), "%.*s", FLEET_NAME_MAX, full);
	snprintf(c->name, sizeof(c->name), "%s", full);
	if (c->instance > 0)
		snprintf(c->name, sizeof(c->name), "%s", id);
	c->argv = calloc(1, sizeof(char *));
	c->environment = calloc(1, sizeof(char *));
	if (c->argv == NULL || c->environment == NULL) {
		worker_conf_release(c);
		free(c);
		return NULL;
	}
	c->restart = RESTART_NO;
	c->umask = SET_UP_UMASK_LEAVE;
	c->std_in.kind = c->std_out.kind = c->std_err.kind = STREAM_INHERIT;
	c->stop_signal = SIGTERM;
	c->stop_timeout = 15000;
	c->restart_interval = 60000;
	c->success.code[0] = 1;
	*number = INVENTED;
	s->snapshots.ninvented++;
	return c;
}

/* The new one is in force from the moment that the keeper has it, so the old
 * one must be there before. */
uint64_t
snapshot_replace(struct supervisor *s, int fd, size_t users)
{
	struct snapshots *sn = &s->snapshots;
	char name[KEEPER_NAME_MAX + 1];
	uint64_t number = 0;

	if (users > 0) {
		number = supervisor_new_token(s);
		old_name(number, name);
		link_hold(&s->link, name, sn->fd);
		sn->old[sn->nold++] = (struct snapshot_old){
		    .number = number, .users = users, .fd = -1};
	}
	link_hold(&s->link, "fleet", fd);
	fd_close(&sn->fd);
	sn->fd = fd;
	return number;
}

static void
drop(struct supervisor *s, size_t i)
{
	struct snapshots *sn = &s->snapshots;
	char name[KEEPER_NAME_MAX + 1];

	old_name(sn->old[i].number, name);
	link_drop(&s->link, name);
	fleet_release(&sn->old[i].fleet);
	fd_close(&sn->old[i].fd);
	memmove(&sn->old[i], &sn->old[i + 1],
	    (sn->nold - i - 1) * sizeof(*sn->old));
	sn->nold--;
}

void
snapshot_leave(struct supervisor *s, uint64_t number)
{
	size_t i;

	if (number == INVENTED)
		s->snapshots.ninvented--;
	for (i = 0; i < s->snapshots.nold; i++)
		if (s->snapshots.old[i].number == number) {
			if (--s->snapshots.old[i].users == 0)
				drop(s, i);
			return;
		}
}

void
snapshots_tidy(struct supervisor *s)
{
	size_t i;

	for (i = s->snapshots.nold; i > 0; i--)
		if (s->snapshots.old[i - 1].users == 0)
			drop(s, i - 1);
}
