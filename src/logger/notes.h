/*
 * notes: which file a stream ends in that has no ring by its own key. For a
 * later life of the logger, in case that the worker leaves while nobody is
 * there to see to it. Kept in the table of cursors; of several the last one
 * counts.
 */
#ifndef SVD_LOGGER_NOTES_H
#define SVD_LOGGER_NOTES_H

#include "logger/context.h"

/* s, as yet in its old ring, is to end in r, whose path has that hash. */
void notes_put(struct logger *lg, const struct stream *s, const struct ring *r,
    uint64_t file);
void notes_drop(struct logger *lg, const struct stream *s);
/* The key of the ring that the stream of that key ends in: its own, if it has
 * one or nothing is noted. */
void
notes_find(const struct logger *lg, const char *key, char *out, size_t size);

#endif
