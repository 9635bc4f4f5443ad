/*
 * rings: what is captured and kept, while the logger runs.
 */
#ifndef SVD_LOGGER_RINGS_H
#define SVD_LOGGER_RINGS_H

#include "logger/context.h"

/* What a ring is for; strings are copied. Of a name, which lines are told by,
 * and a path, one may be NULL. */
struct ring_conf {
	const char *name, *path;
	uint64_t tail, size;
	uint32_t keep;
	unsigned char kind, is_stderr;
};

/*
 * The ring of that key, as conf says from now on: there already, held by the
 * keeper since an earlier life, or new. NULL: it cannot be had, which is
 * logged.
 */
struct ring *
rings_get(struct logger *lg, const char *key, const struct ring_conf *conf);
/* So much more was captured. */
void
rings_grown(struct logger *lg, struct ring *r, uint64_t bytes, int64_t now);
/* Is there room for a piece? And if there was not: for many by now? */
int rings_have_room(const struct ring *r);
int rings_can_go_on(const struct ring *r);
/* One stream more, or less, ends in it; without any it leaves. */
void rings_attach(struct logger *lg, struct ring *r);
void rings_detach(struct logger *lg, struct ring *r, int64_t now);
/* Lets go of those that leave and have delivered all. */
void rings_let_go(struct logger *lg);
/* Gives back the pages of those that are used again and again. */
void rings_give_back(struct logger *lg);
/* Have all of them delivered all? */
int rings_are_done(const struct logger *lg);

#endif
