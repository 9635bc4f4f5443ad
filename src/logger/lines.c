/* lines: see lines.h. */
#include "logger/lines.h"

#include <string.h>

/* Not within a character of UTF-8, if it is one. */
static size_t
cut(const char *buf, size_t len)
{
	size_t i;

	for (i = 0; i < 3 && ((unsigned char)buf[len - i] & 0xc0) == 0x80; i++)
		;
	return ((unsigned char)buf[len - i] & 0xc0) == 0xc0 ? len - i : len;
}

size_t
line_take(const char *buf, size_t len, int final, size_t *text_len)
{
	size_t seen = len > LINE_TEXT_MAX ? LINE_TEXT_MAX + 1 : len;
	const char *end = memchr(buf, '\n', seen);

	if (end != NULL) {
		*text_len = (size_t)(end - buf);
		seen = *text_len + 1;
		/* As terminals write it. */
		if (*text_len > 0 && end[-1] == '\r')
			--*text_len;
		return seen;
	}
	if (len > LINE_TEXT_MAX) {
		*text_len = cut(buf, LINE_TEXT_MAX);
		return *text_len;
	}
	*text_len = final ? len : 0;
	return *text_len;
}
