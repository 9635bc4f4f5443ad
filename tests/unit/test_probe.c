/* What comes as an answer over HTTP, whole, in pieces, or as something else.
 * How a probe goes about it is in tests/it/test_ready.py. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/probe.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof(*(a))))

static const struct {
	const char *text;
	int status;
} answers[] = {
    {"HTTP/1.1 200 OK\r\n\r\n", 200},
    {"HTTP/1.0 404 Not Found\n", 404},
    {"HTTP/1.1 599\r\n", 599},
    {"HTTP/1.9 301\n", 301},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 x\r\n", 204},
    {"HTTP/1.1 103\nLink: x\n\nHTTP/1.1 199 x\r\na: b\r\n\r\nHTTP/1.0 503 ",
	503},
    {"HTTP/1.1 101 Switching Protocols\r\n\r\nx", 101},
    {"HTTP/1.1 100\r\nHTTP/1.1 200 is a header here\r\n", 0},
    {"", 0},
};

/* No part of an answer is taken for another one. */
START_TEST(an_answer_in_pieces)
{
	const char *text = answers[_i].text;
	size_t len = strlen(text), i;
	int status;
	char *part;

	ck_assert_int_eq(probe_http_status(text, len), answers[_i].status);
	for (i = 0; i < len; i++) {
		part = malloc(i + 1); /* a sanitizer sees who reads on */
		ck_assert_ptr_nonnull(part);
		memcpy(part, text, i);
		status = probe_http_status(part, i);
		free(part);
		ck_assert_msg(status == 0 || status == answers[_i].status,
		    "%zu bytes: %d", i, status);
	}
}
END_TEST

static const char *const others[] = {
    "http/1.1 200 OK\r\n",
    "HTTP/2.0 200 OK\r\n",
    "HTTP/1.10 200 OK\r\n",
    "HTTP/1.1  200 OK\r\n",
    "HTTP/1.1 2x0 OK\r\n",
    "HTTP/1.1 2000 OK\r\n",
    "HTTP/1.1 200OK\r\n",
    "HTTP/1.1 099 OK\r\n",
    "HTTP/1.1 600 OK\r\n",
    "HTTP/1.1 100 x\r\n\r\nHTTP/1.2x",
    "SSH-2.0-x\r\n",
    "\r\nHTTP/1.1 200 OK\r\n",
    "\x16\x03\x01",
};

START_TEST(what_is_no_answer)
{
	ck_assert_int_eq(probe_http_status(others[_i], strlen(others[_i])), -1);
}
END_TEST

START_TEST(a_nul_ends_no_status)
{
	ck_assert_int_eq(probe_http_status("HTTP/1.1 200\0 x", 15), -1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("probe");
	TCase *t = tcase_create("http");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_loop_test(t, an_answer_in_pieces, 0, COUNT(answers));
	tcase_add_loop_test(t, what_is_no_answer, 0, COUNT(others));
	tcase_add_test(t, a_nul_ends_no_status);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
