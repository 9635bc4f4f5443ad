/*
 * input: what `svctl attach` sends to: the writing end of a pipe that is a
 * worker's stdin (`stdin = pipe`), or the master of its terminal (`tty = yes`).
 * Made for each life, held by the keeper from before the birth on, as
 * "in:ID:GENERATION" or "tty:ID:GENERATION". Nothing is written to it here: the
 * logger's readers do that, and the logger takes what a terminal shows.
 *
 * A terminal whose worker has ended is held as "rest:ID:GENERATION" from then
 * on: the logger drops it once it has taken all that is left in it.
 */
#ifndef SVD_SUPERVISOR_INPUT_H
#define SVD_SUPERVISOR_INPUT_H

#include <stdint.h>

#include "base/err.h"

struct supervisor;
struct worker;

/* What a worker has of it. */
struct worker_input {
	int fd; /* ours, of what the keeper holds; -1: none */
	int is_tty;
	uint64_t generation; /* that it was made for */
};

/* Takes what the keeper holds. */
void input_init(struct supervisor *s);
/*
 * For a birth: *end is the worker's own end, to be closed by input_close(); 0
 * where it has none. Asked again for the same generation, it is another
 * descriptor of the same end. -1: *e begins with the stage.
 */
int input_open(struct worker *w, int *end, struct err *e);
void input_close(int *end);
/* The life that it was made for is over, and is recorded as that. */
void input_end(struct worker *w);

#endif
