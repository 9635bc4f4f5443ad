/*
 * print: tables line up, and nothing that a daemon says reaches the terminal
 * raw.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/print.h"
#include "ctl/print_floors.h"

static char *text;
static size_t len;
static FILE *real;

static void
set_up(void)
{
	real = stdout;
	stdout = open_memstream(&text, &len);
	ck_assert_ptr_nonnull(stdout);
}

static void
tear_down(void)
{
	fclose(stdout);
	stdout = real;
	free(text);
}

static void
print(void (*fn)(const json_t *), const char *json)
{
	json_t *parameters = json_loads(json, 0, NULL);

	ck_assert_ptr_nonnull(parameters);
	fn(parameters);
	json_decref(parameters);
	fflush(stdout);
}

static void
status(const json_t *parameters)
{
	struct table t;
	const json_t *w;
	size_t i;

	print_status_begin(&t);
	json_array_foreach (json_object_get(parameters, "workers"), i, w)
		table_add(&t, w);
	table_end(&t, "");
}

START_TEST(test_status_lines_up)
{
	print(status,
	    "{\"workers\":[{\"name\":\"web:0\",\"state\":\"RUNNING\","
	    "\"ready\":true,\"pid\":42,\"generation\":3,\"uptime\":62.0,"
	    "\"restarts\":2,\"next_start\":null,\"last_exit\":"
	    "{\"reason\":\"exit status 1\"}},"
	    "{\"name\":\"caf\xc3\xa9-long\",\"state\":\"BACKOFF\","
	    "\"ready\":false,\"pid\":0,\"generation\":1,\"uptime\":0,"
	    "\"restarts\":0,\"next_start\":2.5,\"last_exit\":null}]}");
	ck_assert_str_eq(text,
	    "NAME       STATE    READY  PID  GEN  UPTIME  RESTARTS  NEXT  "
	    "LAST-EXIT\n"
	    "web:0      RUNNING  yes    42   3    1min2s  2         -     "
	    "exit status 1\n"
	    "caf\xc3\xa9-long  BACKOFF  no     -    1    -       0         "
	    "2.5s  -\n");
}
END_TEST

START_TEST(test_status_of_a_hostile_daemon)
{
	print(status, "{}");
	print(status, "{\"workers\":[3,null,{},[]]}");
	print(status,
	    "{\"workers\":[{\"name\":\"\\u001b[2J\\u009b1m\\u007f\\n\","
	    "\"state\":7,\"pid\":\"x\",\"uptime\":1e300,"
	    "\"next_start\":-1,\"last_exit\":{\"reason\":\"\\r\\u0085\"}}]}");
	ck_assert_ptr_nonnull(strstr(text, "?[2J??1m??  -"));
	ck_assert_ptr_null(strpbrk(text, "\x1b\x7f\r"));
	ck_assert_ptr_null(strstr(text, "\xc2"));
}
END_TEST

START_TEST(test_why_is_readable)
{
	print(print_why,
	    "{\"workers\":[{\"name\":\"w\",\"state\":\"BACKOFF\","
	    "\"want\":\"up\",\"pid\":0,\"since\":\"T\",\"waiting_for\":"
	    "\"its next start in 3s\",\"until\":\"U\",\"error\":\"e\\u0007\","
	    "\"deaths\":[{\"at\":\"A\",\"reason\":\"exit status 3\","
	    "\"uptime\":0.5,\"generation\":1}]},{}]}");
	ck_assert_str_eq(text,
	    "w: BACKOFF since T, wanted up\n"
	    "    error: e?\n"
	    "    waits for its next start in 3s\n"
	    "    until U\n"
	    "    deaths, the newest last:\n"
	    "        A  generation 1, ran 500ms: exit status 3\n"
	    "-: - since -, wanted -\n");
}
END_TEST

START_TEST(test_why_has_tracebacks_and_floors)
{
	print(print_why,
	    "{\"workers\":[{\"name\":\"w\",\"state\":\"STARTING\","
	    "\"want\":\"up\",\"since\":\"T\",\"traceback\":null}],"
	    "\"floors\":[{\"name\":\"floor:f\",\"state\":\"FAILED\","
	    "\"want\":\"up\",\"since\":\"T\",\"error\":\"e\",\"traceback\":"
	    "\"one\\n  tw\\u001bo\\r\\n\\nthree\\n\"}]}");
	ck_assert_str_eq(text, "w: STARTING since T, wanted up\n"
			       "floor:f: FAILED since T, wanted up\n"
			       "    error: e\n"
			       "    traceback:\n"
			       "        one\n"
			       "          tw?o?\n"
			       "        \n"
			       "        three\n");
}
END_TEST

START_TEST(test_floors)
{
	print(print_floors,
	    "{\"floors\":[{\"name\":\"f\",\"state\":\"READY\","
	    "\"generation\":2,\"pid\":7,\"load_ms\":1500,\"pss_kb\":2048,"
	    "\"workers\":3,\"spares\":0,\"modules\":null,\"threads\":2,"
	    "\"way\":\"double\",\"error\":null},"
	    "{\"name\":\"g\",\"state\":\"FAILED\",\"generation\":1,\"pid\":0,"
	    "\"load_ms\":null,\"pss_kb\":null,\"workers\":0,\"spares\":0,"
	    "\"modules\":12,\"threads\":2,\"way\":\"python\","
	    "\"error\":\"no \\u001b\"},"
	    "{\"name\":\"h\",\"threads\":1,\"way\":\"python\"},"
	    "{\"name\":\"i\",\"threads\":4,\"way\":\"vfork\"},"
	    "{\"name\":\"j\",\"threads\":1,\"way\":\"vfork\"}]}");
	ck_assert_str_eq(text,
	    "FLOOR  STATE   GEN  PID  LOAD  PSS   WORKERS  SPARES  MODULES  "
	    "REMARK\n"
	    "f      READY   2    7    1.5s  2.0M  3        0       -        "
	    "2 threads: double fork\n"
	    "g      FAILED  1    -    -     -     0        0       12       "
	    "no ?\n"
	    "h      -       0    -    -     -     0        0       -        "
	    "pure Python fork\n"
	    "i      -       0    -    -     -     0        0       -        "
	    "4 threads\n"
	    "j      -       0    -    -     -     0        0       -        "
	    "-\n");
}
END_TEST

START_TEST(test_floors_at_length)
{
	print(print_floors,
	    "{\"floors\":[{\"name\":\"f\",\"generation\":2,\"rss_kb\":1,"
	    "\"private_kb\":1,\"shared_kb\":null,\"max_private_kb\":1024,"
	    "\"traceback\":\"a\\n b\\u009b\",\"instances\":["
	    "{\"name\":\"w:0\",\"pid\":9,\"private_kb\":2048,\"over\":true},"
	    "{\"name\":\"w:1\",\"pid\":10,\"over\":false}],"
	    "\"late\":[{\"name\":\"json\\u0007\",\"processes\":2}],"
	    "\"late_cut\":true},{\"name\":\"g\"}]}");
	ck_assert_ptr_nonnull(strstr(text, "LOAD  RSS  PSS  PRIVATE  SHARED"));
	ck_assert_str_eq(strstr(text, "\n\n") + 2,
	    "floor f, generation 2, max_private 1.0M:\n"
	    "    traceback:\n"
	    "        a\n"
	    "         b??\n"
	    "    WORKER  PID  RSS  PSS  PRIVATE  SHARED  CPU  REMARK\n"
	    "    w:0     9    -    -    2.0M     -       -    more than "
	    "max_private\n"
	    "    w:1     10   -    -    -        -       -    -\n"
	    "    loaded after the fork, and not in preload:\n"
	    "        MODULE  PROCESSES\n"
	    "        json?   2\n"
	    "        ... and more\n");
}
END_TEST

START_TEST(test_floors_of_a_hostile_daemon)
{
	print(print_floors, "{}");
	print(print_floors, "{\"floors\":7}");
	print(print_floors,
	    "{\"floors\":[3,null,{},[],{\"name\":[],\"load_ms\":-1,"
	    "\"threads\":9223372036854775807,\"way\":3,\"traceback\":[],"
	    "\"instances\":[1,{\"over\":\"x\"}],\"late\":[[],{}],"
	    "\"late_cut\":3}]}");
	ck_assert_ptr_nonnull(strstr(text, "9223372036854775807 threads"));
}
END_TEST

START_TEST(test_json_is_one_plain_line)
{
	print(print_json, "{\"b\":\"\\u001b\\u009b\",\"a\":0.1}");
	ck_assert_str_eq(text, "{\"b\":\"\\u001B\\u009B\",\"a\":0.1}\n");
}
END_TEST

START_TEST(test_version)
{
	print(print_version, "{\"version\":\"9\",\"protocol\":1}");
	ck_assert_str_eq(text, "svctl " SVD_VERSION "\nsvd 9 (protocol 1)\n");
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("print");
	TCase *t = tcase_create("print");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, test_status_lines_up);
	tcase_add_test(t, test_status_of_a_hostile_daemon);
	tcase_add_test(t, test_why_is_readable);
	tcase_add_test(t, test_why_has_tracebacks_and_floors);
	tcase_add_test(t, test_floors);
	tcase_add_test(t, test_floors_at_length);
	tcase_add_test(t, test_floors_of_a_hostile_daemon);
	tcase_add_test(t, test_json_is_one_plain_line);
	tcase_add_test(t, test_version);
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
