/*
 * ini: sections, keys and values of one text, by inih.
 *
 * inih alone cuts long lines, names and values silently and stops counting at
 * the first error (see ini.c). This wrapper refuses or hides from it all it
 * would get wrong: a value comes out as it was written, whatever its length,
 * its continuation lines joined by one blank each.
 */
#ifndef SVD_CONF_INI_H
#define SVD_CONF_INI_H

#include <stddef.h>

#include "conf/conf.h"

#define INI_NAME_MAX 49 /* bytes of a section's or key's name, as in inih */

/* Who is told. Strings live as long as the call. */
struct ini_sink {
	void (*section)(void *arg, const char *name, int line);
	void (*key)(void *arg, const char *key, const char *value, int line);
	void *arg;
};

/*
 * Reads text and reports what is wrong with it to d as lines of file. Keys of a
 * section whose header is wrong are left out. Returns 0, or -1 where the text
 * could not be read to its end; d then says why.
 */
int ini_read(const struct ini_sink *sink, const char *file, const char *text,
    size_t len_bytes, struct diags *d);

#endif
