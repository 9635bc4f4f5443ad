/*
 * varlink: messages come whole, however their bytes do; what is none is
 * refused.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/json_text.h"
#include "ipc/varlink.h"

static struct varlink_in in;
static struct err e;
static json_t *msg;

static void
set_up(void)
{
	memset(&in, 0, sizeof(in));
	msg = NULL;
}

static void
tear_down(void)
{
	varlink_in_release(&in);
}

static void
feed(const char *data, size_t len)
{
	ck_assert_int_eq(buf_add(&in.buf, data, len), 0);
}

static int
take(size_t max)
{
	return varlink_take(&in, max, &msg, &e);
}

static void
expect_method(const char *name)
{
	struct varlink_call c;

	ck_assert_int_eq(take(VARLINK_CALL_MAX), 1);
	ck_assert_int_eq(varlink_read_call(msg, &c, &e), 0);
	ck_assert_str_eq(c.method, name);
	json_decref(msg);
}

START_TEST(test_nothing_is_no_message)
{
	ck_assert_int_eq(varlink_pending(&in), 0);
	ck_assert_int_eq(take(10), 0);
}
END_TEST

START_TEST(test_two_and_a_half_messages_in_one_read)
{
	static const char data[] = "{\"method\":\"a.b\"}\0{\"method\":\"c.d\"}"
				   "\0{\"meth";

	feed(data, sizeof(data) - 1);
	expect_method("a.b");
	expect_method("c.d");
	ck_assert_int_eq(take(VARLINK_CALL_MAX), 0);
	feed("od\":\"e.f\"}", 11);
	expect_method("e.f");
	ck_assert_uint_eq(in.buf.len, 0);
}
END_TEST

static char row_names[64];

static void
note_row(void *arg, const json_t *row)
{
	const char *name = json_string_value(json_object_get(row, "n"));

	(void)arg;
	strcat(row_names, name == NULL ? "?" : name);
}

/* What is told by rows, what the message is then. */
static const struct {
	const char *text, *rows, *left; /* NULL: refused */
} by_rows[] = {
    {"{\"p\":{\"rows\":[{\"n\":\"a\"},{\"n\":\"b\",\"m\":[1,2]}],\"x\":[3]}}",
	"ab", "{\"p\":{\"rows\":[],\"x\":[3]}}"},
    {"{\"rows\":[ {\"n\":\"a\"} ,\n{\"n\":\"b\"} ]}", "ab", "{\"rows\":[]}"},
    {"{\"rows\":[1,null,\"x\",[2],{\"n\":\"]\"}]}", "????]", "{\"rows\":[]}"},
    {"{\"rows\":[]}", "", "{\"rows\":[]}"},
    {"{\"rows\": [1]}", "", "{\"rows\":[1]}"}, /* not as svd writes it */
    {"{\"y\":\"\\\"rows\\\":[1]\"}", "", "{\"y\":\"\\\"rows\\\":[1]\"}"},
    {"{\"error\":\"e\"}", "", "{\"error\":\"e\"}"},
    {"{\"rows\":[{\"n\":\"a\"}", NULL, NULL},
    {"{\"rows\":[[1]", NULL, NULL},
    {"{\"rows\":[{\"n\":\"a\"},]}", NULL, NULL},
    {"{\"rows\":[{\"n\":\"a\"} {\"n\":\"b\"}]}", NULL, NULL},
    {"{\"rows\":[{\"n\":1,\"n\":2}]}", NULL, NULL},
    {"{\"rows\":[1]", NULL, NULL},
    {"{\"rows\":[1]]}", NULL, NULL},
};

START_TEST(test_rows_are_taken_one_by_one)
{
	static const struct varlink_rows rows = {"rows", note_row, NULL};
	char *left;
	int rc;

	row_names[0] = '\0';
	feed(by_rows[_i].text, strlen(by_rows[_i].text) + 1);
	feed("{\"method\":\"next\"}", 18);
	rc = varlink_take_rows(&in, VARLINK_CALL_MAX, &rows, &msg, &e);
	ck_assert_int_eq(rc, by_rows[_i].rows == NULL ? -1 : 1);
	if (rc == -1)
		return;
	ck_assert_str_eq(row_names, by_rows[_i].rows);
	left = json_dumps(msg, JSON_COMPACT);
	ck_assert_str_eq(left, by_rows[_i].left);
	free(left);
	json_decref(msg);
	expect_method("next");
}
END_TEST

START_TEST(test_byte_by_byte)
{
	static const char data[] = "{\"method\":\"a.b\",\"parameters\":{}}";
	size_t i;

	for (i = 0; i < sizeof(data); i++) {
		ck_assert_int_eq(take(VARLINK_CALL_MAX), 0);
		feed(data + i, 1);
	}
	expect_method("a.b");
}
END_TEST

START_TEST(test_oversize_is_refused_before_and_after_its_end)
{
	char data[101];

	memset(data, ' ', sizeof(data));
	feed(data, 99);
	ck_assert_int_eq(take(100), 0);
	feed(data, 1);
	ck_assert_int_eq(take(100), -1);
	ck_assert_str_eq(e.text, "message over 100 bytes");
	feed("", 1);
	ck_assert_int_eq(take(100), -1);
}
END_TEST

START_TEST(test_largest_is_taken)
{
	feed("{\"method\":\"a.b\"}", 17);
	ck_assert_int_eq(take(17), 1);
	json_decref(msg);
	feed("{\"method\":\"a.b\"}", 17);
	ck_assert_int_eq(take(16), -1);
}
END_TEST

static const char *const bad_json[] = {"", " ", "null", "[]", "3", "\"x\"", "{",
    "}", "{}{}", "{} x", "{\"a\":}", "{\"a\":1,}", "{'a':1}",
    "{\"a\":1,\"a\":2}", "{\"a\":\"\\u0000\"}", "{\"a\":\"\xff\"}",
    "{\"a\":\"\\ud800\"}", "{\"a\":1e999}", "{\"a\":NaN}",
    "{\"a\":99999999999999999999}", "\xef\xbb\xbf{}"};

START_TEST(test_bad_json_is_refused)
{
	feed(bad_json[_i], strlen(bad_json[_i]) + 1);
	ck_assert_int_eq(take(VARLINK_CALL_MAX), -1);
}
END_TEST

START_TEST(test_deep_nesting_is_refused)
{
	char data[20000];

	memset(data, '[', sizeof(data));
	memcpy(data, "{\"a\":", 5);
	feed(data, sizeof(data));
	feed("", 1);
	ck_assert_int_eq(take(VARLINK_CALL_MAX), -1);
}
END_TEST

START_TEST(test_memory_of_a_large_message_is_given_back)
{
	char *data = malloc(200000);

	memset(data, ' ', 200000);
	memcpy(data, "{}", 2);
	data[199999] = '\0';
	feed(data, 200000);
	free(data);
	ck_assert_int_eq(take(VARLINK_CALL_MAX), 1);
	json_decref(msg);
	ck_assert_uint_eq(in.buf.cap, 0);
}
END_TEST

static int
read_call(const char *text, struct varlink_call *c)
{
	feed(text, strlen(text) + 1);
	ck_assert_int_eq(take(VARLINK_CALL_MAX), 1);
	return varlink_read_call(msg, c, &e);
}

START_TEST(test_call_is_read)
{
	struct varlink_call c;

	ck_assert_int_eq(
	    read_call("{\"method\":\"a.b\",\"parameters\":{\"x\":1},"
		      "\"more\":true,\"oneway\":false}",
		&c),
	    0);
	ck_assert_str_eq(c.method, "a.b");
	ck_assert_uint_eq(json_object_size(c.parameters), 1);
	ck_assert_int_eq(c.more, 1);
	ck_assert_int_eq(c.oneway, 0);
	ck_assert_int_eq(c.upgrade, 0);
	json_decref(msg);
}
END_TEST

START_TEST(test_absent_parameters_are_empty)
{
	struct varlink_call c;

	ck_assert_int_eq(read_call("{\"method\":\"a.b\"}", &c), 0);
	ck_assert(json_is_object(c.parameters));
	json_decref(msg);
	ck_assert_int_eq(
	    read_call("{\"method\":\"a.b\",\"parameters\":null}", &c), 0);
	ck_assert(json_is_object(c.parameters));
	json_decref(msg);
}
END_TEST

static const char *const bad_calls[] = {"{}", "{\"method\":3}",
    "{\"method\":\"a.b\",\"parameters\":[]}", "{\"method\":\"a.b\",\"more\":1}",
    "{\"method\":\"a.b\",\"oneway\":\"yes\"}",
    "{\"method\":\"a.b\",\"upgrade\":null}"};

START_TEST(test_bad_call_is_refused)
{
	struct varlink_call c;

	ck_assert_int_eq(read_call(bad_calls[_i], &c), -1);
	json_decref(msg);
}
END_TEST

START_TEST(test_written_messages_are_read_again)
{
	struct varlink_reply r;
	struct buf out = {0};

	ck_assert_int_eq(
	    varlink_write_call(&out, "a.b", json_pack("{s:b}", "x", 1), 0), 0);
	ck_assert_int_eq(
	    varlink_write_reply(&out, json_pack("{s:f}", "t", 0.1)), 0);
	ck_assert_int_eq(varlink_write_error(&out, "a.E", json_object()), 0);
	ck_assert_str_eq(
	    out.data, "{\"method\":\"a.b\",\"parameters\":{\"x\":true}}");
	feed(out.data, out.len);
	buf_release(&out);
	expect_method("a.b");
	ck_assert_str_eq(in.buf.data, "{\"parameters\":{\"t\":0.1}}");
	ck_assert_int_eq(take(VARLINK_CALL_MAX), 1);
	ck_assert_int_eq(varlink_read_reply(msg, &r, &e), 0);
	ck_assert_ptr_null(r.error);
	ck_assert_uint_eq(json_object_size(r.parameters), 1);
	json_decref(msg);
	ck_assert_int_eq(take(VARLINK_CALL_MAX), 1);
	ck_assert_int_eq(varlink_read_reply(msg, &r, &e), 0);
	ck_assert_str_eq(r.error, "a.E");
	json_decref(msg);
}
END_TEST

/* NULL is what json_pack() makes of no memory. */
START_TEST(test_failed_write_leaves_nothing)
{
	struct buf out = {0};

	ck_assert_int_eq(buf_adds(&out, "before"), 0);
	ck_assert_int_eq(varlink_write_reply(&out, NULL), -1);
	ck_assert_int_eq(varlink_write_error(&out, "\xff", json_object()), -1);
	ck_assert_uint_eq(out.len, 6);
	buf_release(&out);
}
END_TEST

START_TEST(test_string_of_any_bytes)
{
	json_t *s = varlink_string("caf\xc3\xa9 \xff\x80!");

	ck_assert_str_eq(json_string_value(s), "caf?? ?"
					       "?!");
	json_decref(s);
	s = varlink_string("caf\xc3\xa9");
	ck_assert_str_eq(json_string_value(s), "caf\xc3\xa9");
	json_decref(s);
	ck_assert(json_is_null(varlink_string("")));
	ck_assert(json_is_null(varlink_string(NULL)));
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof(*(a))))

/* What json_text.h writes of v is what jansson does. Takes v. */
static void
same_text(struct buf *out, int rc, json_t *v)
{
	char *text = json_dumps(
	    v, JSON_COMPACT | JSON_REAL_PRECISION(15) | JSON_ENCODE_ANY);

	ck_assert_int_eq(rc, 0);
	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(out->data[0], ':');
	ck_assert_str_eq(out->data + 1, text);
	out->len = 0;
	free(text);
	json_decref(v);
}

START_TEST(test_text_of_strings)
{
	static const char *const texts[] = {"", "web:0", "a \"b\" \\ /",
	    "\x01\t\r\n\x1b\x7f", "caf\xc3\xa9", "\xff\xfe x", NULL};
	struct buf out = {0};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		same_text(&out, json_text_string(&out, ":", texts[i]),
		    varlink_string(texts[i]));
	buf_release(&out);
}
END_TEST

START_TEST(test_text_of_numbers)
{
	static const int64_t numbers[] = {
	    0, 7, -1, 10, 4711, INT64_MAX, INT64_MIN};
	static const int64_t ms[] = {
	    0, 1, 10, 100, 999, 1000, 1001, 1010, 86400500, 99999999999999};
	struct buf out = {0};
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		same_text(&out, json_text_int(&out, ":", numbers[i]),
		    json_integer(numbers[i]));
	for (i = 0; i < sizeof(ms) / sizeof(*ms); i++)
		same_text(&out, json_text_seconds(&out, ":", ms[i]),
		    json_real((double)ms[i] / 1000.));
	same_text(&out, json_text_seconds(&out, ":", -5), json_real(0));
	same_text(&out, json_text_int_unless(&out, ":", 3, 3), json_null());
	same_text(&out, json_text_int_unless(&out, ":", 3, 4), json_integer(3));
	same_text(&out, json_text_bool(&out, ":", 1), json_true());
	same_text(&out, json_text_bool(&out, ":", 0), json_false());
	buf_release(&out);
}
END_TEST

START_TEST(test_message_of_text)
{
	struct buf text = {0}, tree = {0};

	ck_assert_int_eq(varlink_begin_reply(&text), 0);
	ck_assert_int_eq(json_text_int(&text, "\"n\":", 1), 0);
	ck_assert_int_eq(varlink_end(&text), 0);
	ck_assert_int_eq(varlink_begin_part(&text), 0);
	ck_assert_int_eq(varlink_end(&text), 0);
	ck_assert_int_eq(
	    varlink_write_reply(&tree, json_pack("{s:i}", "n", 1)), 0);
	ck_assert_int_eq(varlink_write_part(&tree, json_object()), 0);
	ck_assert_uint_eq(text.len, tree.len);
	ck_assert_mem_eq(text.data, tree.data, tree.len);
	buf_release(&text);
	buf_release(&tree);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("varlink");
	TCase *t = tcase_create("varlink");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, test_text_of_strings);
	tcase_add_test(t, test_text_of_numbers);
	tcase_add_test(t, test_message_of_text);
	tcase_add_test(t, test_nothing_is_no_message);
	tcase_add_test(t, test_two_and_a_half_messages_in_one_read);
	tcase_add_loop_test(
	    t, test_rows_are_taken_one_by_one, 0, COUNT(by_rows));
	tcase_add_test(t, test_byte_by_byte);
	tcase_add_test(t, test_oversize_is_refused_before_and_after_its_end);
	tcase_add_test(t, test_largest_is_taken);
	tcase_add_loop_test(t, test_bad_json_is_refused, 0, COUNT(bad_json));
	tcase_add_test(t, test_deep_nesting_is_refused);
	tcase_add_test(t, test_memory_of_a_large_message_is_given_back);
	tcase_add_test(t, test_call_is_read);
	tcase_add_test(t, test_absent_parameters_are_empty);
	tcase_add_loop_test(t, test_bad_call_is_refused, 0, COUNT(bad_calls));
	tcase_add_test(t, test_written_messages_are_read_again);
	tcase_add_test(t, test_failed_write_leaves_nothing);
	tcase_add_test(t, test_string_of_any_bytes);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *sr = srunner_create(suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
