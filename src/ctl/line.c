/* line: see line.h. */
#include "ctl/line.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int
digit_of(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits);
}

/* Four digits are three bytes; '=' stands for those that are missing. */
static int
add_base64(const char *text, struct buf *out)
{
	size_t len = strlen(text), i, j, n;
	unsigned char bytes[3];
	uint32_t v;
	int d;

	for (i = 0; i < len; i += 4) {
		if (len - i < 4)
			return -1;
		for (v = 0, n = 3, j = 0; j < 4; j++) {
			d = digit_of(text[i + j]);
			if (d == -1 && text[i + j] == '=' && i + 4 == len &&
			    (j == 3 || (j == 2 && text[i + 3] == '='))) {
				d = 0;
				n--;
			}
			if (d == -1)
				return -1;
			v = v << 6 | (uint32_t)d;
		}
		for (j = 0; j < 3; j++)
			bytes[j] = (unsigned char)(v >> (16 - 8 * j));
		if (buf_add(out, bytes, n) == -1)
			return -1;
	}
	/* Also where there was nothing to add. */
	return buf_add(out, "", 0);
}

int
line_bytes(const json_t *reply, struct buf *out)
{
	const json_t *line = json_object_get(reply, "line");
	const json_t *data = json_object_get(reply, "data");

	if (json_is_string(line))
		return buf_add(
		    out, json_string_value(line), json_string_length(line));
	if (json_is_string(data))
		return add_base64(json_string_value(data), out);
	return -1;
}

/* Control characters, also those of C1, which UTF-8 writes as C2 80 to C2 9F;
 * in bytes that are no UTF-8 all that is not ASCII. */
static void
make_safe(char *text, size_t len, int is_utf8)
{
	unsigned char *p = (unsigned char *)text, *end = p + len;

	for (; p < end; p++) {
		if ((*p < ' ' && *p != '\t') || *p == 0x7f ||
		    (*p >= 0x80 && !is_utf8))
			*p = '?';
		else if (*p == 0xc2 && p + 1 < end && p[1] <= 0x9f)
			p[0] = p[1] = '?';
	}
}

void
line_print(const json_t *reply)
{
	struct buf b = {0};

	if (line_bytes(reply, &b) == 0) {
		if (isatty(STDOUT_FILENO))
			make_safe(b.data, b.len,
			    json_is_string(json_object_get(reply, "line")));
		fwrite(b.data, 1, b.len, stdout);
		putchar('\n');
	}
	buf_release(&b);
}
