/*
 * env_cache: env_files that were parsed, see env.h.
 */
#include <search.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/env.h"
#include "conf/grow.h"
#include "conf/words.h"

static int
compare(const void *a, const void *b)
{
	const struct env_file *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static void
keep_file(void *file)
{
	(void)file; /* the list owns it */
}

static void
file_free(struct env_file *f)
{
	free(f->path);
	words_free(f->words);
	free(f);
}

void
env_cache_release(struct env_cache *c)
{
	size_t i;

	tdestroy(c->tree, keep_file);
	for (i = 0; i < c->n; i++)
		file_free(c->list[i]);
	free(c->list);
	*c = (struct env_cache){0};
}

/* The entry for path, or a new one. */
static struct env_file *
get_entry(struct env_cache *c, const char *path)
{
	struct env_file key = {0}, *f, **list;
	void *node;

	key.path = (char *)(uintptr_t)path; /* only compared */
	node = tfind(&key, &c->tree, compare);
	if (node != NULL)
		return *(struct env_file **)node;
	list = grow_list(c->list, c->n + 1, &c->cap, sizeof(c->list[0]));
	if (list == NULL)
		return NULL;
	c->list = list;
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return NULL;
	f->path = strdup(path);
	if (f->path == NULL || tsearch(f, &c->tree, compare) == NULL) {
		file_free(f);
		return NULL;
	}
	c->list[c->n++] = f;
	return f;
}

const struct env_file *
env_cache_get(struct env_cache *c, const char *path, const char *text,
    size_t len, struct diags *d)
{
	struct env_file *f = get_entry(c, path);

	if (f != NULL && !f->parsed) {
		f->words = env_parse_file(f->path, text, len, d);
		f->parsed = 1;
	}
	return f;
}
