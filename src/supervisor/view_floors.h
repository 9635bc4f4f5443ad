/*
 * view_floors: floors as the control protocol shows them, with the IDL text of
 * what is made here.
 */
#ifndef SVD_SUPERVISOR_VIEW_FLOORS_H
#define SVD_SUPERVISOR_VIEW_FLOORS_H

#include "base/buf.h"
#include "supervisor/floor_rows.h"
#include "supervisor/measure.h"

struct supervisor;
struct worker;

/* Varlink IDL of the types Floor, FloorWorker and Late. */
extern const char view_floors_types[];

/* Appends an object; m is of its process and, where it is for long, of its
 * workers. -1: no memory, out may end anywhere. */
int view_floor(const struct supervisor *s, const struct floor_row *row,
    const struct measure *m, int is_long, struct buf *out);
/* Appends what was measured of memory, with the comma before it; where pid was
 * not, nulls. */
int view_memory(const struct measure *m, int pid, struct buf *out);
/* Has w more memory of its own than its floor's max_private allows? If so the
 * log says it, once for each process. */
int floor_judge_private(struct worker *w, const struct measure *m);

#endif
