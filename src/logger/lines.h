/*
 * lines: where a line ends in what was captured. A line that is too long is
 * several; what has no end yet waits for it.
 */
#ifndef SVD_LOGGER_LINES_H
#define SVD_LOGGER_LINES_H

#include <stddef.h>

#define LINE_TEXT_MAX 16384 /* bytes; a longer line is cut */

/*
 * How many bytes of buf the first line takes, its newline included; 0: it is
 * not whole yet. final: what is there will not be added to. *text_len: without
 * the newline, and a carriage return in front of it.
 */
size_t
line_take(const char *buf, size_t len_bytes, int final, size_t *text_len);

#endif
