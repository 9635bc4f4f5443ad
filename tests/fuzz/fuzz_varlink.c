/*
 * fuzz_varlink: any bytes as what a client of the control socket sends, in one
 * piece and in many. What is taken as a message must be one, whatever the
 * pieces; what is a call must be readable, checkable against types and
 * writable again. What begins it is read by both readers of objects.
 *
 *	make fuzz FUZZ=varlink
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/json_tree.h"
#include "ipc/varlink.h"
#include "supervisor/idl.h"

#define MAX 4096 /* bytes of a message here, so that the limit is met too */
#define MESSAGES_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What came of one input: the text of each message, and how it ended. */
struct seen {
	char *message[MESSAGES_MAX];
	size_t n;
	int failed;
};

static const char *const types[] = {
    "",
    "names: []string, wait: ?bool",
    "names: ?[]string, epoch: ?string, seq: ?int",
    "a: float, b: [string](c: [][]object, d: ?(e: int)), f: bool",
};

static void
check_types(const json_t *parameters)
{
	char bad[16];
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(*types); i++) {
		memset(bad, 'x', sizeof(bad));
		if (idl_check(types[i], parameters, bad, sizeof(bad)) == -1 &&
		    memchr(bad, '\0', sizeof(bad)) == NULL)
			abort();
	}
}

static void
look_at(json_t *msg)
{
	struct varlink_call call;
	struct varlink_reply reply;
	struct buf out = {0};
	struct err e;

	if (varlink_read_reply(msg, &reply, &e) == 0)
		check_types(reply.parameters);
	if (varlink_read_call(msg, &call, &e) == 0) {
		check_types(call.parameters);
		if (varlink_write_call(&out, call.method,
			json_incref(call.parameters), call.more) == -1 ||
		    out.data[out.len - 1] != '\0')
			abort();
	}
	buf_release(&out);
}

static void
take_all(struct varlink_in *in, struct seen *s)
{
	json_t *msg;
	struct err e;
	int rc;

	while (!s->failed && (rc = varlink_take(in, MAX, &msg, &e)) != 0) {
		if (rc == -1 || s->n == MESSAGES_MAX) {
			s->failed = 1;
			if (rc == 1)
				json_decref(msg);
			break;
		}
		if (!json_is_object(msg))
			abort();
		s->message[s->n++] = json_dumps(msg, JSON_SORT_KEYS);
		look_at(msg);
		json_decref(msg);
	}
}

/* What the fast reader makes, jansson makes too. */
static void
read_twice(const char *data, size_t size)
{
	const char *behind;
	json_t *fast = json_tree_object(data, data + size, &behind), *slow;
	json_error_t why;

	if (fast == NULL)
		return;
	slow = json_loadb(
	    data, size, JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, &why);
	if (slow == NULL || !json_equal(fast, slow) ||
	    behind != data + why.position)
		abort();
	json_decref(fast);
	json_decref(slow);
}

/* As it comes in pieces of up to so many bytes. */
static void
receive(struct seen *s, const uint8_t *data, size_t size, size_t piece)
{
	struct varlink_in in = {0};
	size_t len;

	*s = (struct seen){.n = 0};
	for (; size > 0 && !s->failed; data += len, size -= len) {
		len = size < piece ? size : piece;
		if (buf_add(&in.buf, data, len) == -1)
			abort();
		take_all(&in, s);
	}
	varlink_in_release(&in);
}

static void
compare(const struct seen *a, const struct seen *b)
{
	size_t i;

	if (a->n != b->n || a->failed != b->failed)
		abort();
	for (i = 0; i < a->n; i++)
		if (strcmp(a->message[i], b->message[i]) != 0)
			abort();
}

static void
forget(struct seen *s)
{
	while (s->n > 0)
		free(s->message[--s->n]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t pieces[] = {1, 7, 1000};
	struct seen whole, part;
	size_t i;

	read_twice((const char *)data, size);
	receive(&whole, data, size, SIZE_MAX);
	for (i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		receive(&part, data, size, pieces[i]);
		compare(&whole, &part);
		forget(&part);
	}
	forget(&whole);
	return 0;
}
