/*
 * fuzz_channel: any bytes as a frame from a worker, and as JSON that is passed
 * on as it is. None may crash or be read past its end; what is taken for a
 * frame is one, and what is taken for JSON is that to another parser too.
 *
 *	make fuzz FUZZ=channel
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/frame.h"
#include "ipc/json_scan.h"
#include "ipc/varlink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_frame(const uint8_t *data, size_t size, size_t nfds)
{
	unsigned char head[FRAME_HEAD_BYTES];
	struct frame f;

	if (frame_parse(data, size, nfds, &f) != NULL)
		return;
	if (f.name_len > FRAME_NAME_MAX || f.value_len > FRAME_VALUE_MAX ||
	    (f.value == NULL) != (nfds == 1) || nfds > 1 ||
	    f.name != (const char *)data + FRAME_HEAD_BYTES ||
	    (f.value != NULL &&
		f.value + f.value_len != (const char *)data + size))
		abort();
	frame_put_head(&f, head);
	if (memcmp(head, data, sizeof(head)) != 0)
		abort();
}

/* How deep it may be nested, at most. */
static size_t
depth(const char *text, size_t len)
{
	size_t i, n = 0;

	for (i = 0; i < len; i++)
		n += text[i] == '[' || text[i] == '{';
	return n;
}

static void
read_json(char *text, size_t len)
{
	int is_value = json_scan_is_value(text, len);
	json_t *other = json_loadb(text, len,
	    JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);
	struct json_slice s;

	/* The other takes a NUL for an end, and has limits of its own, of
	 * numbers and surrogates. */
	if (other != NULL && !is_value && memchr(text, '\0', len) == NULL &&
	    depth(text, len) <= JSON_SCAN_DEPTH)
		abort();
	json_decref(other);
	s = json_scan_member(text, len, "value");
	if (s.at != NULL && !json_scan_is_value(s.at, s.len))
		abort();
}

/* A message means the same with its value cut out. */
static void
read_message(const char *text, size_t len)
{
	struct varlink_in in = {.scanned = 0};
	struct buf value = {0};
	json_t *msg = NULL;
	struct err e;
	int rc;

	if (buf_add(&in.buf, text, len) == -1 || buf_add(&in.buf, "", 1) == -1)
		abort();
	rc = varlink_take_value(&in, VARLINK_CALL_MAX, &value, &msg, &e);
	if (rc == 1 && value.len > 0 &&
	    (!json_scan_is_value(value.data, value.len) ||
		!json_is_integer(json_object_get(
		    json_object_get(msg, "parameters"), "value"))))
		abort();
	if (rc == 1)
		json_decref(msg);
	buf_release(&value);
	varlink_in_release(&in);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size == 0 ? 1 : size);

	if (text == NULL)
		abort();
	memcpy(text, data, size);
	read_frame(data, size, 0);
	read_frame(data, size, 1);
	read_frame(data, size, 2);
	read_message(text, size);
	read_json(text, size);
	free(text);
	return 0;
}
