/* json_text: see json_text.h. */
#include "ipc/json_text.h"

#include <string.h>

#include "ipc/varlink.h"

#define NUMBER_SIZE 24 /* of 64 bits in decimal, and a sign */

/* What stands in JSON as it is. */
static int
is_plain(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	for (; *p != '\0'; p++)
		if (*p < ' ' || *p >= 0x7f || *p == '"' || *p == '\\')
			return 0;
	return 1;
}

static int
dump_cb(const char *data, size_t len, void *arg)
{
	return buf_add(arg, data, len);
}

/* What has to be escaped, or is no text at all: seldom. */
static int
add_escaped(struct buf *out, const char *text)
{
	json_t *s = varlink_string(text);
	int rc = -1;

	if (s != NULL)
		rc = json_dump_callback(s, dump_cb, out, JSON_ENCODE_ANY);
	json_decref(s);
	return rc;
}

int
json_text_string(struct buf *out, const char *before, const char *text)
{
	if (buf_adds(out, before) == -1)
		return -1;
	if (text == NULL || *text == '\0')
		return buf_add(out, "null", 4);
	if (!is_plain(text))
		return add_escaped(out, text);
	if (buf_add(out, "\"", 1) == -1 || buf_adds(out, text) == -1)
		return -1;
	return buf_add(out, "\"", 1);
}

int
json_text_int(struct buf *out, const char *before, int64_t n)
{
	char digits[NUMBER_SIZE], *p = digits + sizeof(digits);
	uint64_t left = n < 0 ? -(uint64_t)n : (uint64_t)n;

	do
		*--p = (char)('0' + left % 10);
	while ((left /= 10) != 0);
	if (n < 0)
		*--p = '-';
	if (buf_adds(out, before) == -1)
		return -1;
	return buf_add(out, p, (size_t)(digits + sizeof(digits) - p));
}

int
json_text_int_unless(
    struct buf *out, const char *before, int64_t n, int64_t none)
{
	if (n != none)
		return json_text_int(out, before, n);
	return buf_adds(out, before) == -1 ? -1 : buf_add(out, "null", 4);
}

/* At least one digit behind the point, and no zeros at the end. */
int
json_text_seconds(struct buf *out, const char *before, int64_t ms)
{
	char tail[] = {'.', '0', '0', '0'};
	size_t len = sizeof(tail);
	int rest;

	if (ms < 0)
		ms = 0;
	rest = (int)(ms % 1000);
	tail[1] = (char)('0' + rest / 100);
	tail[2] = (char)('0' + rest / 10 % 10);
	tail[3] = (char)('0' + rest % 10);
	while (len > 2 && tail[len - 1] == '0')
		len--;
	if (json_text_int(out, before, ms / 1000) == -1)
		return -1;
	return buf_add(out, tail, len);
}

int
json_text_bool(struct buf *out, const char *before, int is_true)
{
	if (buf_adds(out, before) == -1)
		return -1;
	return buf_adds(out, is_true ? "true" : "false");
}
