/*
 * view: workers as the control protocol shows them. The IDL text of what is
 * made here stands in view.c too, so that one cannot change without the other.
 */
#ifndef SVD_SUPERVISOR_VIEW_H
#define SVD_SUPERVISOR_VIEW_H

#include <jansson.h>

struct supervisor;
struct worker;

typedef json_t *view_fn(const struct supervisor *s, const struct worker *w);

/* Varlink IDL of the types Worker, Exit, Death, Reason and Unready. */
extern const char view_types[];

/* IDL of what view_status makes, without the parentheses. */
#define VIEW_STATUS                                             \
	"fleet: string, keeper_pid: int, supervisor_pid: int, " \
	"logger_pid: int, workers: []Worker"

/*
 * Each returns a new reference, or NULL without memory; view_unready null for a
 * worker that is ready or need not be.
 */
json_t *view_worker(const struct supervisor *s, const struct worker *w);
json_t *view_unready(const struct supervisor *s, const struct worker *w);
json_t *view_reason(const struct supervisor *s, const struct worker *w);

/* A list of what view makes of each worker that is picked (see pick.h; NULL:
 * all), but for null. */
json_t *view_workers(struct supervisor *s, const json_t *pick, view_fn *view);
/* Takes workers. */
json_t *view_status(const struct supervisor *s, json_t *workers);

#endif
