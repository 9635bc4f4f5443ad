/*
 * trace: the long text that tells what a worker, or a floor, last ended of: a
 * traceback. A memfd that the keeper holds as "trace:ID", so that a successor
 * has it too.
 */
#ifndef SVD_SUPERVISOR_TRACE_H
#define SVD_SUPERVISOR_TRACE_H

#include "base/buf.h"

struct supervisor;
struct worker;

/* In place of what there was; NULL or "": there is none. Without memory, too.
 */
void trace_put(struct worker *w, const char *text);
/* A successor's. */
void trace_adopt(struct supervisor *s);
/* Appends the text; -1: there is none, or no memory. */
int trace_read(const struct worker *w, struct buf *out);
/* w goes away: closes what is ours; the keeper's is dropped by trace_put(). */
void trace_close(struct worker *w);

#endif
