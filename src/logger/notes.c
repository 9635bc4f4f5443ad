/* notes: see notes.h. */
#include "logger/notes.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* An entry of the stream's own, where the ring's tells of another one. */
static struct cursor *
get_entry(struct logger *lg, const struct stream *s)
{
	struct cursor *c = names_pointer(&lg->entries, s->key);

	if (c != NULL)
		return c;
	c = cursors_add(&lg->cursors, s->key);
	if (c != NULL && names_put(&lg->entries, s->key, (intptr_t)c) == -1) {
		cursors_remove(&lg->cursors, c);
		return NULL;
	}
	return c;
}

void
notes_put(struct logger *lg, const struct stream *s, const struct ring *r,
    uint64_t file)
{
	uint64_t who = names_hash(s->key);
	struct cursor *c = r->c;

	if (names_pointer(&lg->rings, s->key) != NULL)
		return;
	if (c->who != 0 && c->who != who)
		c = get_entry(lg, s);
	if (c == NULL)
		return;
	if (c != r->c)
		c->next = file;
	c->noted = ++lg->cursors.head->notes;
	c->who = who;
	if (s->ring != NULL && s->ring != r && s->ring->c->who == who)
		s->ring->c->who = 0;
}

void
notes_drop(struct logger *lg, const struct stream *s)
{
	struct cursor *c = names_pointer(&lg->entries, s->key);

	if (s->ring != NULL && s->ring->c->who == names_hash(s->key))
		s->ring->c->who = 0;
	if (c == NULL || names_pointer(&lg->rings, s->key) != NULL)
		return;
	names_take(&lg->entries, s->key, 0);
	cursors_remove(&lg->cursors, c);
}

/* The latest note of where the stream of that key ends; NULL: there is none. */
static const struct cursor *
find_note(const struct logger *lg, const char *key)
{
	const struct cursor *c, *found = NULL;
	uint64_t who = names_hash(key);
	size_t i;

	for (i = 0; i < lg->cursors.n; i++) {
		c = &lg->cursors.list[i];
		if (c->key[0] != '\0' && c->who == who &&
		    (found == NULL || c->noted > found->noted))
			found = c;
	}
	return found;
}

void
notes_find(const struct logger *lg, const char *key, char *out, size_t size)
{
	const struct cursor *c = find_note(lg, key);
	char name[KEEPER_NAME_MAX + 1];

	snprintf(name, sizeof(name), "ring:%.*s", CURSOR_KEY_SIZE, key);
	if (c == NULL || names_get(&lg->held, name, -1) != -1 ||
	    names_pointer(&lg->rings, key) != NULL)
		snprintf(out, size, "%.*s", CURSOR_KEY_SIZE - 1, key);
	else if (strcmp(c->key, key) == 0)
		snprintf(out, size, "file:%016" PRIx64, c->next);
	else
		snprintf(out, size, "%s", c->key);
}
