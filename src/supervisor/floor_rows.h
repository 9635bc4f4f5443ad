/*
 * floor_rows: the generations of floors that there is something to tell of,
 * in the order in which they are told of; and what there is to tell of a worker
 * that waits for its floor.
 */
#ifndef SVD_SUPERVISOR_FLOOR_ROWS_H
#define SVD_SUPERVISOR_FLOOR_ROWS_H

#include <stddef.h>
#include <stdint.h>

struct floor;
struct supervisor;
struct worker;

struct floor_row {
	struct floor *floor;
	struct worker *slot; /* NULL: only workers are left of it */
	uint64_t generation;
	int leads; /* it serves, or is the newest where none does */
	size_t workers, spares;
};

struct floor_rows {
	struct floor_row *list;
	size_t n, cap;
};

/* Each floor's one that leads, then its others that have a process or workers.
 * Zero *r. -1: no memory. */
int floor_rows_make(struct supervisor *s, struct floor_rows *r);
void floor_rows_release(struct floor_rows *r);
/* Does w's process stand on it? */
int floor_row_has(const struct floor_row *row, const struct worker *w);
/* "LOADING" ... */
const char *floor_row_state(const struct floor_row *row);
/* What is wrong with it; "": nothing. */
const char *floor_row_error(const struct floor_row *row);
/* Whose trace tells more of that (see trace.h); NULL: nobody's. */
const struct worker *floor_row_failed(const struct floor_row *row);

/* Does w wait for a process from its floor? */
int floor_waits(const struct worker *w);
/* That wait was in vain, so far: the slot that could not be loaded; NULL: it
 * was not. */
const struct worker *floor_failed_for(const struct worker *w);
/* The same as "floor 'py': why"; NULL. Valid until called again. */
const char *floor_failure_for(const struct worker *w);
/* What one that waits so waits for, as a sentence's end. */
void floor_waiting_text(const struct worker *w, char *out, size_t size);

#endif
