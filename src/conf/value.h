/*
 * value: one value of the fleet file, from its text to a field.
 */
#ifndef SVD_CONF_VALUE_H
#define SVD_CONF_VALUE_H

#include "base/err.h"
#include "conf/keys.h"
#include "conf/words.h"

/*
 * Expands and parses text into key's field of section, a struct fleet_section
 * or worker_section whose field was zero or holds no memory. -1 leaves the
 * field as it was; e's text then begins with the key's name.
 */
int value_parse(const struct conf_key *key, const struct expansion *x,
    const char *text, void *section, struct err *e);
/* Does its field own memory, so that it cannot be copied as it is? */
int value_owns_memory(enum value_type type);
/* "duration", "words" ... */
const char *value_type_name(enum value_type type);

#endif
