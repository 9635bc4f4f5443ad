/*
 * json_scan: what is JSON and what is not, where a member stands, and that a
 * value is cut out of a message as it is.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/json_scan.h"
#include "ipc/value.h"
#include "ipc/varlink.h"

static const char *const right[] = {"0", "-0", "10", "1.5", "-1.5e-3", "1E+9",
    "1e400", "12345678901234567890123456789", "\"\"", "\"a\"", "\"\\u00e9\"",
    "\"\\ud800\"", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\xe2\x82\xac\"",
    "\"\xf0\x9f\x98\x80\"", "\"\x7f\"", "true", "false", "null", "[]", "{}",
    "[1]", "[ 1 , [ ] , { } ]", "{\"a\":1}", "{ \"a\" : [ 1 ] , \"b\" : 2 }",
    " \t\r\n1 \t\r\n"};

static const char *const wrong[] = {"", " ", "01", "-", "+1", "1.", ".5", "1e",
    "1e+", "--1", "0x1", "NaN", "Infinity", "tru", "truee", "nul", "\"", "\"a",
    "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\", "\"\n\"", "\"\x01\"",
    "\"\xff\"", "\"\xc0\xaf\"", "\"\xc3\"", "\"\xe0\x80\x80\"",
    "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xf5\x80\x80\x80\"",
    "\"\xe2\x82\"", "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "{", "{}}",
    "{1:2}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\" 1}", "{,}", "1 2",
    "'a'", "[1}", "{\"a\":1]"};

static int
scan(const char *text)
{
	/* Of its own size: a sanitizer sees what is read past it. */
	size_t len = strlen(text);
	char *copy = malloc(len + 1);
	int rc;

	memcpy(copy, text, len);
	copy = realloc(copy, len == 0 ? 1 : len);
	rc = json_scan_is_value(copy, len);
	free(copy);
	return rc;
}

START_TEST(test_json)
{
	ck_assert_msg(scan(right[_i]), "%s", right[_i]);
}
END_TEST

START_TEST(test_no_json)
{
	ck_assert_msg(!scan(wrong[_i]), "%s", wrong[_i]);
}
END_TEST

START_TEST(test_a_nul_is_none)
{
	ck_assert(!json_scan_is_value("1\0", 2));
	ck_assert(!json_scan_is_value("\"\0\"", 3));
	ck_assert(!json_scan_is_value("\"\\\0\"", 4));
}
END_TEST

START_TEST(test_so_deep_and_no_deeper)
{
	char text[2 * JSON_SCAN_DEPTH + 3];
	size_t n = JSON_SCAN_DEPTH;

	memset(text, '[', n);
	memset(text + n, ']', n);
	ck_assert(json_scan_is_value(text, 2 * n));
	memset(text, '[', n + 1);
	memset(text + n + 1, ']', n + 1);
	ck_assert(!json_scan_is_value(text, 2 * n + 2));
}
END_TEST

static const struct {
	const char *text, *found; /* NULL: none */
} members[] = {
    {"{\"value\":1}", "1"},
    {" { \"a\" : { \"value\" : 2 } , \"value\" : [ 3 ] }", "[ 3 ]"},
    {"{\"values\":1,\"valu\":2,\"value\":\"}\"}", "\"}\""},
    {"{\"a\":\"\\\"value\\\":4\",\"value\":5", "5"},
    {"{\"a\":1}", NULL},
    {"{}", NULL},
    {"{", NULL},
    {"", NULL},
    {"[\"value\",1]", NULL},
    {"{\"a\":x,\"value\":1}", NULL},
    {"{\"value\":tru}", NULL},
    {"{\"value\"}", NULL},
    {"{\"value\":", NULL},
};

START_TEST(test_a_member)
{
	char text[128];
	struct json_slice s;

	strcpy(text, members[_i].text);
	s = json_scan_member(text, strlen(text), "value");
	if (members[_i].found == NULL) {
		ck_assert_ptr_null(s.at);
		return;
	}
	ck_assert_uint_eq(s.len, strlen(members[_i].found));
	ck_assert_mem_eq(s.at, members[_i].found, s.len);
}
END_TEST

static const struct {
	const char *message, *value; /* "": none */
	int rc;
} messages[] = {
    {"{\"method\":\"a.B\",\"parameters\":{\"value\":1e999}}", "1e999", 1},
    {"{\"method\":\"a.B\",\"parameters\":{\"x\":1,\"value\": \"\\n\" }}",
	"\"\\n\"", 1},
    {"{\"method\":\"a.B\",\"parameters\":{\"x\":{\"value\":1}}}", "", 1},
    {"{\"method\":\"a.B\",\"value\":1}", "", 1},
    {"{\"parameters\":{\"x\":\"value\"}}", "", 1},
    {"{\"parameters\":{\"value\":1,\"value\":2}}", "1", -1},
    {"{\"parameters\":{\"value\":1}", "1", -1},
    {"{\"parameters\":{\"value\":01}}", "", -1},
    {"[\"value\"]", "", -1},
};

START_TEST(test_a_value_is_cut_out_of_a_message)
{
	const char *text = messages[_i].message;
	struct varlink_in in = {.scanned = 0};
	struct buf value = {0};
	json_t *msg = NULL;
	struct err e;

	ck_assert_int_eq(buf_add(&value, "old", 3), 0);
	ck_assert_int_eq(buf_add(&in.buf, text, strlen(text)), 0);
	ck_assert_int_eq(varlink_take_value(&in, 1000, &value, &msg, &e), 0);
	ck_assert_uint_eq(value.len, 0);
	ck_assert_int_eq(buf_add(&in.buf, "", 1), 0);
	ck_assert_int_eq(
	    varlink_take_value(&in, 1000, &value, &msg, &e), messages[_i].rc);
	ck_assert_uint_eq(value.len, strlen(messages[_i].value));
	if (value.len > 0)
		ck_assert_mem_eq(value.data, messages[_i].value, value.len);
	if (messages[_i].rc == 1)
		json_decref(msg);
	buf_release(&value);
	varlink_in_release(&in);
}
END_TEST

START_TEST(test_a_value_in_a_file)
{
	static const char text[] = "[1,2]";
	struct buf out = {0};
	int pipe_ends[2];
	struct err e;
	int fd = value_make(text, strlen(text), &e);

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(value_size(fd), (int)strlen(text));
	ck_assert_int_eq(write(fd, "x", 1), -1);
	ck_assert_int_eq(ftruncate(fd, 1), -1);
	ck_assert_int_eq(value_read(fd, strlen(text), &out, &e), 0);
	ck_assert_uint_eq(out.len, strlen(text));
	ck_assert_mem_eq(out.data, text, out.len);
	ck_assert_int_eq(value_read(fd, strlen(text) - 1, &out, &e), -1);
	ck_assert_ptr_nonnull(strstr(e.text, "5 bytes"));
	close(fd);
	ck_assert_int_eq(pipe(pipe_ends), 0);
	ck_assert_int_eq(value_size(pipe_ends[0]), -1);
	ck_assert_int_eq(value_read(pipe_ends[0], 100, &out, &e), -1);
	close(pipe_ends[0]);
	close(pipe_ends[1]);
	ck_assert_int_eq(value_size(-1), -1);
	buf_release(&out);
}
END_TEST

#define N(a) ((int)(sizeof(a) / sizeof(*(a))))

int
main(void)
{
	Suite *s = suite_create("json_scan");
	TCase *t = tcase_create("json_scan");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_loop_test(t, test_json, 0, N(right));
	tcase_add_loop_test(t, test_no_json, 0, N(wrong));
	tcase_add_test(t, test_a_nul_is_none);
	tcase_add_test(t, test_so_deep_and_no_deeper);
	tcase_add_loop_test(t, test_a_member, 0, N(members));
	tcase_add_loop_test(
	    t, test_a_value_is_cut_out_of_a_message, 0, N(messages));
	tcase_add_test(t, test_a_value_in_a_file);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
