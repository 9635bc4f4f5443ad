/* table: see table.h. */
#include "logger/table.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "logger/copier.h"
#include "logger/rings.h"
#include "logger/streams.h"

#define OWN "own"
#define AGAIN_MS 1000

static void
own_ring(struct logger *lg)
{
	const struct outputs *o = &lg->outputs;
	struct ring_conf conf = {
	    .name = "svd", .path = o->log_path, .kind = (unsigned char)o->log};
	const char *old = lg->own == NULL ? NULL : lg->own->path;
	int moved =
	    old != NULL && o->log_path != NULL && strcmp(old, o->log_path) != 0;
	int is_new = lg->own == NULL;

	lg->own = rings_get(lg, OWN, &conf);
	if (is_new && lg->own != NULL)
		rings_attach(lg, lg->own);
	if (moved)
		lg->cursors.head->reopen++;
}

/* To svd's own log as lines with a name in front; but syslog and the journal
 * have names of their own, so there it is as if it were asked for. */
static unsigned char
kind_of(const struct logger *lg, const struct output *o)
{
	if (o->kind != OUTPUT_LOG)
		return o->kind;
	return lg->outputs.log == OUTPUT_SYSLOG ||
	               lg->outputs.log == OUTPUT_JOURNAL
	           ? (unsigned char)lg->outputs.log
	           : OUTPUT_LOG;
}

/* Several may write to one file: the ring is the path's. */
static void
apply_output(struct logger *lg, const struct output *o, int64_t now)
{
	struct ring_conf conf = {.name = o->name,
	    .path = o->path,
	    .tail = o->tail,
	    .size = o->size,
	    .keep = o->keep,
	    .kind = kind_of(lg, o),
	    .is_stderr = o->is_stderr};
	char key[CURSOR_KEY_SIZE], ring_key[CURSOR_KEY_SIZE];
	struct stream *s;
	struct ring *r;

	snprintf(key, sizeof(key), "%s:%.*s", o->is_stderr ? "err" : "out",
	    OUTPUT_ID_MAX, o->id);
	snprintf(ring_key, sizeof(ring_key), "%s", key);
	if (o->kind == OUTPUT_FILE) {
		snprintf(ring_key, sizeof(ring_key), "file:%016" PRIx64,
		    names_hash(o->path));
		/* What is not one worker's is not said to be. */
		conf.name = NULL;
		conf.is_stderr = 0;
	}
	s = streams_get(lg, key);
	r = s == NULL ? NULL : rings_get(lg, ring_key, &conf);
	if (r != NULL) {
		streams_direct(lg, s, r, now);
		if (r->kind == OUTPUT_LOG && lg->own != NULL)
			copier_recover(lg, r);
	}
}

static int
load_table(struct logger *lg, int64_t now)
{
	int fd = (int)names_take(&lg->held, "outputs", -1);
	struct outputs o;
	struct err e;
	int rc;

	if (fd == -1)
		return 0;
	rc = outputs_load(&o, fd, &e);
	if (rc != 0 && lg->table_at == 0)
		log_error("%s", e.text);
	lg->table_at = 0;
	if (rc == 1 && names_put(&lg->held, "outputs", fd) == 0) {
		lg->table_at = now + AGAIN_MS;
		return 0;
	}
	if (rc != 0) {
		fd_close(&fd);
		return 0;
	}
	outputs_release(&lg->outputs);
	lg->outputs = o;
	fd_close(&lg->outputs_fd);
	lg->outputs_fd = fd;
	return 1;
}

static void
apply_table(struct logger *lg, int64_t now)
{
	struct stream *s;
	size_t i;

	lg->table++;
	own_ring(lg);
	for (i = 0; i < lg->outputs.n; i++)
		apply_output(lg, &lg->outputs.list[i], now);
	/* Those that have left: what they hold still goes where it belongs. */
	TAILQ_FOREACH (s, &lg->all_streams, all)
		if (s->table != lg->table && strcmp(s->key, OWN) != 0 &&
		    s->ring != NULL) {
			s->leaving = 1;
			streams_ready(lg, s);
		}
	if (outputs_forget_list(&lg->outputs) == -1)
		log_debug("no memory to have less in memory");
	/* Writers are copies of us, with whatever is left of it. */
	malloc_trim(0);
}

/*
 * Held, but not in the table: they left while nobody was there who could have
 * seen to them. Where they belong is not known any more but by their keys.
 */
static void
adopt_ring(struct logger *lg, const char *key, int64_t now)
{
	struct ring_conf conf = {.name = key,
	    .kind = strncmp(key, "file:", 5) == 0 ? OUTPUT_FILE : OUTPUT_LOG};
	struct ring *r;

	if (names_pointer(&lg->rings, key) != NULL)
		return;
	r = rings_get(lg, key, &conf);
	if (r == NULL)
		return;
	if (r->kind == OUTPUT_LOG && lg->own != NULL)
		copier_recover(lg, r);
	rings_detach(lg, r, now);
}

static void
adopt_stream(struct logger *lg, const char *key, int64_t now)
{
	struct ring_conf conf = {
	    .name = key + 4, .kind = OUTPUT_LOG, .is_stderr = key[0] == 'e'};
	struct stream *s = streams_get(lg, key);
	struct ring *r = s == NULL ? NULL : rings_get(lg, key, &conf);

	if (r == NULL)
		return;
	streams_direct(lg, s, r, now);
	s->leaving = 1;
}

/* A writer has given it to hold while main let go of the ring. */
static int
is_lost_sink(const struct logger *lg, const char *name)
{
	return strncmp(name, "sink:", 5) == 0 &&
	       names_pointer(&lg->rings, name + 5) == NULL;
}

static void
drop_sink(struct logger *lg, const char *name, int64_t now)
{
	(void)now;
	link_drop(&lg->link, name);
}

int
table_drops(struct logger *lg, const char *name)
{
	if (!is_lost_sink(lg, name))
		return 0;
	drop_sink(lg, name, 0);
	return 1;
}

/* The first held name that begins so and is of no use. */
static int
find_held(const struct logger *lg, const char *prefix, char *name, size_t size)
{
	const struct name *n;
	size_t i;

	for (i = 0; i < lg->held.nbuckets; i++)
		for (n = lg->held.buckets[i]; n != NULL; n = n->next)
			if (strncmp(n->text, prefix, strlen(prefix)) == 0 &&
			    (strcmp(prefix, "sink:") != 0 ||
				is_lost_sink(lg, n->text))) {
				snprintf(name, size, "%s", n->text);
				return 1;
			}
	return 0;
}

/* Only at the start: later ones are known, or will be in the next table. */
void
table_adopt_left_over(struct logger *lg, int64_t now)
{
	static const struct {
		const char *prefix;
		size_t skip;
		void (*adopt)(struct logger *lg, const char *key, int64_t now);
	} kinds[] = {{"out:", 0, adopt_stream}, {"err:", 0, adopt_stream},
	    {"ring:", 5, adopt_ring}, {"sink:", 0, drop_sink}};
	char name[KEEPER_NAME_MAX + 1];
	size_t k;
	int fd;

	if (lg->outputs.fleet == NULL)
		return;
	for (k = 0; k < sizeof(kinds) / sizeof(*kinds); k++)
		while (find_held(lg, kinds[k].prefix, name, sizeof(name))) {
			kinds[k].adopt(lg, name + kinds[k].skip, now);
			/* If it could not be. */
			fd = (int)names_take(&lg->held, name, -1);
			fd_close(&fd);
		}
}

static void
watch_own(struct logger *lg, int64_t now)
{
	struct stream *s;

	if (lg->own == NULL || names_get(&lg->held, OWN, -1) == -1)
		return;
	s = streams_get(lg, OWN);
	if (s != NULL)
		streams_direct(lg, s, lg->own, now);
}

void
table_update(struct logger *lg, int64_t now)
{
	if (load_table(lg, now))
		apply_table(lg, now);
	watch_own(lg, now);
}
