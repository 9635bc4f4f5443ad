/*
 * store: where rings, cursors and marks are kept. In files of DIR/rings, mode
 * 0600 within 0700, if that is a tmpfs: memory, which has a name, so that an
 * svd that comes after a keeper's death finds what was taken of FIFOs and not
 * delivered. Elsewhere, where a disk could stall, or if there is no room, in
 * memfds. The keeper holds either.
 */
#ifndef SVD_LOGGER_STORE_H
#define SVD_LOGGER_STORE_H

#define STORE_CURSORS "cursors"
#define STORE_MARKS "marks"

struct store {
	int dir; /* DIR/rings; -1: there are memfds only */
	char path[4096];
};

/* runtime_dir: NULL, or borrowed for the call. */
void store_open(struct store *st, const char *runtime_dir);
/* A new and empty one, in place of what has its name; or -1 and errno. */
int store_make(const struct store *st, const char *name);
/* One that an earlier svd has left; -1: there is none. */
int store_find(const struct store *st, const char *name);
void store_remove(const struct store *st, const char *name);
/* Removes all, and the folder if it is the end. */
void store_clear(struct store *st, int end);

#endif
