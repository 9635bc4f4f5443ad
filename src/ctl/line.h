/*
 * line: one line of a worker's output, as Logs has it. Its bytes may be any: a
 * terminal is shown none that would talk to it, a file or pipe gets them all.
 */
#ifndef SVD_CTL_LINE_H
#define SVD_CTL_LINE_H

#include <jansson.h>

#include "base/buf.h"

/* Appends the bytes of `line`, or of `data` in base64. -1: neither is there,
 * it is no base64, or there is no memory. */
int line_bytes(const json_t *reply, struct buf *out);
/* Prints them and a newline; nothing where there are none. */
void line_print(const json_t *reply);

#endif
