/*
 * view: workers as the control protocol shows them. The IDL text of what is
 * made here stands in view.c too, so that one cannot change without the other.
 */
#ifndef SVD_SUPERVISOR_VIEW_H
#define SVD_SUPERVISOR_VIEW_H

#include <jansson.h>

#include "base/buf.h"

struct death;
struct floor_row;
struct supervisor;
struct worker;

typedef json_t *view_fn(const struct supervisor *s, const struct worker *w);

/* Varlink IDL of the types Worker, Exit, Death, Reason and Unready. */
extern const char view_types[];

/* IDL of what view_status makes, without the parentheses. */
#define VIEW_STATUS                                             \
	"fleet: string, keeper_pid: int, supervisor_pid: int, " \
	"logger_pid: int, degraded: ?string, workers: []Worker"

/*
 * Each returns a new reference, or NULL without memory; view_unready null for a
 * worker that is ready or need not be.
 */
json_t *view_unready(const struct supervisor *s, const struct worker *w);
json_t *view_reason(const struct supervisor *s, const struct worker *w);

/* Of a row that has a slot. */
json_t *
view_floor_reason(const struct supervisor *s, const struct floor_row *row);

/* A list of what view makes of each worker that is picked (see pick.h; NULL:
 * all), but for null. */
json_t *view_workers(struct supervisor *s, const json_t *pick, view_fn *view);

/* Appends an object: what is told of every worker of a large fleet is text.
 * -1: no memory, out may end anywhere; so with view_status. */
int view_worker(
    const struct supervisor *s, const struct worker *w, struct buf *out);
/* An Exit, or null. */
int view_exit(const struct death *d, struct buf *out);
/* Appends more members of a worker's object, each after a comma. */
typedef int view_more_fn(struct worker *w, struct buf *out, void *arg);
/* Appends the members of VIEW_STATUS, with the workers picked; more may be
 * NULL. */
int view_status(struct supervisor *s, const json_t *pick, view_more_fn *more,
    void *arg, struct buf *out);

#endif
