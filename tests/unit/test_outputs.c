/* What the logger is told of outputs, and the small things it reads it with. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "logger/base64.h"
#include "logger/lines.h"
#include "logger/mounts.h"
#include "logger/names.h"
#include "logger/outputs.h"

#define FLEET "fleet\tt\tstderr\ttext\t-\n"

static struct outputs o;
static struct err e;

static int
parse(const char *text)
{
	return outputs_parse(&o, strdup(text), strlen(text), &e);
}

START_TEST(a_table_is_read)
{
	ck_assert_int_eq(
	    parse("fleet\tt\tfile\tjson\t/var/log/a%20b\n"
		  "later\tunknown\ntable\t7\n"
		  "output\tout\tweb:0\tweb\tweb\tfile\t65536\t1024\t"
		  "5\t0\t4294967295\t/x%09y\n"
		  "output\terr\tdb:12\tdb:12\tdb\tlog\t0\t0\t0\t0\t"
		  "0\t-\n"),
	    0);
	ck_assert_str_eq(o.fleet, "t");
	ck_assert_int_eq(o.log, OUTPUT_FILE);
	ck_assert_int_eq(o.format, LOGLINE_JSON);
	ck_assert_str_eq(o.log_path, "/var/log/a b");
	ck_assert_uint_eq(o.n, 2);
	ck_assert_uint_eq(o.number, 7);
	ck_assert_str_eq(o.list[0].id, "web:0");
	ck_assert_str_eq(o.list[0].path, "/x\ty");
	ck_assert_uint_eq(o.list[0].tail, 65536);
	ck_assert_uint_eq(o.list[0].size, 1024);
	ck_assert_uint_eq(o.list[0].keep, 5);
	ck_assert_int_eq(o.list[0].is_stderr, 0);
	ck_assert_int_eq(o.list[0].kind, OUTPUT_FILE);
	ck_assert_int_eq(o.list[1].is_stderr, 1);
	ck_assert_str_eq(o.list[1].group, "db");
	ck_assert_ptr_null(o.list[1].path);
	outputs_release(&o);
}
END_TEST

/* Each is refused as a whole, and says where. */
START_TEST(a_bad_table_is_refused)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
	    {"", "names no fleet"},
	    {"fleet\tt\tstderr\ttext\t-", "cut off"},
	    {"fleet\tt\tstderr\ttext\n", "line 1"},
	    {"fleet\tt\tlog\ttext\t-\n", "line 1"},
	    {"fleet\tt\tfile\ttext\t-\n", "line 1"},
	    {"fleet\tt\tstderr\txml\t-\n", "line 1"},
	    {FLEET FLEET, "line 2"},
	    {FLEET "table\t-1\n", "line 2"},
	    {FLEET "table\n", "line 2"},
	    {FLEET "output\tout\tweb:0\n", "line 2"},
	    {FLEET "output\tin\tw\tw\tw\tlog\t0\t0\t0\t0\t0\t-\n", "line 2"},
	    {FLEET "output\tout\tw\tw\tw\tstderr\t0\t0\t0\t0\t0\t-\n",
		"line 2"},
	    {FLEET "output\tout\tw\tw\tw\tlog\t-1\t0\t0\t0\t0\t-\n", "line 2"},
	    {FLEET "output\tout\tw\tw\tw\tfile\t0\t0\t0\t0\t0\trel\n",
		"line 2"},
	    {FLEET "output\tout\t\tw\tw\tlog\t0\t0\t0\t0\t0\t-\n", "line 2"},
	    {FLEET "output\tout\tw\tw\tw\tfile\t0\t0\t0\t0\t0\t/a%0\n",
		"line 2"},
	    {FLEET "output\tout\tw\tw\tw\tfile\t0\t0\t0\t0\t0\t/a%00\n",
		"line 2"},
	    {FLEET "output\tout\tw\tw\tw\tlog\t0\t0\t0\t0\t0\t-\tmore\n",
		"line 2"},
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		ck_assert_msg(parse(bad[i].text) == -1, "%s", bad[i].text);
		ck_assert_msg(strstr(e.text, bad[i].why) != NULL, "%s: %s",
		    bad[i].text, e.text);
		ck_assert_ptr_null(o.text);
	}
}
END_TEST

START_TEST(a_table_with_a_nul_is_refused)
{
	char *text = calloc(1, 64);

	memcpy(text, FLEET, strlen(FLEET));
	text[5] = '\0';
	ck_assert_int_eq(outputs_parse(&o, text, strlen(FLEET), &e), -1);
}
END_TEST

START_TEST(a_line_ends_at_its_newline_or_where_it_is_too_long)
{
	static char text[LINE_TEXT_MAX + 100];
	size_t len;

	ck_assert_uint_eq(line_take("ab\ncd", 5, 0, &len), 3);
	ck_assert_uint_eq(len, 2);
	ck_assert_uint_eq(line_take("\n", 1, 0, &len), 1);
	ck_assert_uint_eq(len, 0);
	ck_assert_uint_eq(line_take("cd", 2, 0, &len), 0);
	ck_assert_uint_eq(line_take("cd", 2, 1, &len), 2);
	ck_assert_uint_eq(len, 2);
	memset(text, 'x', sizeof(text));
	ck_assert_uint_eq(line_take(text, LINE_TEXT_MAX, 0, &len), 0);
	ck_assert_uint_eq(
	    line_take(text, LINE_TEXT_MAX + 1, 0, &len), LINE_TEXT_MAX);
	ck_assert_uint_eq(len, LINE_TEXT_MAX);
	/* The newline just behind the longest. */
	text[LINE_TEXT_MAX] = '\n';
	ck_assert_uint_eq(
	    line_take(text, sizeof(text), 0, &len), LINE_TEXT_MAX + 1);
	ck_assert_uint_eq(len, LINE_TEXT_MAX);
}
END_TEST

START_TEST(a_long_line_is_not_cut_within_a_character)
{
	static char text[LINE_TEXT_MAX + 100];
	size_t len;

	memset(text, 'x', sizeof(text));
	memcpy(text + LINE_TEXT_MAX - 2, "\xe2\x82\xac", 3);
	line_take(text, sizeof(text), 0, &len);
	ck_assert_uint_eq(len, LINE_TEXT_MAX - 2);
	memcpy(text + LINE_TEXT_MAX - 3, "\xe2\x82\xac", 3);
	line_take(text, sizeof(text), 0, &len);
	ck_assert_uint_eq(len, LINE_TEXT_MAX - 3);
	/* What is no UTF-8 is cut anywhere, but is cut. */
	memset(text, 0x80, sizeof(text));
	line_take(text, sizeof(text), 0, &len);
	ck_assert_uint_gt(len, LINE_TEXT_MAX - 4);
}
END_TEST

START_TEST(base64_is_rfc_4648)
{
	static const char *const known[][2] = {{"", ""}, {"f", "Zg=="},
	    {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="},
	    {"\xff\xfe", "//4="}};
	char out[BASE64_SIZE(16)];
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(*known); i++) {
		base64_encode(known[i][0], strlen(known[i][0]), out);
		ck_assert_str_eq(out, known[i][1]);
	}
}
END_TEST

START_TEST(a_path_is_on_the_longest_mount_point)
{
	static const char text[] =
	    "1 0 8:1 / / rw - ext4 /dev/a rw\n"
	    "2 1 8:2 / /var rw - ext4 /dev/b rw\n"
	    "3 1 8:3 / /var/log\\040x rw - ext4 /dev/c rw\n"
	    "4 1 8:3 / /var/logs rw - ext4 /dev/c rw\n"
	    "bad line\n";
	static const char *const known[][2] = {{"/etc/x", "/"},
	    {"/var", "/var"}, {"/var/x", "/var"}, {"/variety", "/"},
	    {"/var/log x/y", "/var/log x"}, {"/var/logs/y", "/var/logs"},
	    {"/var/log/y", "/var"}};
	char out[64];
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(*known); i++) {
		mounts_find_in(text, known[i][0], out, sizeof(out));
		ck_assert_str_eq(out, known[i][1]);
	}
	mounts_find_in("", "/x", out, sizeof(out));
	ck_assert_str_eq(out, "/");
}
END_TEST

START_TEST(names_are_found_replaced_and_forgotten)
{
	struct names t = {0};
	char name[16];
	int i;

	ck_assert_int_eq(names_get(&t, "x", -1), -1);
	ck_assert_int_eq(names_take(&t, "x", -1), -1);
	for (i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		ck_assert_int_eq(names_put(&t, name, i), 0);
	}
	ck_assert_int_eq(names_put(&t, "n7", 70), 0);
	ck_assert_uint_eq(t.n, 1000);
	ck_assert_int_eq(names_get(&t, "n7", -1), 70);
	ck_assert_int_eq(names_take(&t, "n8", -1), 8);
	ck_assert_int_eq(names_get(&t, "n8", -1), -1);
	ck_assert_int_eq(names_get(&t, "n999", -1), 999);
	names_release(&t);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("outputs");
	TCase *t = tcase_create("outputs");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_test(t, a_table_is_read);
	tcase_add_test(t, a_bad_table_is_refused);
	tcase_add_test(t, a_table_with_a_nul_is_refused);
	tcase_add_test(t, a_line_ends_at_its_newline_or_where_it_is_too_long);
	tcase_add_test(t, a_long_line_is_not_cut_within_a_character);
	tcase_add_test(t, base64_is_rfc_4648);
	tcase_add_test(t, a_path_is_on_the_longest_mount_point);
	tcase_add_test(t, names_are_found_replaced_and_forgotten);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
