/* units: what people write as durations, sizes, signals and exit statuses. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

#define NELEM(a) ((int)(sizeof(a) / sizeof((a)[0])))

static const struct {
	const char *text;
	int64_t ms;
} durations[] = {
    {"0", 0},
    {"5", 5000},
    {"500ms", 500},
    {"2s", 2000},
    {"1min", 60000},
    {"1h", 3600000},
    {"1d", 86400000},
    {"0.5s", 500},
    {"0.5", 500},
    {"1.005s", 1005},
    {"1.5h", 5400000},
    {"1h30min", 5400000},
    {"1min1s1ms", 61001},
    {"9223372036854775807ms", INT64_MAX},
};

START_TEST(duration_right)
{
	struct err e;
	int64_t ms;

	ck_assert_int_eq(units_parse_duration(durations[_i].text, &ms, &e), 0);
	ck_assert_int_eq(ms, durations[_i].ms);
}
END_TEST

static const char *const bad_durations[] = {"", "s", "-1", "+1", "1x", "1 s",
    " 1s", "1s ", "1.s", ".5s", "0.0001s", "1.5ms", "1e3", "0x10", "1S", "1s5",
    "5 5", "1m", "9223372036854775808ms", "99999999999999999999",
    "9999999999999999d", "1.0000000000s", "inf", "1,5s"};

START_TEST(duration_wrong)
{
	struct err e;
	int64_t ms = 42;

	ck_assert_int_eq(units_parse_duration(bad_durations[_i], &ms, &e), -1);
	ck_assert_int_eq(ms, 42);
	ck_assert_ptr_nonnull(strstr(e.text, "500ms"));
}
END_TEST

static const struct {
	int64_t ms;
	const char *text;
} shown_durations[] = {
    {0, "0s"},
    {1, "1ms"},
    {999, "999ms"},
    {1000, "1s"},
    {2500, "2.5s"},
    {2050, "2.05s"},
    {2005, "2.005s"},
    {59999, "59.999s"},
    {60000, "1min"},
    {61500, "1min1s"},
    {3600000, "1h"},
    {3720000, "1h2min"},
    {86400000, "1d"},
    {93600000, "1d2h"},
    {-1500, "-1.5s"},
};

START_TEST(duration_shown)
{
	char out[32];

	ck_assert_str_eq(
	    units_format_duration(shown_durations[_i].ms, out, sizeof(out)),
	    shown_durations[_i].text);
}
END_TEST

START_TEST(duration_shown_extremes)
{
	char out[32];

	units_format_duration(INT64_MAX, out, sizeof(out));
	ck_assert_str_eq(out, "106751991167d7h");
	units_format_duration(INT64_MIN, out, sizeof(out));
	ck_assert_str_eq(out, "-106751991167d7h");
}
END_TEST

static const struct {
	const char *text;
	uint64_t bytes;
} sizes[] = {
    {"0", 0},
    {"4096", 4096},
    {"64K", 65536},
    {"64k", 65536},
    {"10M", 10485760},
    {"1G", 1073741824},
    {"1T", 1099511627776},
    {"18446744073709551615", UINT64_MAX},
};

START_TEST(size_right)
{
	struct err e;
	uint64_t bytes;

	ck_assert_int_eq(units_parse_size(sizes[_i].text, &bytes, &e), 0);
	ck_assert_uint_eq(bytes, sizes[_i].bytes);
}
END_TEST

static const char *const bad_sizes[] = {"", "K", "-1", "1.5G", "64KB", "64 K",
    " 1", "1Q", "18446744073709551616", "18014398509481985K", "16777216T"};

START_TEST(size_wrong)
{
	struct err e;
	uint64_t bytes;

	ck_assert_int_eq(units_parse_size(bad_sizes[_i], &bytes, &e), -1);
}
END_TEST

START_TEST(int_range)
{
	struct err e;
	int64_t v;

	ck_assert_int_eq(units_parse_int("-20", -20, 19, &v, &e), 0);
	ck_assert_int_eq(v, -20);
	ck_assert_int_eq(units_parse_int("007", 0, 9, &v, &e), 0);
	ck_assert_int_eq(v, 7);
	ck_assert_int_eq(units_parse_int("20", -20, 19, &v, &e), -1);
	ck_assert_str_eq(e.text, "'20' is not within -20 to 19");
	ck_assert_int_eq(
	    units_parse_int("99999999999999999999", 0, 9, &v, &e), -1);
	ck_assert_str_eq(e.text, "'99999999999999999999' is not within 0 to 9");
	ck_assert_int_eq(units_parse_int("1x", 0, 9, &v, &e), -1);
	ck_assert_str_eq(e.text, "'1x' is not a whole number");
	ck_assert_int_eq(units_parse_int("", 0, 9, &v, &e), -1);
	ck_assert_int_eq(units_parse_int("-", 0, 9, &v, &e), -1);
	ck_assert_int_eq(units_parse_int("+1", 0, 9, &v, &e), -1);
	ck_assert_int_eq(units_parse_int(" 1", 0, 9, &v, &e), -1);
}
END_TEST

START_TEST(decimal)
{
	struct err e;
	double v;

	ck_assert_int_eq(units_parse_decimal("2", 1, 100, &v, &e), 0);
	ck_assert_double_eq(v, 2);
	ck_assert_int_eq(units_parse_decimal("1.5", 1, 100, &v, &e), 0);
	ck_assert_double_eq(v, 1.5);
	ck_assert_int_eq(units_parse_decimal("0.25", 0, 1, &v, &e), 0);
	ck_assert_double_eq(v, 0.25);
	ck_assert_int_eq(
	    units_parse_decimal(
		"0.1000000000000000000000000000000000001", 0, 1, &v, &e),
	    0);
	ck_assert_double_eq_tol(v, 0.1, 1e-12);
	ck_assert_int_eq(units_parse_decimal("1.01", 0, 1, &v, &e), -1);
	ck_assert_str_eq(e.text, "'1.01' is not within 0 to 1");
	ck_assert_int_eq(units_parse_decimal("", 0, 1, &v, &e), -1);
	ck_assert_int_eq(units_parse_decimal(".", 0, 1, &v, &e), -1);
	ck_assert_int_eq(units_parse_decimal("-0.5", 0, 1, &v, &e), -1);
	ck_assert_int_eq(units_parse_decimal("nan", 0, 1, &v, &e), -1);
	ck_assert_int_eq(units_parse_decimal("0x1", 0, 1, &v, &e), -1);
	ck_assert_int_eq(units_parse_decimal("1e0", 0, 1, &v, &e), -1);
	ck_assert_int_eq(units_parse_decimal("1.2.3", 0, 9, &v, &e), -1);
}
END_TEST

START_TEST(octal)
{
	struct err e;
	unsigned int v;

	ck_assert_int_eq(units_parse_octal("022", 0777, &v, &e), 0);
	ck_assert_uint_eq(v, 022);
	ck_assert_int_eq(units_parse_octal("777", 0777, &v, &e), 0);
	ck_assert_uint_eq(v, 0777);
	ck_assert_int_eq(units_parse_octal("1000", 0777, &v, &e), -1);
	ck_assert_int_eq(units_parse_octal("8", 0777, &v, &e), -1);
	ck_assert_int_eq(units_parse_octal("", 0777, &v, &e), -1);
	ck_assert_int_eq(
	    units_parse_octal("777777777777777777777777", 0777, &v, &e), -1);
}
END_TEST

START_TEST(signal_names)
{
	struct err e;
	char out[16];
	int sig, back;

	ck_assert_int_eq(units_parse_signal("TERM", &sig, &e), 0);
	ck_assert_int_eq(sig, SIGTERM);
	ck_assert_int_eq(units_parse_signal("sigusr1", &sig, &e), 0);
	ck_assert_int_eq(sig, SIGUSR1);
	ck_assert_int_eq(units_parse_signal("15", &sig, &e), 0);
	ck_assert_int_eq(sig, SIGTERM);
	ck_assert_int_eq(units_parse_signal("RTMIN+3", &sig, &e), 0);
	ck_assert_int_eq(sig, SIGRTMIN + 3);
	ck_assert_int_eq(units_parse_signal("SIGRTMAX", &sig, &e), 0);
	ck_assert_int_eq(sig, SIGRTMAX);
	ck_assert_int_eq(units_parse_signal("RTMAX-1", &sig, &e), 0);
	ck_assert_int_eq(sig, SIGRTMAX - 1);
	/* Every number has a name that leads back to it. */
	for (sig = 1; sig <= SIGRTMAX; sig++) {
		units_signal_name(sig, out, sizeof(out));
		ck_assert_int_eq(units_parse_signal(out, &back, &e), 0);
		ck_assert_int_eq(back, sig);
	}
	ck_assert_str_eq(units_signal_name(SIGRTMIN, out, 16), "RTMIN");
	ck_assert_str_eq(units_signal_name(SIGABRT, out, 16), "ABRT");
}
END_TEST

static const char *const bad_signals[] = {"", "0", "65", "-1", "FOO", "SIG",
    "RTMIN+31", "RTMIN-1", "RTMAX+1", "RTMIN+", "TERM ", "SIGSIGTERM", "15x",
    "99999999999999999999"};

START_TEST(signal_wrong)
{
	struct err e;
	int sig;

	ck_assert_int_eq(units_parse_signal(bad_signals[_i], &sig, &e), -1);
}
END_TEST

START_TEST(boolean)
{
	static const char *const words[] = {
	    "no", "yes", "false", "true", "off", "on", "0", "1", "NO", "Yes"};
	struct err e;
	int i, v;

	for (i = 0; i < NELEM(words); i++) {
		ck_assert_int_eq(units_parse_bool(words[i], &v, &e), 0);
		ck_assert_int_eq(v, i % 2);
	}
	ck_assert_int_eq(units_parse_bool("", &v, &e), -1);
	ck_assert_int_eq(units_parse_bool("2", &v, &e), -1);
	ck_assert_int_eq(units_parse_bool("y", &v, &e), -1);
}
END_TEST

START_TEST(time_shown)
{
	char out[32];

	ck_assert_str_eq(
	    units_format_time(0, out, 32), "1970-01-01T00:00:00.000Z");
	ck_assert_str_eq(units_format_time(1700000000123, out, 32),
	    "2023-11-14T22:13:20.123Z");
	ck_assert_str_eq(
	    units_format_time(-1, out, 32), "1969-12-31T23:59:59.999Z");
}
END_TEST

START_TEST(exit_set)
{
	struct exit_set set;
	struct err e;

	ck_assert_int_eq(
	    units_parse_exit_set("0 10-12,255, TERM sigusr1", &set, &e), 0);
	ck_assert(exit_set_has_code(&set, 0));
	ck_assert(!exit_set_has_code(&set, 9));
	ck_assert(exit_set_has_code(&set, 10));
	ck_assert(exit_set_has_code(&set, 12));
	ck_assert(!exit_set_has_code(&set, 13));
	ck_assert(exit_set_has_code(&set, 255));
	ck_assert(exit_set_has_signal(&set, SIGTERM));
	ck_assert(exit_set_has_signal(&set, SIGUSR1));
	ck_assert(!exit_set_has_signal(&set, SIGKILL));
	ck_assert(!exit_set_has_code(&set, -1));
	ck_assert(!exit_set_has_code(&set, 256));
	ck_assert(!exit_set_has_signal(&set, 0));
	ck_assert(!exit_set_has_signal(&set, 65));
	ck_assert_int_eq(units_parse_exit_set("RTMAX", &set, &e), 0);
	ck_assert(exit_set_has_signal(&set, 64));
	ck_assert(!exit_set_has_code(&set, 0));
	ck_assert_int_eq(units_parse_exit_set("", &set, &e), 0);
	ck_assert_int_eq(units_parse_exit_set("0-255", &set, &e), 0);
	ck_assert(exit_set_has_code(&set, 200));
}
END_TEST

static const char *const bad_sets[] = {"256", "1-", "-1", "5-4", "FOO", "1x",
    "0-256", "1--2", "AVERYLONGWORDTHATISNOSIGNALATALL", "0 FOO", "0x1"};

START_TEST(exit_set_wrong)
{
	struct exit_set set;
	struct err e;

	ck_assert_int_eq(units_parse_exit_set("7", &set, &e), 0);
	ck_assert_int_eq(units_parse_exit_set(bad_sets[_i], &set, &e), -1);
	ck_assert(exit_set_has_code(&set, 7));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("units");
	TCase *t = tcase_create("units");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_loop_test(t, duration_right, 0, NELEM(durations));
	tcase_add_loop_test(t, duration_wrong, 0, NELEM(bad_durations));
	tcase_add_loop_test(t, duration_shown, 0, NELEM(shown_durations));
	tcase_add_test(t, duration_shown_extremes);
	tcase_add_loop_test(t, size_right, 0, NELEM(sizes));
	tcase_add_loop_test(t, size_wrong, 0, NELEM(bad_sizes));
	tcase_add_test(t, int_range);
	tcase_add_test(t, decimal);
	tcase_add_test(t, octal);
	tcase_add_test(t, signal_names);
	tcase_add_loop_test(t, signal_wrong, 0, NELEM(bad_signals));
	tcase_add_test(t, boolean);
	tcase_add_test(t, time_shown);
	tcase_add_test(t, exit_set);
	tcase_add_loop_test(t, exit_set_wrong, 0, NELEM(bad_sets));
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
