/* history: see history.h. */
#include "supervisor/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/grow.h"

/* struct death with only as much room for its text as that takes. */
struct history_entry {
	int64_t at, at_rt, uptime;
	uint64_t generation;
	int pid, code, signal, core, raised;
	char fault[];
};

static void
forget(struct history *h, size_t n)
{
	size_t i;

	if (n == 0)
		return; /* perhaps there is no list */
	for (i = 0; i < n; i++)
		free(h->list[i]);
	if (n < h->n)
		memmove(h->list, h->list + n, (h->n - n) * sizeof(*h->list));
	h->n -= n;
}

static struct history_entry *
new_entry(const struct death *d)
{
	size_t len = strlen(d->fault) + 1;
	struct history_entry *e = malloc(sizeof(*e) + len);

	if (e == NULL)
		return NULL;
	e->at = d->at;
	e->at_rt = d->at_rt;
	e->uptime = d->uptime;
	e->generation = d->generation;
	e->pid = d->pid;
	e->code = d->code;
	e->signal = d->signal;
	e->core = d->core;
	e->raised = d->raised;
	memcpy(e->fault, d->fault, len);
	return e;
}

void
history_add(struct history *h, const struct death *d, size_t keep)
{
	struct history_entry *e = new_entry(d), **list;

	if (h->n > 0 && h->n >= keep)
		forget(h, h->n - keep + 1);
	list = grow_list(h->list, h->n + 1, &h->cap, sizeof(*list));
	if (list != NULL)
		h->list = list;
	if (list == NULL || e == NULL) {
		free(e);
		return;
	}
	list[h->n++] = e;
}

void
history_get(const struct history *h, size_t i, struct death *d)
{
	const struct history_entry *e = h->list[h->n - 1 - i];

	*d = (struct death){.at = e->at,
	    .at_rt = e->at_rt,
	    .uptime = e->uptime,
	    .generation = e->generation,
	    .pid = e->pid,
	    .code = e->code,
	    .signal = e->signal,
	    .core = e->core,
	    .raised = e->raised};
	snprintf(d->fault, sizeof(d->fault), "%s", e->fault);
}

int64_t
history_at(const struct history *h, size_t i)
{
	return h->list[h->n - 1 - i]->at;
}

void
history_release(struct history *h)
{
	forget(h, h->n);
	free(h->list);
	*h = (struct history){0};
}
