/* base64: see base64.h. */
#include "logger/base64.h"

#include <stdint.h>

void
base64_encode(const void *data, size_t len, char *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *in = data;
	size_t i, k, n;
	uint32_t v;

	for (i = 0; i < len; i += 3) {
		n = len - i < 3 ? len - i : 3;
		for (v = 0, k = 0; k < 3; k++)
			v = v << 8 | (k < n ? in[i + k] : 0);
		for (k = 0; k < 4; k++)
			*out++ = k <= n ? digits[v >> (18 - 6 * k) & 63] : '=';
	}
	*out = '\0';
}
