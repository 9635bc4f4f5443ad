/* Lines of the log: whatever the message is, the line is one line and, where
 * it says so, JSON. Each JSON line is read back by jansson. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/logline.h"

#define WHEN INT64_C(1767323045678) /* 2026-01-02T03:04:05.678Z */
#define LINE_BYTES 1024
#define ROUNDS 20000

static char line[LINE_BYTES + 1];

static struct logline
own(const char *level, const char *text)
{
	return (struct logline){.time_ms = WHEN,
	    .level = level,
	    .role = "keeper",
	    .pid = 42,
	    .text = text,
	    .text_len = strlen(text)};
}

static struct logline
workers(const char *stream, const char *text, size_t len)
{
	return (struct logline){.time_ms = WHEN,
	    .worker = "web:0",
	    .stream = stream,
	    .text = text,
	    .text_len = len};
}

static size_t
put(enum logline_format f, struct logline l, size_t size)
{
	size_t used, n;

	memset(line, 'X', sizeof(line));
	n = logline_put(f, &l, line, size, &used);
	ck_assert_uint_le(n, size);
	ck_assert_int_eq(line[n], 'X');
	ck_assert_int_eq(line[n - 1], '\n');
	ck_assert_ptr_eq(memchr(line, '\n', n - 1), NULL);
	line[n] = '\0';
	return used;
}

#define STAMP "2026-01-02T03:04:05.678Z"

START_TEST(text_is_as_it_always_was)
{
	put(LOGLINE_TEXT, own("info", "a=1"), LINE_BYTES);
	ck_assert_str_eq(line, STAMP " svd[42] keeper: a=1\n");
	put(LOGLINE_TEXT, own("warning", "x"), LINE_BYTES);
	ck_assert_str_eq(line, STAMP " svd[42] keeper: warning: x\n");
	put(LOGLINE_TEXT, workers("stdout", "hi", 2), LINE_BYTES);
	ck_assert_str_eq(line, STAMP " web:0: hi\n");
	put(LOGLINE_TEXT, workers("stderr", "hi", 2), LINE_BYTES);
	ck_assert_str_eq(line, STAMP " web:0 stderr: hi\n");
}
END_TEST

START_TEST(json_and_logfmt_have_the_same_members)
{
	put(LOGLINE_JSON, own("error", "a \"b\""), LINE_BYTES);
	ck_assert_str_eq(line,
	    "{\"time\":\"" STAMP "\",\"level\":\"error\",\"role\":\"keeper\","
	    "\"pid\":42,\"message\":\"a \\\"b\\\"\"}\n");
	put(LOGLINE_JSON, workers("stderr", "", 0), LINE_BYTES);
	ck_assert_str_eq(line, "{\"time\":\"" STAMP "\",\"worker\":\"web:0\","
			       "\"stream\":\"stderr\",\"message\":\"\"}\n");
	put(LOGLINE_LOGFMT, own("info", "a=\\1"), LINE_BYTES);
	ck_assert_str_eq(line, "time=" STAMP " level=info role=keeper pid=42 "
			       "message=\"a=\\\\1\"\n");
	put(LOGLINE_LOGFMT, workers("stdout", "x\ty", 3), LINE_BYTES);
	ck_assert_str_eq(line, "time=" STAMP " worker=web:0 stream=stdout "
			       "message=\"x\\ty\"\n");
}
END_TEST

START_TEST(what_is_no_text_is_shown_as_such)
{
	/* NUL, ESC, DEL, CSI of C1, a lone byte of it, too long a form of '/',
	 * a surrogate, beyond Unicode, cut off. */
	static const char bad[] = "\0\033\177\xc2\x9b\x9b\xc0\xaf"
				  "\xed\xa0\x80\xf4\x90\x80\x80\xc3";
	static const char good[] = "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";

	put(LOGLINE_TEXT, workers("stdout", bad, sizeof(bad) - 1), LINE_BYTES);
	ck_assert_str_eq(line, STAMP " web:0: ???????????????\n");
	put(LOGLINE_JSON, workers("stdout", bad, sizeof(bad) - 1), LINE_BYTES);
	ck_assert_ptr_nonnull(strstr(line,
	    "\"\\u0000\\u001b\\u007f\\u009b\\ufffd\\ufffd\\ufffd\\ufffd"
	    "\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\"}\n"));
	put(LOGLINE_TEXT, workers("stdout", good, strlen(good)), LINE_BYTES);
	ck_assert_ptr_nonnull(strstr(line, good));
	put(LOGLINE_JSON, workers("stdout", good, strlen(good)), LINE_BYTES);
	ck_assert_ptr_nonnull(strstr(line, good));
}
END_TEST

/* The whole message comes out, line after line, whatever the room. */
START_TEST(a_long_message_is_cut_between_characters)
{
	static const char unit[] = "a\xf0\x9f\x98\x80\"\n";
	char text[2000], back[2 * sizeof(text)];
	size_t size = LOGLINE_MIN + (size_t)_i, len = 0, at = 0, n;
	json_t *o;

	while (len + sizeof(unit) < sizeof(text)) {
		memcpy(text + len, unit, sizeof(unit) - 1);
		len += sizeof(unit) - 1;
	}
	back[0] = '\0';
	while (at < len) {
		n = put(
		    LOGLINE_JSON, workers("stdout", text + at, len - at), size);
		ck_assert_uint_gt(n, 0);
		at += n;
		o = json_loads(line, 0, NULL);
		ck_assert_ptr_nonnull(o);
		strcat(back, json_string_value(json_object_get(o, "message")));
		json_decref(o);
	}
	ck_assert_uint_eq(strlen(back), len);
	ck_assert_int_eq(memcmp(back, text, len), 0);
}
END_TEST

/* Any bytes, any room, any names: JSON stays JSON, logfmt keeps its quotes. */
START_TEST(no_bytes_break_a_line)
{
	char text[600], name[200];
	enum logline_format f;
	struct logline l;
	json_t *o;
	size_t i, len;
	int round;

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	srand(7);
	for (round = 0; round < ROUNDS; round++) {
		len = (size_t)rand() % sizeof(text);
		for (i = 0; i < len; i++)
			text[i] = (char)(rand() % (rand() % 255 + 1));
		l = workers("stdout", text, len);
		if (round % 3 == 0)
			l.worker = name;
		f = (enum logline_format)(round % LOGLINE_FORMATS);
		put(f, l, LOGLINE_MIN + (size_t)rand() % 512);
		if (f != LOGLINE_JSON)
			continue;
		o = json_loads(line, JSON_ALLOW_NUL, NULL);
		ck_assert_msg(o != NULL, "%s", line);
		json_decref(o);
	}
}
END_TEST

START_TEST(formats_have_names)
{
	int i;

	for (i = 0; i < LOGLINE_FORMATS; i++)
		ck_assert_int_eq(logline_format_of(logline_format_name(
				     (enum logline_format)i)),
		    i);
	ck_assert_int_eq(logline_format_of("xml"), LOGLINE_FORMATS);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("logline");
	TCase *t = tcase_create("logline");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, text_is_as_it_always_was);
	tcase_add_test(t, json_and_logfmt_have_the_same_members);
	tcase_add_test(t, what_is_no_text_is_shown_as_such);
	tcase_add_loop_test(t, a_long_message_is_cut_between_characters, 0, 40);
	tcase_add_test(t, no_bytes_break_a_line);
	tcase_add_test(t, formats_have_names);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
