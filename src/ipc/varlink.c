/* varlink: see varlink.h. */
#include "ipc/varlink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/json_scan.h"
#include "ipc/json_tree.h"

/* Milliseconds as seconds keep their three digits, and no noise behind. */
#define DUMP_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(15))
#define KEEP_BYTES 65536 /* an empty buffer over this is given back */

int
varlink_pending(struct varlink_in *in)
{
	const struct buf *b = &in->buf;

	if (in->scanned < b->len &&
	    memchr(b->data + in->scanned, '\0', b->len - in->scanned) != NULL)
		return 1;
	in->scanned = b->len;
	return 0;
}

struct json_slice
varlink_method(struct varlink_in *in, size_t *at)
{
	const struct buf *b = &in->buf;
	char *text, *end;

	if (!varlink_pending(in) || *at >= b->len)
		return (struct json_slice){.at = NULL};
	text = b->data + *at;
	end = memchr(text, '\0', b->len - *at);
	if (end == NULL)
		return (struct json_slice){.at = NULL};
	*at = (size_t)(end + 1 - b->data);
	return json_scan_member(text, (size_t)(end - text), "method");
}

static void
consume(struct varlink_in *in, size_t len)
{
	buf_consume(&in->buf, len);
	in->scanned = 0;
	if (in->buf.len == 0 && in->buf.cap > KEEP_BYTES)
		buf_release(&in->buf);
}

static int
bad_json(struct err *e, const json_error_t *why)
{
	return err_set(e, "bad JSON: %s", why->text);
}

/* The first element of the array, in text of that length. NULL: there is none.
 * In a string there can be no such thing: its quotes are escaped. */
static char *
find_rows(char *text, size_t len, const char *key)
{
	char before[64];
	int n = snprintf(before, sizeof(before), "\"%s\":[", key);
	char *found;

	if (n < 0 || n >= (int)sizeof(before))
		return NULL;
	found = memmem(text, len, before, (size_t)n);
	return found == NULL || found[n] == ']' ? NULL : found + n;
}

/* As fast as may be; why it is none, or what it is if it is not plain, jansson
 * tells. */
static json_t *
read_row(const char *text, const char *end, const char **behind, struct err *e)
{
	json_t *row = json_tree_object(text, end, behind);
	json_error_t why;

	if (row != NULL)
		return row;
	row = json_loadb(text, (size_t)(end - text),
	    JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK,
	    &why);
	if (row == NULL)
		bad_json(e, &why);
	else
		*behind = text + why.position;
	return row;
}

/* Takes the elements from text, which gets shorter. */
static int
take_rows(
    char *text, size_t *len, const struct varlink_rows *rows, struct err *e)
{
	char *first = find_rows(text, *len, rows->key);
	const char *at = first, *end = text + *len;
	json_t *row;

	if (first == NULL)
		return 0;
	do {
		row = read_row(at, end, &at, e);
		if (row == NULL)
			return -1;
		rows->take(rows->arg, row);
		json_decref(row);
		at += strspn(at, " \t\r\n");
	} while (at < end && *at++ == ',');
	if (at[-1] != ']')
		return err_set(e, "bad JSON: ']' expected");
	memmove(first, at - 1, (size_t)(end - at) + 1);
	*len -= (size_t)(at - 1 - first);
	return 0;
}

int
varlink_take(struct varlink_in *in, size_t max, json_t **msg, struct err *e)
{
	return varlink_take_rows(in, max, NULL, msg, e);
}

int
varlink_take_rows(struct varlink_in *in, size_t max,
    const struct varlink_rows *rows, json_t **msg, struct err *e)
{
	json_error_t why;
	size_t len, left;

	if (!varlink_pending(in)) {
		if (in->buf.len < max)
			return 0;
		return err_set(e, "message over %zu bytes", max);
	}
	len = strlen(in->buf.data);
	if (len >= max)
		return err_set(e, "message over %zu bytes", max);
	left = len;
	if (rows != NULL && take_rows(in->buf.data, &left, rows, e) == -1)
		return -1;
	*msg = json_loadb(in->buf.data, left, JSON_REJECT_DUPLICATES, &why);
	if (*msg == NULL)
		return bad_json(e, &why);
	if (!json_is_object(*msg)) {
		json_decref(*msg);
		return err_set(e, "message is not an object");
	}
	consume(in, len + 1);
	return 1;
}

/* Of a text that is no message after all, nothing need be found. */
static int
cut_value(char *text, size_t len, struct buf *value)
{
	static const char key[] = "\"value\"";
	struct json_slice s = {.at = NULL};

	if (memmem(text, len, key, strlen(key)) != NULL)
		s = json_scan_member(text, len, "parameters");
	if (s.at != NULL)
		s = json_scan_member(s.at, s.len, "value");
	if (s.at == NULL)
		return 0;
	if (buf_add(value, s.at, s.len) == -1)
		return -1;
	memset(s.at, ' ', s.len);
	s.at[0] = '0';
	return 0;
}

int
varlink_take_value(struct varlink_in *in, size_t max, struct buf *value,
    json_t **msg, struct err *e)
{
	size_t len;

	value->len = 0;
	if (varlink_pending(in)) {
		len = strlen(in->buf.data);
		if (len < max && cut_value(in->buf.data, len, value) == -1)
			return err_set(e, "out of memory");
	}
	return varlink_take(in, max, msg, e);
}

void
varlink_in_release(struct varlink_in *in)
{
	buf_release(&in->buf);
	in->scanned = 0;
}

/* Absent is false; anything but a boolean is an error. */
static int
read_flag(json_t *msg, const char *key, int *v, struct err *e)
{
	json_t *flag = json_object_get(msg, key);

	*v = json_is_true(flag);
	if (flag != NULL && !json_is_boolean(flag))
		return err_set(e, "'%s' is not a boolean", key);
	return 0;
}

/* Absent is empty: an empty object is put into msg. */
static int
read_parameters(json_t *msg, json_t **parameters, struct err *e)
{
	*parameters = json_object_get(msg, "parameters");
	if (*parameters == NULL || json_is_null(*parameters)) {
		*parameters = json_object();
		/* Takes the reference, also where it fails. */
		if (json_object_set_new(msg, "parameters", *parameters) == -1)
			return err_set(e, "out of memory");
	}
	if (!json_is_object(*parameters))
		return err_set(e, "'parameters' is not an object");
	return 0;
}

int
varlink_read_call(json_t *msg, struct varlink_call *c, struct err *e)
{
	c->method = json_string_value(json_object_get(msg, "method"));
	if (c->method == NULL)
		return err_set(e, "call without a method");
	if (read_flag(msg, "more", &c->more, e) == -1 ||
	    read_flag(msg, "oneway", &c->oneway, e) == -1 ||
	    read_flag(msg, "upgrade", &c->upgrade, e) == -1)
		return -1;
	return read_parameters(msg, &c->parameters, e);
}

int
varlink_read_reply(json_t *msg, struct varlink_reply *r, struct err *e)
{
	json_t *error = json_object_get(msg, "error");

	r->error = json_string_value(error);
	if (error != NULL && r->error == NULL)
		return err_set(e, "'error' is not a string");
	if (read_flag(msg, "continues", &r->continues, e) == -1)
		return -1;
	return read_parameters(msg, &r->parameters, e);
}

static int
dump_cb(const char *data, size_t len, void *arg)
{
	return buf_add(arg, data, len);
}

/* Takes over msg, and parameters as a member of it. */
static int
write_message(struct buf *out, json_t *msg, json_t *parameters)
{
	size_t before = out->len;
	int rc = -1;

	if (json_object_set_new(msg, "parameters", parameters) == -1)
		goto out;
	rc = json_dump_callback(msg, dump_cb, out, DUMP_FLAGS);
	if (rc == 0)
		rc = buf_add(out, "", 1);
out:
	if (rc == -1)
		out->len = before;
	json_decref(msg);
	return rc;
}

int
varlink_write_call(
    struct buf *out, const char *method, json_t *parameters, int flags)
{
	json_t *msg = json_pack("{s:s}", "method", method);

	if (((flags & VARLINK_MORE) &&
		json_object_set_new(msg, "more", json_true()) == -1) ||
	    ((flags & VARLINK_UPGRADE) &&
		json_object_set_new(msg, "upgrade", json_true()) == -1)) {
		json_decref(msg);
		msg = NULL;
	}
	return write_message(out, msg, parameters);
}

int
varlink_write_reply(struct buf *out, json_t *parameters)
{
	return write_message(out, json_object(), parameters);
}

int
varlink_write_part(struct buf *out, json_t *parameters)
{
	return write_message(
	    out, json_pack("{s:b}", "continues", 1), parameters);
}

int
varlink_write_error(struct buf *out, const char *error, json_t *parameters)
{
	return write_message(
	    out, json_pack("{s:s}", "error", error), parameters);
}

int
varlink_begin_reply(struct buf *out)
{
	return buf_adds(out, "{\"parameters\":{");
}

int
varlink_begin_part(struct buf *out)
{
	return buf_adds(out, "{\"continues\":true,\"parameters\":{");
}

int
varlink_end(struct buf *out)
{
	return buf_add(out, "}}", sizeof("}}"));
}

json_t *
varlink_string(const char *text)
{
	json_t *s;
	char *copy, *p;

	if (text == NULL || *text == '\0')
		return json_null();
	s = json_string(text);
	if (s != NULL || (copy = strdup(text)) == NULL)
		return s;
	for (p = copy; *p != '\0'; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	s = json_string(copy);
	free(copy);
	return s;
}
