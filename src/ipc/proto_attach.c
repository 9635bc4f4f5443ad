/* proto_attach: see proto_attach.h. */
#include "ipc/proto_attach.h"

#include <string.h>

#include "ipc/le.h"

static int
put_head(struct buf *out, enum attach_type type, size_t len)
{
	unsigned char head[ATTACH_HEAD_BYTES] = {(unsigned char)type};

	if (len > ATTACH_DATA_MAX ||
	    buf_reserve(out, ATTACH_HEAD_BYTES + len) == -1)
		return -1;
	le_put(head + 2, len, 2);
	return buf_add(out, head, sizeof(head));
}

int
attach_put(struct buf *out, enum attach_type type, const void *data, size_t len)
{
	if (put_head(out, type, len) == -1)
		return -1;
	return len == 0 ? 0 : buf_add(out, data, len);
}

int
attach_put_output(struct buf *out, enum attach_type type, const char *cursor,
    const void *data, size_t len)
{
	size_t cursor_len = strlen(cursor) + 1;

	if (put_head(out, type, cursor_len + len) == -1 ||
	    buf_add(out, cursor, cursor_len) == -1)
		return -1;
	return len == 0 ? 0 : buf_add(out, data, len);
}

int
attach_put_window(struct buf *out, unsigned int rows, unsigned int columns)
{
	unsigned char data[ATTACH_WINDOW_BYTES];

	le_put(data, rows, 2);
	le_put(data + 2, columns, 2);
	return attach_put(out, ATTACH_WINDOW, data, sizeof(data));
}

long
attach_take(const char *in, size_t len, struct attach_frame *f)
{
	const unsigned char *head = (const unsigned char *)in;

	if (len < ATTACH_HEAD_BYTES)
		return 0;
	if (head[0] == '\0' || strchr("iworgax", head[0]) == NULL ||
	    head[1] != 0)
		return -1;
	f->type = (enum attach_type)head[0];
	f->len = (size_t)le_get(head + 2, 2);
	f->data = in + ATTACH_HEAD_BYTES;
	return len - ATTACH_HEAD_BYTES < f->len
	           ? 0
	           : (long)(ATTACH_HEAD_BYTES + f->len);
}

unsigned int
attach_number(const struct attach_frame *f, size_t n)
{
	return f->len < 2 * (n + 1)
	           ? 0
	           : (unsigned int)le_get(
			 (const unsigned char *)f->data + 2 * n, 2);
}
