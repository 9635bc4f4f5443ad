/* fdname: see fdname.h. */
#include "ipc/fdname.h"

#include <string.h>

static const char digits[] = "0123456789ABCDEF";

static int
is_plain(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != ':' && c != '%';
}

void
fdname_encode(const char *name, char out[FDNAME_SIZE])
{
	unsigned char c;

	for (; (c = (unsigned char)*name) != '\0'; name++) {
		if (is_plain(c)) {
			*out++ = (char)c;
			continue;
		}
		*out++ = '%';
		*out++ = digits[c >> 4];
		*out++ = digits[c & 0xf];
	}
	*out = '\0';
}

static int
digit(char c)
{
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits);
}

int
fdname_decode(const char *text, size_t len, char out[KEEPER_NAME_MAX + 1])
{
	size_t i, n = 0;
	int high, low;
	char c;

	for (i = 0; i < len; i++) {
		c = text[i];
		if (c == '%') {
			high = len - i > 2 ? digit(text[i + 1]) : -1;
			low = len - i > 2 ? digit(text[i + 2]) : -1;
			if (high == -1 || low == -1)
				return -1;
			c = (char)(high << 4 | low);
			i += 2;
		} else if (!is_plain((unsigned char)c))
			return -1;
		if (c == '\0' || n == KEEPER_NAME_MAX)
			return -1;
		out[n++] = c;
	}
	out[n] = '\0';
	return n == 0 ? -1 : 0;
}
