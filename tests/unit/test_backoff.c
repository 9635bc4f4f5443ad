/* When to start again, and whether at all. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/backoff.h"

#define SIG_HUP 1
#define SIG_INT 2
#define SIG_KILL 9
#define SIG_SEGV 11
#define SIG_PIPE 13
#define SIG_TERM 15

/* What a fleet file that says nothing means. */
static const struct worker_conf defaults = {
    .restart = RESTART_ALWAYS,
    .backoff_delay = 1000,
    .backoff_factor = 2,
    .backoff_limit = 30000,
    .backoff_reset = 10000,
    .restart_interval = 60000,
    .success = {.code = {1}},
};

/* --- waits --- */

static void
expect_waits(const struct worker_conf *c, const int64_t *waits, uint32_t n)
{
	uint32_t run;

	for (run = 1; run <= n; run++)
		ck_assert_int_eq(backoff_wait(c, run, 0), waits[run - 1]);
}

START_TEST(waits_double_up_to_the_limit)
{
	static const int64_t waits[] = {
	    1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000};

	expect_waits(&defaults, waits, 8);
}
END_TEST

START_TEST(factor_one_keeps_the_wait)
{
	static const int64_t waits[] = {1000, 1000, 1000};
	struct worker_conf c = defaults;

	c.backoff_factor = 1;
	expect_waits(&c, waits, 3);
	ck_assert_int_eq(backoff_wait(&c, UINT32_MAX, 0), 1000);
}
END_TEST

START_TEST(a_broken_factor_is_kept_exactly)
{
	static const int64_t waits[] = {1000, 1500, 2250, 3375};
	struct worker_conf c = defaults;

	c.backoff_factor = 1.5;
	expect_waits(&c, waits, 4);
}
END_TEST

START_TEST(delay_zero_is_immediate_once_and_then_grows_from_100_ms)
{
	static const int64_t waits[] = {0, 100, 200, 400, 800, 1600, 3200, 6400,
	    12800, 25600, 30000, 30000};
	struct worker_conf c = defaults;

	c.backoff_delay = 0;
	expect_waits(&c, waits, 12);
}
END_TEST

START_TEST(delay_zero_with_factor_one_is_no_hot_loop)
{
	static const int64_t waits[] = {0, 100, 100, 100};
	struct worker_conf c = defaults;

	c.backoff_delay = 0;
	c.backoff_factor = 1;
	expect_waits(&c, waits, 4);
}
END_TEST

START_TEST(a_delay_over_the_limit_is_the_limit)
{
	struct worker_conf c = defaults;

	c.backoff_delay = 60000;
	ck_assert_int_eq(backoff_wait(&c, 1, 0), 30000);
	ck_assert_int_eq(backoff_wait(&c, 2, 0), 30000);
}
END_TEST

START_TEST(jitter_adds_between_nothing_and_its_part)
{
	struct worker_conf c = defaults;

	c.backoff_jitter = 0.25;
	ck_assert_int_eq(backoff_wait(&c, 1, 0), 1000);
	ck_assert_int_eq(backoff_wait(&c, 1, UINT32_MAX), 1250);
	ck_assert_int_eq(backoff_wait(&c, 1, UINT32_MAX / 2), 1124);
	ck_assert_int_eq(backoff_wait(&c, 9, UINT32_MAX), 37500);
	c.backoff_jitter = 1;
	ck_assert_int_eq(backoff_wait(&c, 2, UINT32_MAX), 4000);
}
END_TEST

START_TEST(jitter_of_an_immediate_restart_is_nothing)
{
	struct worker_conf c = defaults;

	c.backoff_delay = 0;
	c.backoff_jitter = 1;
	ck_assert_int_eq(backoff_wait(&c, 1, UINT32_MAX), 0);
}
END_TEST

static int64_t
cpu_ms(void)
{
	return (int64_t)clock() * 1000 / CLOCKS_PER_SEC;
}

/* factor, and the wait it must have come to; the limit is a year, the longest
 * that a fleet file can say. */
START_TEST(no_run_of_deaths_is_too_long)
{
	static const double factors[] = {1, 1.0000001, 1.001, 2, 100};
	static const int64_t year = INT64_C(365) * 24 * 3600 * 1000;
	struct worker_conf c = defaults;
	int64_t begin = cpu_ms(), wait;

	c.backoff_factor = factors[_i];
	c.backoff_limit = year;
	c.backoff_jitter = 1;
	wait = backoff_wait(&c, UINT32_MAX, UINT32_MAX);
	ck_assert_int_eq(wait, factors[_i] == 1 ? 2000 : 2 * year);
	ck_assert_int_lt(cpu_ms() - begin, 100);
}
END_TEST

/* --- verdicts --- */

static const struct death exit_0 = {.at = 1, .pid = 7};
static const struct death exit_1 = {.at = 1, .pid = 7, .code = 1};
static const struct death fault = {
    .at = 1, .pid = 7, .code = 127, .fault = "command 'x' not found"};
static const struct death unborn = {.at = 1, .code = -1, .fault = "fork"};

static struct death
killed_by(int sig)
{
	return (struct death){.at = 1, .pid = 7, .code = -1, .signal = sig};
}

static enum worker_event
verdict(enum restart_when when, const struct death *d)
{
	struct worker_conf c = defaults;
	struct verdict_input in = {
	    .conf = &c, .death = d, .want_up = 1, .recent = 1};

	c.restart = when;
	return backoff_verdict(&in);
}

static int
is_asked_for(int sig)
{
	return sig == SIG_HUP || sig == SIG_INT || sig == SIG_TERM ||
	       sig == SIG_PIPE;
}

START_TEST(always_starts_again_whatever_the_death)
{
	struct death d;
	int n;

	for (n = 0; n <= 255; n++) {
		d = (struct death){.at = 1, .code = n};
		ck_assert_int_eq(verdict(RESTART_ALWAYS, &d), EV_DIED_RETRY);
	}
	for (n = 1; n <= 64; n++) {
		d = killed_by(n);
		ck_assert_int_eq(verdict(RESTART_ALWAYS, &d), EV_DIED_RETRY);
	}
	ck_assert_int_eq(verdict(RESTART_ALWAYS, &fault), EV_DIED_RETRY);
	ck_assert_int_eq(verdict(RESTART_ALWAYS, &unborn), EV_DIED_RETRY);
}
END_TEST

START_TEST(on_failure_takes_success_for_the_end)
{
	struct death d;
	int n;

	ck_assert_int_eq(verdict(RESTART_ON_FAILURE, &exit_0), EV_DIED_DONE);
	for (n = 1; n <= 255; n++) {
		d = (struct death){.at = 1, .code = n};
		ck_assert_int_eq(
		    verdict(RESTART_ON_FAILURE, &d), EV_DIED_RETRY);
	}
	ck_assert_int_eq(verdict(RESTART_ON_FAILURE, &fault), EV_DIED_RETRY);
	ck_assert_int_eq(verdict(RESTART_ON_FAILURE, &unborn), EV_DIED_RETRY);
}
END_TEST

START_TEST(on_failure_takes_hup_int_term_and_pipe_for_a_wish)
{
	struct death d;
	int sig;

	for (sig = 1; sig <= 64; sig++) {
		d = killed_by(sig);
		ck_assert_int_eq(verdict(RESTART_ON_FAILURE, &d),
		    is_asked_for(sig) ? EV_DIED_DONE : EV_DIED_RETRY);
	}
}
END_TEST

START_TEST(no_never_starts_again)
{
	struct death d;
	int sig;

	ck_assert_int_eq(verdict(RESTART_NO, &exit_0), EV_DIED_DONE);
	ck_assert_int_eq(verdict(RESTART_NO, &exit_1), EV_DIED_FATAL);
	ck_assert_int_eq(verdict(RESTART_NO, &fault), EV_DIED_FATAL);
	ck_assert_int_eq(verdict(RESTART_NO, &unborn), EV_DIED_FATAL);
	for (sig = 1; sig <= 64; sig++) {
		d = killed_by(sig);
		ck_assert_int_eq(verdict(RESTART_NO, &d), EV_DIED_FATAL);
	}
}
END_TEST

START_TEST(success_is_what_the_set_says)
{
	struct worker_conf c = defaults;
	struct death d = killed_by(SIG_TERM);

	ck_assert_int_eq(units_parse_exit_set(
			     "3 10-12 TERM", &c.success, &(struct err){{0}}),
	    0);
	ck_assert_int_eq(death_is_success(&c, &d), 1);
	d = killed_by(SIG_SEGV);
	ck_assert_int_eq(death_is_success(&c, &d), 0);
	ck_assert_int_eq(death_is_success(&c, &exit_0), 0);
	d = (struct death){.at = 1, .code = 11};
	ck_assert_int_eq(death_is_success(&c, &d), 1);
	d.code = 255;
	ck_assert_int_eq(death_is_success(&c, &d), 0);
}
END_TEST

START_TEST(a_fault_or_an_unknown_status_is_no_success)
{
	struct worker_conf c = defaults;
	struct death d = {.at = 1, .code = -1};

	c.success.code[1] = UINT64_MAX; /* 127 among them */
	ck_assert_int_eq(death_is_success(&c, &fault), 0);
	ck_assert_int_eq(death_is_success(&c, &unborn), 0);
	ck_assert_int_eq(death_is_success(&c, &d), 0);
}
END_TEST

/* --- what goes before the policy --- */

static struct verdict_input
input(struct worker_conf *c, const struct death *d)
{
	*c = defaults;
	return (struct verdict_input){
	    .conf = c, .death = d, .want_up = 1, .recent = 1};
}

START_TEST(permanent_statuses_and_signals_are_fatal)
{
	struct death segv = killed_by(SIG_SEGV);
	struct worker_conf c;
	struct verdict_input in = input(&c, &exit_1);

	c.permanent.code[0] = 2;
	ck_assert_int_eq(backoff_verdict(&in), EV_DIED_FATAL);
	in.death = &exit_0;
	ck_assert_int_eq(backoff_verdict(&in), EV_DIED_RETRY);
	c.permanent.signal = UINT64_C(1) << (SIG_SEGV - 1);
	in.death = &segv;
	ck_assert_int_eq(backoff_verdict(&in), EV_DIED_FATAL);
}
END_TEST

START_TEST(a_fault_is_never_permanent)
{
	struct worker_conf c;
	struct verdict_input in = input(&c, &fault);

	memset(c.permanent.code, 0xff, sizeof(c.permanent.code));
	ck_assert_int_eq(backoff_verdict(&in), EV_DIED_RETRY);
}
END_TEST

/* However it ended, and whatever policy says of such an end. */
START_TEST(one_that_hung_has_failed)
{
	static const struct death ends[] = {
	    {.at = 1, .pid = 1, .code = 0},
	    {.at = 1, .pid = 1, .code = -1, .signal = SIG_TERM},
	    {.at = 1, .pid = 1, .code = -1, .signal = SIG_KILL},
	};
	static const struct {
		enum restart_when restart;
		enum worker_event ev;
	} policies[] = {
	    {RESTART_ALWAYS, EV_DIED_RETRY},
	    {RESTART_ON_FAILURE, EV_DIED_RETRY},
	    {RESTART_NO, EV_DIED_FATAL},
	};
	struct worker_conf c = defaults;
	struct verdict_input in = input(&c, &ends[_i]);
	size_t i;

	in.overdue = 1;
	for (i = 0; i < sizeof(policies) / sizeof(*policies); i++) {
		c.restart = policies[i].restart;
		ck_assert_int_eq(backoff_verdict(&in), policies[i].ev);
	}
	in.want_up = 0;
	ck_assert_int_eq(backoff_verdict(&in), EV_DIED_DONE);
}
END_TEST

/* Stopping or not wanted: no death says anything against it. */
START_TEST(a_wish_goes_before_every_policy)
{
	static const struct {
		int stopping, want_up;
		enum worker_event ev;
	} wishes[] = {
	    {1, 1, EV_DIED_RESTART},
	    {1, 0, EV_DIED_DONE},
	    {0, 0, EV_DIED_DONE},
	};
	struct worker_conf c;
	struct verdict_input in = input(&c, &exit_1);
	int when;

	c.permanent.code[0] = 2;
	c.restart_limit = 1;
	in.recent = 100;
	in.hopeless = 1;
	in.stopping = wishes[_i].stopping;
	in.want_up = wishes[_i].want_up;
	for (when = RESTART_ALWAYS; when <= RESTART_NO; when++) {
		c.restart = when;
		ck_assert_int_eq(backoff_verdict(&in), wishes[_i].ev);
	}
}
END_TEST

START_TEST(more_deaths_than_the_limit_are_fatal)
{
	struct worker_conf c;
	struct verdict_input in = input(&c, &exit_1);

	c.restart_limit = 3;
	in.recent = 3;
	ck_assert_int_eq(backoff_verdict(&in), EV_DIED_RETRY);
	in.recent = 4;
	ck_assert_int_eq(backoff_verdict(&in), EV_DIED_FATAL);
	c.restart_limit = 0;
	in.recent = INT64_MAX;
	ck_assert_int_eq(backoff_verdict(&in), EV_DIED_RETRY);
}
END_TEST

START_TEST(the_limit_does_not_spoil_a_success)
{
	struct worker_conf c;
	struct verdict_input in = input(&c, &exit_0);

	c.restart = RESTART_ON_FAILURE;
	c.restart_limit = 1;
	in.recent = 9;
	ck_assert_int_eq(backoff_verdict(&in), EV_DIED_DONE);
}
END_TEST

START_TEST(a_hopeless_set_up_is_fatal)
{
	struct worker_conf c;
	struct verdict_input in = input(&c, &fault);

	in.hopeless = 1;
	ck_assert_int_eq(backoff_verdict(&in), EV_DIED_FATAL);
}
END_TEST

START_TEST(who_is_found_gone_ends_no_fleet)
{
	struct death unknown = {.at = 1, .code = -1, .pid = 5};
	struct worker_conf c;
	struct verdict_input in = input(&c, &unknown);

	c.restart = RESTART_NO;
	c.essential = 1;
	ck_assert_int_eq(backoff_verdict(&in), EV_DIED_FATAL);
	in.found_gone = 1;
	ck_assert_int_eq(backoff_verdict(&in), EV_DIED_RETRY);
	c.type = WORKER_ONESHOT;
	ck_assert_int_eq(backoff_verdict(&in), EV_DIED_FATAL);
	c.type = WORKER_DAEMON;
	c.essential = 0;
	ck_assert_int_eq(backoff_verdict(&in), EV_DIED_FATAL);
}
END_TEST

/* --- words --- */

START_TEST(a_death_is_described)
{
	struct death d = {.code = -1};
	char out[RECORD_FAULT_MAX];

	ck_assert_str_eq(
	    death_describe(&exit_1, out, sizeof(out)), "exit status 1");
	ck_assert_str_eq(
	    death_describe(&fault, out, sizeof(out)), "command 'x' not found");
	ck_assert_str_eq(
	    death_describe(&d, out, sizeof(out)), "status unknown");
	d = killed_by(SIG_SEGV);
	ck_assert_str_eq(
	    death_describe(&d, out, sizeof(out)), "killed by SEGV");
	d.core = 1;
	ck_assert_str_eq(death_describe(&d, out, sizeof(out)),
	    "killed by SEGV (core dumped)");
}
END_TEST

START_TEST(a_description_is_cut_to_fit)
{
	char out[8];

	ck_assert_str_eq(death_describe(&exit_1, out, sizeof(out)), "exit st");
	ck_assert_str_eq(death_describe(&fault, out, sizeof(out)), "command");
}
END_TEST

static TCase *
waits(void)
{
	TCase *t = tcase_create("waits");

	tcase_add_test(t, waits_double_up_to_the_limit);
	tcase_add_test(t, factor_one_keeps_the_wait);
	tcase_add_test(t, a_broken_factor_is_kept_exactly);
	tcase_add_test(
	    t, delay_zero_is_immediate_once_and_then_grows_from_100_ms);
	tcase_add_test(t, delay_zero_with_factor_one_is_no_hot_loop);
	tcase_add_test(t, a_delay_over_the_limit_is_the_limit);
	tcase_add_test(t, jitter_adds_between_nothing_and_its_part);
	tcase_add_test(t, jitter_of_an_immediate_restart_is_nothing);
	tcase_add_loop_test(t, no_run_of_deaths_is_too_long, 0, 5);
	tcase_set_timeout(t, 30);
	return t;
}

static TCase *
verdicts(void)
{
	TCase *t = tcase_create("verdicts");

	tcase_add_test(t, always_starts_again_whatever_the_death);
	tcase_add_test(t, on_failure_takes_success_for_the_end);
	tcase_add_test(t, on_failure_takes_hup_int_term_and_pipe_for_a_wish);
	tcase_add_test(t, no_never_starts_again);
	tcase_add_test(t, success_is_what_the_set_says);
	tcase_add_test(t, a_fault_or_an_unknown_status_is_no_success);
	tcase_add_test(t, permanent_statuses_and_signals_are_fatal);
	tcase_add_test(t, a_fault_is_never_permanent);
	tcase_add_loop_test(t, one_that_hung_has_failed, 0, 3);
	tcase_add_loop_test(t, a_wish_goes_before_every_policy, 0, 3);
	tcase_add_test(t, more_deaths_than_the_limit_are_fatal);
	tcase_add_test(t, the_limit_does_not_spoil_a_success);
	tcase_add_test(t, a_hopeless_set_up_is_fatal);
	tcase_add_test(t, who_is_found_gone_ends_no_fleet);
	return t;
}

static TCase *
words(void)
{
	TCase *t = tcase_create("words");

	tcase_add_test(t, a_death_is_described);
	tcase_add_test(t, a_description_is_cut_to_fit);
	return t;
}

int
main(void)
{
	Suite *s = suite_create("backoff");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, waits());
	suite_add_tcase(s, verdicts());
	suite_add_tcase(s, words());
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
