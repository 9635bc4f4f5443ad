/* roster: see roster.h. One table for all kinds of keys: whoever looks asks the
 * record of what is found, so that a key left behind does no harm. */
#include "supervisor/roster.h"

#include <stdlib.h>
#include <string.h>

#include "conf/grow.h"
#include "supervisor/worker.h"

#define BUCKETS_MIN 64

/* FNV-1a; never 0. */
static uint64_t
hash_text(const char *text)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *text != '\0'; text++)
		h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return h | 1;
}

static struct roster_node **
bucket(const struct roster *r, uint64_t key)
{
	uint64_t mixed = key * UINT64_C(0x9e3779b97f4a7c15);

	return &r->buckets[(mixed >> 32) & (r->nbuckets - 1)];
}

static void
link_node(struct roster *r, struct roster_node *node, uint64_t key)
{
	struct roster_node **head;

	node->key = key;
	if (key == 0)
		return;
	head = bucket(r, key);
	node->next = *head;
	*head = node;
}

static void
unlink_node(struct roster *r, struct roster_node *node)
{
	struct roster_node **at;

	if (node->key == 0)
		return;
	for (at = bucket(r, node->key); *at != node; at = &(*at)->next)
		;
	*at = node->next;
	node->key = 0;
}

/* For n workers: a bucket for about each two keys that are there at once. */
static int
grow_buckets(struct roster *r, size_t n)
{
	struct roster next = *r;
	struct worker *w;
	size_t i, k;

	if (r->nbuckets >= 2 * n && r->nbuckets > 0)
		return 0;
	if (next.nbuckets == 0)
		next.nbuckets = BUCKETS_MIN;
	while (next.nbuckets < 2 * n)
		next.nbuckets *= 4;
	next.buckets = calloc(next.nbuckets, sizeof(struct roster_node *));
	if (next.buckets == NULL)
		return -1;
	ROSTER_EACH (r, i, w)
		for (k = 0; k < ROSTER_KEYS; k++)
			link_node(&next, &w->nodes[k], w->nodes[k].key);
	free(r->buckets);
	*r = next;
	return 0;
}

void
roster_release(struct roster *r)
{
	free(r->list);
	free(r->buckets);
	*r = (struct roster){0};
}

int
roster_reserve(struct roster *r, size_t n)
{
	struct worker **list;

	list = grow_list(r->list, n, &r->cap, sizeof(struct worker *));
	if (list == NULL)
		return -1;
	r->list = list;
	return grow_buckets(r, n);
}

int
roster_add(struct roster *r, struct worker *w)
{
	size_t k;

	if (roster_reserve(r, r->n + 1) == -1)
		return -1;
	r->list[r->n++] = w;
	for (k = 0; k < ROSTER_KEYS; k++)
		w->nodes[k] = (struct roster_node){.worker = w};
	link_node(r, &w->nodes[ROSTER_ID], hash_text(w->rec.name));
	roster_note(r, w);
	return 0;
}

static int
by_place(const void *a, const void *b)
{
	const struct worker *x = *(struct worker *const *)a;
	const struct worker *y = *(struct worker *const *)b;

	if (x->place != y->place)
		return x->place < y->place ? -1 : 1;
	return strcmp(x->rec.name, y->rec.name);
}

void
roster_sort(struct roster *r)
{
	if (r->n > 0)
		qsort(r->list, r->n, sizeof(struct worker *), by_place);
}

void
roster_remove(struct roster *r, struct worker *w)
{
	size_t i = 0, k;

	while (r->list[i] != w)
		i++;
	memmove(&r->list[i], &r->list[i + 1],
	    (r->n - i - 1) * sizeof(struct worker *));
	r->n--;
	for (k = 0; k < ROSTER_KEYS; k++) {
		unlink_node(r, &w->nodes[k]);
		w->nodes[k].worker = NULL;
	}
}

static void
set_key(struct roster *r, struct roster_node *node, uint64_t key)
{
	if (node->key == key)
		return;
	unlink_node(r, node);
	link_node(r, node, key);
}

void
roster_note(struct roster *r, struct worker *w)
{
	if (w->nodes[ROSTER_ID].worker == NULL)
		return;
	set_key(r, &w->nodes[ROSTER_PID], (uint64_t)w->rec.pid);
	set_key(r, &w->nodes[ROSTER_STOP_PID], (uint64_t)w->rec.stop_pid);
	set_key(r, &w->nodes[ROSTER_READY_PID], (uint64_t)w->rec.ready_pid);
	set_key(r, &w->nodes[ROSTER_TOKEN], w->rec.token);
	set_key(r, &w->nodes[ROSTER_STOP_TOKEN], w->rec.stop_token);
	set_key(r, &w->nodes[ROSTER_READY_TOKEN], w->rec.ready_token);
}

static const struct roster_node *
first_node(const struct roster *r, uint64_t key)
{
	return key == 0 || r->nbuckets == 0 ? NULL : *bucket(r, key);
}

struct worker *
roster_by_id(const struct roster *r, const char *id)
{
	char full[WORKER_ID_SIZE];
	const struct roster_node *node;

	if (worker_id_complete(id, full) == -1)
		return NULL;
	for (node = first_node(r, hash_text(full)); node != NULL;
	     node = node->next)
		if (strcmp(node->worker->rec.name, full) == 0)
			return node->worker;
	return NULL;
}

struct worker *
roster_by_pid(const struct roster *r, int pid)
{
	const struct roster_node *node;

	for (node = first_node(r, (uint64_t)pid); node != NULL;
	     node = node->next)
		if (node->worker->rec.pid == pid ||
		    node->worker->rec.stop_pid == pid ||
		    node->worker->rec.ready_pid == pid)
			return node->worker;
	return NULL;
}

struct worker *
roster_by_token(const struct roster *r, uint64_t token)
{
	const struct roster_node *node;

	for (node = first_node(r, token); node != NULL; node = node->next)
		if (node->worker->rec.token == token ||
		    node->worker->rec.stop_token == token ||
		    node->worker->rec.ready_token == token)
			return node->worker;
	return NULL;
}
