/*
 * dump_log: a dump (dump.h) that is written to svd's log, each line with the
 * worker's name in front, before its process is made to end: afterwards there
 * is nothing left to look at.
 */
#ifndef SVD_SUPERVISOR_DUMP_LOG_H
#define SVD_SUPERVISOR_DUMP_LOG_H

struct supervisor;
struct worker;

/*
 * Dumps w to the log, then calls then(w): after DUMP_MS at the latest, and at
 * once where no dump can be made, which is logged. Not if its process has ended
 * meanwhile. While a dump is under way for w, it only replaces what is done
 * then. then may be NULL.
 */
void dump_then(struct worker *w, void (*then)(struct worker *w));
/* Its process has ended, or w: what was gathered is logged, nothing is done. */
void dump_forget(struct worker *w);

/* A long one is written bit by bit, as a log holds no more at once. All that is
 * left, now. */
void dump_log_finish(struct supervisor *s);

#endif
