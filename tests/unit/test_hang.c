/* Starved or hung: numbers in, a verdict out. */
#include "core/hang.h"

#include <check.h>
#include <stdlib.h>

#define NONE HANG_UNKNOWN_TIME

/* All of a span of 10 s. */
static const struct {
	const char *who;
	struct hang_span h; /* without span */
	enum hang_verdict verdict;
	const char *text;
} cases[] = {
    {"sleeps for ever on a machine at rest", {0, 'S', 0, 0, 0, 0, 0, 0},
	HANG_HUNG,
	"asleep, ran 0s and waited 0s for a processor in the last 10s"},
    {"sleeps for ever while others fight", {0, 'S', 3, 2, 0, NONE, 9800, 0},
	HANG_HUNG,
	"asleep, ran 3ms and waited 2ms for a processor in the last 10s, "
	"CPU pressure 98%"},
    {"sleeps for ever on a machine that is stolen",
	{0, 'S', 100, 200, 9000, NONE, 0, 0}, HANG_HUNG,
	"asleep, ran 100ms and waited 200ms for a processor in the last 10s, "
	"steal 90%"},
    {"waits for a disk", {0, 'D', 0, 0, 0, 0, 0, 9990}, HANG_HUNG,
	"in a system call that cannot be interrupted, ran 0s and waited 0s "
	"for a processor in the last 10s, I/O pressure 99%"},
    {"spins", {0, 'R', 9900, 100, 0, 0, 500, 0}, HANG_HUNG,
	"running, ran 9.9s and waited 100ms for a processor in the last 10s"},
    {"spins beside another one", {0, 'R', 5001, 4999, 0, 0, 10000, 0},
	HANG_HUNG, NULL},
    {"was stopped", {0, 'T', 0, 0, 0, 0, 0, 0}, HANG_HUNG,
	"stopped by a signal, ran 0s and waited 0s for a processor in the "
	"last 10s"},
    {"is looked at", {0, 't', 0, 0, 0, 0, 0, 0}, HANG_HUNG, NULL},
    {"had no processor at all", {0, 'R', 0, 10000, 0, 0, 10000, 0},
	HANG_STARVED,
	"ran 0s and waited 10s for a processor in the last "
	"10s, CPU pressure 100%"},
    {"waited for most of it", {0, 'S', 1200, 5001, 0, NONE, NONE, NONE},
	HANG_STARVED,
	"ran 1.2s and waited 5.001s for a processor in the "
	"last 10s"},
    {"waited for half of it", {0, 'S', 1200, 5000, 0, 0, 0, 0}, HANG_HUNG,
	NULL},
    {"is throttled", {0, 'R', 1000, 9000, 0, 9000, 0, 0}, HANG_STARVED,
	"ran 1s and waited 9s for a processor in the last "
	"10s, throttled 90%"},
    {"wants a processor that is stolen", {0, 'R', 2500, 500, 7000, 0, 0, 0},
	HANG_STARVED,
	"ran 2.5s and waited 500ms for a processor in the "
	"last 10s, steal 70%"},
    {"has processors, for other threads", {0, 'R', 15000, 9900, 0, 0, 10000, 0},
	HANG_HUNG, NULL},
    {"is on a kernel that counts nothing", {0, 'S', NONE, NONE, 9000, 0, 0, 0},
	HANG_UNKNOWN, "asleep; how long it had a processor is not known"},
    {"is nowhere to be seen", {0, 0, NONE, NONE, NONE, NONE, NONE, NONE},
	HANG_UNKNOWN,
	"in an unknown state; how long it had a processor is not known"},
};

START_TEST(who_is_silent_is_judged_by_its_chance_to_speak)
{
	struct hang_span h = cases[_i].h;
	char text[HANG_TEXT_SIZE];

	h.span = 10000;
	ck_assert_msg(hang_judge(&h, text) == cases[_i].verdict, "who %s: %s",
	    cases[_i].who, text);
	if (cases[_i].text != NULL)
		ck_assert_str_eq(text, cases[_i].text);
}
END_TEST

START_TEST(no_time_is_no_measurement)
{
	struct hang_span h = {.state = 'R', .waited = 1};
	char text[HANG_TEXT_SIZE];

	ck_assert_int_eq(hang_judge(&h, text), HANG_UNKNOWN);
}
END_TEST

START_TEST(the_longest_text_has_room)
{
	struct hang_span h = {.span = INT64_MAX / 200,
	    .state = 'D',
	    .ran = INT64_MAX / 200,
	    .waited = INT64_MAX / 200,
	    .stolen = INT64_MAX / 200,
	    .throttled = INT64_MAX / 200,
	    .cpu_pressure = INT64_MAX / 200,
	    .io_pressure = INT64_MAX / 200};
	char text[HANG_TEXT_SIZE];

	hang_judge(&h, text);
	ck_assert_ptr_nonnull(strstr(text, "I/O pressure 100%"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("hang");
	TCase *t = tcase_create("hang");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_loop_test(t, who_is_silent_is_judged_by_its_chance_to_speak,
	    0, sizeof(cases) / sizeof(*cases));
	tcase_add_test(t, no_time_is_no_measurement);
	tcase_add_test(t, the_longest_text_has_room);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
