/*
 * floor_text: what floors and their workers have said of what they loaded, as
 * svd keeps it in memory: LOADED and `late` of ipc/proto_floor.h. User code
 * wrote both, so nothing of it is taken to be as it should.
 */
#ifndef SVD_SUPERVISOR_FLOOR_TEXT_H
#define SVD_SUPERVISOR_FLOOR_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Appends what the memory fd has, up to max_bytes. -1: fd is none, so that
 * reading it might take for ever, or it cannot be read. */
int floor_text_read(int fd, size_t max_bytes, struct buf *out);

/* The fields of LOADED; -1: not told, or nonsense. */
struct floor_load {
	int64_t ms, threads, modules;
	const char *way; /* "vfork", "double" or "python"; NULL */
};

/* text may be anything, and empty. */
void
floor_text_load(const char *text, size_t len_bytes, struct floor_load *out);

/* One module that processes loaded after their fork. */
struct floor_late {
	const char *name; /* borrowed of the text */
	size_t processes;
};

struct floor_lates {
	struct floor_late *list; /* what most have loaded comes first */
	size_t n;
	int cut; /* there was more */
};

/* Changes data, which list points to from then on. -1: no memory. */
int floor_text_late(char *data, size_t len_bytes, struct floor_lates *out);
void floor_lates_release(struct floor_lates *l);

#endif
