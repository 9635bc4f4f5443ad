/* notify_text: what is understood of a worker's message, and what is not. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/logline.h"
#include "ipc/notify_text.h"

static struct notify_text n;

/* Of its own size: a sanitizer sees what is read past it. */
static const char *
parse(const char *text, size_t len)
{
	char *copy = malloc(len == 0 ? 1 : len);
	const char *what;

	memcpy(copy, text, len);
	what = notify_text_parse(copy, len, &n);
	if (n.status != NULL && what == NULL)
		n.status = text + (n.status - copy);
	free(copy);
	return what;
}

static void
expect(const char *text, unsigned int says)
{
	ck_assert_ptr_null(parse(text, strlen(text)));
	ck_assert_msg(n.says == says, "%s: says %x", text, n.says);
}

START_TEST(words_with_one_value)
{
	expect("READY=1", SAYS_READY);
	expect("READY=1\n", SAYS_READY);
	expect("RELOADING=1\nMONOTONIC_USEC=17\n", SAYS_RELOADING);
	expect("STOPPING=1", SAYS_STOPPING);
	expect("WATCHDOG=1", SAYS_WATCHDOG);
	expect("WATCHDOG=trigger", SAYS_WATCHDOG_TRIGGER);
	expect("READY=1\nWATCHDOG=1", SAYS_READY | SAYS_WATCHDOG);
}
END_TEST

START_TEST(what_is_nearly_a_word_is_none)
{
	static const char *const texts[] = {"", "\n", "READY",
	    "READY=", "READY=0", "READY=11", "READY=1 ", " READY=1", "ready=1",
	    "READY =1", "READY==1", "=1", "XREADY=1", "READYX=1", "READY=1\r",
	    "X_SOMETHING=1", "BARRIER=1", "WATCHDOG=Trigger", "FDPOLL=1",
	    "\n\n\n"};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		expect(texts[i], 0);
}
END_TEST

START_TEST(a_status_is_all_of_its_line)
{
	expect("STATUS=serving 3 = all\nREADY=1", SAYS_READY);
	ck_assert_uint_eq(n.status_len, strlen("serving 3 = all"));
	ck_assert_mem_eq(n.status, "serving 3 = all", n.status_len);
	expect("STATUS=", 0);
	ck_assert_ptr_nonnull(n.status);
	ck_assert_uint_eq(n.status_len, 0);
	expect("STATUS=a\nSTATUS=b", 0);
	ck_assert_mem_eq(n.status, "b", 1);
	expect("READY=1", SAYS_READY);
	ck_assert_ptr_null(n.status);
}
END_TEST

START_TEST(numbers)
{
	expect("EXTEND_TIMEOUT_USEC=3000000\nWATCHDOG_USEC=0", 0);
	ck_assert_int_eq(n.extend_usec, 3000000);
	ck_assert_int_eq(n.watchdog_usec, 0);
	expect("MAINPID=4711\nERRNO=2", 0);
	ck_assert_int_eq(n.main_pid, 4711);
	ck_assert_int_eq(n.error, 2);
	expect("WATCHDOG_USEC=999999999999999999", 0);
	ck_assert_int_eq(n.watchdog_usec, 999999999999999999);
}
END_TEST

START_TEST(what_is_no_number_counts_for_nothing)
{
	static const char *const texts[] = {"", "-1", "+1", "0x1", "1 ", " 1",
	    "1.5", "1s", "99999999999999999999", "1\t"};
	char text[200];
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		snprintf(text, sizeof(text),
		    "EXTEND_TIMEOUT_USEC=%s\nWATCHDOG_USEC=%s\n"
		    "MAINPID=%s\nERRNO=%s",
		    texts[i], texts[i], texts[i], texts[i]);
		expect(text, 0);
		ck_assert_int_eq(n.extend_usec, -1);
		ck_assert_int_eq(n.watchdog_usec, -1);
		ck_assert_int_eq(n.main_pid, 0);
		ck_assert_int_eq(n.error, 0);
	}
	expect("MAINPID=2147483648\nERRNO=2147483648", 0);
	ck_assert_int_eq(n.main_pid, 0);
	ck_assert_int_eq(n.error, 0);
}
END_TEST

START_TEST(names_of_descriptors)
{
	char text[NOTIFY_FDNAME_MAX + 20] = "FDNAME=";

	expect("FDSTORE=1\nFDPOLL=0", SAYS_FDSTORE);
	expect("FDSTOREREMOVE=1", SAYS_FDSTOREREMOVE);
	expect("FDNAME=listen-1.http", 0);
	ck_assert_str_eq(n.fdname, "listen-1.http");
	expect("FDNAME=a:b", 0);
	ck_assert_str_eq(n.fdname, "");
	expect("FDNAME=a b", 0);
	ck_assert_str_eq(n.fdname, "");
	expect("FDNAME=\xc3\xa9", 0);
	ck_assert_str_eq(n.fdname, "");
	memset(text + 7, 'x', NOTIFY_FDNAME_MAX);
	expect(text, 0);
	ck_assert_uint_eq(strlen(n.fdname), NOTIFY_FDNAME_MAX);
	text[7 + NOTIFY_FDNAME_MAX] = 'x';
	expect(text, 0);
	ck_assert_str_eq(n.fdname, "");
}
END_TEST

START_TEST(a_message_that_is_none_counts_as_a_whole)
{
	char text[NOTIFY_TEXT_MAX + 1];

	ck_assert_ptr_nonnull(parse("READY=1\0STATUS=x", 16));
	ck_assert_ptr_nonnull(parse("\0\0", 2));
	ck_assert_ptr_null(parse("READY=1", 8)); /* some send their NUL */
	ck_assert_uint_eq(n.says, SAYS_READY);
	memset(text, 'x', sizeof(text));
	memcpy(text, "READY=1\n", 8);
	ck_assert_ptr_null(parse(text, NOTIFY_TEXT_MAX));
	ck_assert_uint_eq(n.says, SAYS_READY);
	ck_assert_ptr_nonnull(parse(text, NOTIFY_TEXT_MAX + 1));
}
END_TEST

static void
cleans(const char *from, size_t size, const char *to)
{
	char out[64];

	memset(out, 'z', sizeof(out));
	logline_clean(out, size, from, strlen(from));
	ck_assert_str_eq(out, to);
	ck_assert_uint_lt(strlen(out), size);
}

START_TEST(a_status_is_made_fit_to_be_shown)
{
	cleans("serving \"3\" \\ of 4", 64, "serving \"3\" \\ of 4");
	cleans("caf\xc3\xa9 \xe2\x82\xac", 64, "caf\xc3\xa9 \xe2\x82\xac");
	cleans("\x1b[2J\x07\x7f\tx", 64, "?[2J???x");
	cleans("\xc2\x9b"
	       "1m",
	    64, "?1m");
	cleans("a\xff\xc3x", 64, "a??x");
	/* No character is cut in two. */
	cleans("ab\xe2\x82\xac", 4, "ab");
	cleans("abcdef", 4, "abc");
	cleans("", 4, "");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("notify_text");
	TCase *tc = tcase_create("text");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, words_with_one_value);
	tcase_add_test(tc, what_is_nearly_a_word_is_none);
	tcase_add_test(tc, a_status_is_all_of_its_line);
	tcase_add_test(tc, numbers);
	tcase_add_test(tc, what_is_no_number_counts_for_nothing);
	tcase_add_test(tc, names_of_descriptors);
	tcase_add_test(tc, a_message_that_is_none_counts_as_a_whole);
	tcase_add_test(tc, a_status_is_made_fit_to_be_shown);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
