/*
 * view_conf: fleet files and their differences as the control protocol shows
 * them. Values are written as they would be in a file.
 */
#ifndef SVD_SUPERVISOR_VIEW_CONF_H
#define SVD_SUPERVISOR_VIEW_CONF_H

#include <jansson.h>

#include "conf/conf.h"
#include "conf/source.h"

struct reload;

/* Varlink IDL of the types Change, Difference, Setting and Settings. */
extern const char view_conf_types[];

/* Each returns a new reference, or NULL without memory. */
/* The errors, or the warnings. */
json_t *view_diags(const struct diags *d, int errors);
/* What of [fleet] is different, but waits for the next start of svd. */
json_t *view_notes(const struct fleet *was, const struct fleet *is);
/* Of a reload that is loaded. masked: variables are "K=***". */
json_t *view_diff(const struct reload *r, int masked);

#endif
