/* names: see names.h. */
#include "logger/names.h"

#include <stdlib.h>
#include <string.h>

uint64_t
names_hash(const char *text)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *text != '\0'; text++)
		h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return h;
}

/* Where the pointer to it is, or would be. */
static struct name **
find(const struct names *t, const char *text)
{
	struct name **p = &t->buckets[names_hash(text) & (t->nbuckets - 1)];

	while (*p != NULL && strcmp((*p)->text, text) != 0)
		p = &(*p)->next;
	return p;
}

static int
grow(struct names *t)
{
	struct names wide = {
	    .nbuckets = t->nbuckets == 0 ? 64 : t->nbuckets * 2};
	struct name *n, *next, **p;
	size_t i;

	wide.buckets = calloc(wide.nbuckets, sizeof(*wide.buckets));
	if (wide.buckets == NULL)
		return -1;
	for (i = 0; i < t->nbuckets; i++)
		for (n = t->buckets[i]; n != NULL; n = next) {
			next = n->next;
			n->next = NULL;
			p = find(&wide, n->text);
			*p = n;
		}
	free(t->buckets);
	t->buckets = wide.buckets;
	t->nbuckets = wide.nbuckets;
	return 0;
}

int
names_put(struct names *t, const char *text, intptr_t value)
{
	size_t len = strlen(text) + 1;
	struct name **p, *n;

	/* A table that is too full still works. */
	if (t->n >= t->nbuckets && grow(t) == -1 && t->nbuckets == 0)
		return -1;
	p = find(t, text);
	if (*p == NULL) {
		n = malloc(sizeof(*n) + len);
		if (n == NULL)
			return -1;
		n->next = NULL;
		memcpy(n->text, text, len);
		*p = n;
		t->n++;
	}
	(*p)->value.number = value;
	return 0;
}

intptr_t
names_get(const struct names *t, const char *text, intptr_t otherwise)
{
	struct name **p;

	if (t->nbuckets == 0)
		return otherwise;
	p = find(t, text);
	return *p == NULL ? otherwise : (*p)->value.number;
}

void *
names_pointer(const struct names *t, const char *text)
{
	struct name **p;

	if (t->nbuckets == 0)
		return NULL;
	p = find(t, text);
	return *p == NULL ? NULL : (*p)->value.pointer;
}

intptr_t
names_take(struct names *t, const char *text, intptr_t otherwise)
{
	struct name **p, *n;

	if (t->nbuckets == 0)
		return otherwise;
	p = find(t, text);
	n = *p;
	if (n == NULL)
		return otherwise;
	otherwise = n->value.number;
	*p = n->next;
	free(n);
	t->n--;
	return otherwise;
}

void
names_release(struct names *t)
{
	struct name *n, *next;
	size_t i;

	for (i = 0; i < t->nbuckets; i++)
		for (n = t->buckets[i]; n != NULL; n = next) {
			next = n->next;
			free(n);
		}
	free(t->buckets);
	*t = (struct names){0};
}
