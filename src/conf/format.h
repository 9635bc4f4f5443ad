/*
 * format: values as they would be written in a fleet file: what value_parse()
 * makes of a text that was made here is the same value again.
 */
#ifndef SVD_CONF_FORMAT_H
#define SVD_CONF_FORMAT_H

#include "base/buf.h"
#include "conf/keys.h"

/* What stands for a variable's value where it must not be seen. */
#define FORMAT_MASK "***"

/*
 * Appends key's value in section, a struct fleet_section or worker_section (or
 * the worker_conf that it begins with, if key's field is in there), to out,
 * which then has data. masked: variables as "K=***". 1: done, 0: it has no
 * value, -1: no memory.
 */
int value_format(const struct conf_key *key, const void *section, int masked,
    struct buf *out);

#endif
