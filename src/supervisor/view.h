/*
 * view: workers as the control protocol shows them. The IDL text of what is
 * made here stands in view.c too, so that one cannot change without the other.
 */
#ifndef SVD_SUPERVISOR_VIEW_H
#define SVD_SUPERVISOR_VIEW_H

#include <jansson.h>

struct supervisor;
struct worker;

/* Varlink IDL of the types Worker, Exit, Death and Reason. */
extern const char view_types[];

/* Each returns a new reference, or NULL without memory. */
json_t *view_worker(const struct supervisor *s, const struct worker *w);
json_t *view_reason(const struct supervisor *s, const struct worker *w);

#endif
