/*
 * dump: what a worker and all processes of its tree are about, as text, for
 * whoever wonders why it hangs. A forked child gathers it, the cheapest first;
 * what has come when the time is over is the dump.
 */
#ifndef SVD_SUPERVISOR_DUMP_H
#define SVD_SUPERVISOR_DUMP_H

#include <sys/queue.h>

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "ipc/proto_keeper.h"

#define DUMPS_MAX 8           /* at once, in all of the fleet; others wait */
#define DUMP_TEXT_MAX 1048576 /* bytes */
/* For which an end waits for its dump. Who has no longer makes room for those
 * that wait; who has was asked for by somebody. */
#define DUMP_MS KEEPER_LOOK_MS

struct dump;
LIST_HEAD(dump_list, dump);
TAILQ_HEAD(dump_queue, dump);
struct worker;

/*
 * Begins. done is called once, from the loop, when all is gathered or after
 * ms; not once it was freed. NULL: it cannot be now, as *e says.
 */
struct dump *dump_begin(struct worker *w, int64_t ms, void (*done)(void *arg),
    void *arg, struct err *e);
/* Is there no more to come? */
int dump_over(const struct dump *d);
/* Why it is not whole; "": it is. */
const char *dump_cut(const struct dump *d);
/*
 * What there is by now: lines, each with its newline, in which whatever a
 * worker could choose is escaped, so that none can be forged; bytes over 0x7f
 * may be of any encoding. Valid as long as d.
 */
const char *dump_text(const struct dump *d);
/*
 * w was sent KILL. Whoever traces a process hears of its end first, and all
 * others only once the tracer is through with it: dumps of w end now, with what
 * there is.
 */
void dump_give_way(const struct worker *w);
/* At any time; NULL is allowed. */
void dump_free(struct dump *d);

#endif
