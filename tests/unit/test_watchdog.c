/* The watchdog: who is silent for too long, and who only seems so. */
#include "fake_worker.c"

#include "base/units.h"

#define PERIOD 10000
#define LATE (PERIOD - PERIOD / 3) /* when it is looked at first */

/* --- what would be measured --- */

struct hang_sample {
	int taken;
};

static int samples, samples_held;
static struct hang_span measured = {.state = 'S'};

struct hang_sample *
hang_sample_take(const struct worker *of)
{
	(void)of;
	samples++;
	samples_held++;
	return calloc(1, sizeof(struct hang_sample));
}

void
hang_sample_free(struct hang_sample *s)
{
	samples_held -= s != NULL;
	free(s);
}

void
hang_sample_compare(const struct hang_sample *from,
    const struct hang_sample *to, struct hang_span *h)
{
	*h = measured;
	ck_assert_ptr_nonnull(to);
	if (from == NULL)
		h->ran = HANG_UNKNOWN_TIME;
	else
		h->span = 1000;
}

/* --- the tests --- */

static struct fate
ignores_abrt(const struct spawn_request *r)
{
	(void)r;
	return (struct fate){.ignores = SIGABRT};
}

static void
set_up_watched(void)
{
	set_up();
	measured = (struct hang_span){.state = 'S'};
	samples = samples_held = dumps = dump_lasts = 0;
	fake_log[0] = '\0';
	conf.watchdog = PERIOD;
	say(EV_START);
	expect_state(WS_RUNNING);
}

/* Heartbeats, as often as they should be, for so long. */
static void
beat_for(int64_t ms)
{
	for (; ms > 0; ms -= PERIOD / 2) {
		pass(PERIOD / 2);
		watchdog_heartbeat(&w);
	}
}

static int
has_timer(void)
{
	return loop_next(sup.loop) != NEVER;
}

START_TEST(who_is_heard_lives)
{
	beat_for(20 * PERIOD);
	expect_state(WS_RUNNING);
	ck_assert_int_eq(count("kill"), 0);
	/* Nothing of it is worth a line in the journal. */
	ck_assert_int_eq(count("record RUNNING"), 1);
}
END_TEST

START_TEST(who_is_silent_is_aborted_and_that_is_a_failure)
{
	beat_for(3 * PERIOD);
	pass(PERIOD - 1);
	expect_state(WS_RUNNING);
	pass(1);
	ck_assert_int_eq(count("kill 5000000 6"), 1);
	ck_assert_int_eq(count("kill 5000000 18"), 1);
	expect_state(WS_BACKOFF);
	ck_assert_str_eq(w.error, "killed by ABRT: no heartbeat within 10s");
	ck_assert_int_eq(w.rec.run, 1);
	pass(1000);
	expect_state(WS_RUNNING);
	/* The next one has a whole period. */
	pass(PERIOD - 1);
	expect_state(WS_RUNNING);
	pass(1);
	expect_state(WS_BACKOFF);
}
END_TEST

START_TEST(who_ignores_the_signal_is_killed_after_the_grace)
{
	world_fate = ignores_abrt;
	say(EV_RESTART);
	pass(PERIOD);
	expect_state(WS_STOPPING);
	ck_assert_str_eq(w.error, "no heartbeat within 10s");
	/* Too late. */
	watchdog_heartbeat(&w);
	pass(GRACE - 1);
	expect_state(WS_STOPPING);
	ck_assert_int_eq(count("tree"), 0);
	pass(1);
	ck_assert_int_eq(count("tree 5000001"), 1);
	expect_state(WS_BACKOFF);
	ck_assert_str_eq(w.error, "killed by KILL: no heartbeat within 10s");
}
END_TEST

START_TEST(it_is_looked_at_before_it_hears_anything)
{
	world_fate = ignores_abrt;
	say(EV_RESTART);
	dump_lasts = 1;
	pass(PERIOD + DUMP_MS);
	expect_state(WS_STOPPING);
	ck_assert_int_eq(dumps, 1);
	ck_assert_int_eq(count("kill 5000001"), 0);
	dump_waits(&w);
	ck_assert_int_eq(count("kill 5000001 6"), 1);
	/* The grace begins with the signal, and nothing more is to be seen. */
	pass(GRACE - 1);
	ck_assert_int_eq(count("tree"), 0);
	pass(1);
	ck_assert_int_eq(count("tree 5000001"), 1);
	ck_assert_int_eq(dumps, 1);
}
END_TEST

START_TEST(a_look_that_never_ends_keeps_nobody_alive)
{
	dump_lasts = 1;
	pass(PERIOD + DUMP_MS + GRACE);
	ck_assert_int_eq(count("tree 5000000"), 1);
	expect_state(WS_BACKOFF);
}
END_TEST

START_TEST(who_is_told_to_stop_meanwhile_is_told_so_politely)
{
	dump_lasts = 1;
	pass(PERIOD);
	say(EV_STOP);
	dump_waits(&w);
	turn();
	ck_assert_int_eq(count("kill 5000000 15"), 1);
	expect_state(WS_STOPPED);
	ck_assert_str_eq(w.error, "");
}
END_TEST

START_TEST(a_look_at_one_that_has_ended_meanwhile_does_nothing)
{
	dump_lasts = 1;
	pass(PERIOD);
	die(find_process(w.rec.pid), 0, 0);
	turn();
	expect_state(WS_BACKOFF);
	ck_assert_str_eq(w.error, "exit status 0: no heartbeat within 10s");
	ck_assert_int_eq(count("kill 5000000"), 0);
}
END_TEST

static char *stop_command[] = {(char *)"stop", NULL};

START_TEST(the_signal_is_its_own_and_takes_no_stop_command)
{
	conf.watchdog_signal = SIGQUIT;
	conf.stop_command = stop_command;
	conf.kill_mode = KILL_MODE_GROUP;
	pass(PERIOD);
	ck_assert_int_eq(count("stop_command"), 0);
	ck_assert_int_eq(count("kill 5000000 3"), 1);
	ck_assert_int_eq(count("kill group 5000000 3"), 0);
}
END_TEST

START_TEST(one_of_whom_none_is_expected_costs_no_timer)
{
	watchdog_set(&w, 0);
	ck_assert(!has_timer());
	watchdog_set(&w, 5000000);
	ck_assert(has_timer());
	say(EV_STOP);
	ck_assert(!has_timer());
	conf.watchdog = 0;
	say(EV_START);
	expect_state(WS_RUNNING);
	ck_assert(!has_timer());
	watchdog_heartbeat(&w);
	ck_assert(!has_timer());
}
END_TEST

START_TEST(the_process_may_say_how_long_it_may_be_silent)
{
	watchdog_set(&w, 3 * PERIOD * INT64_C(1000));
	ck_assert_int_eq(
	    world->journal[world->njournal - 1].u.worker.watchdog, 3 * PERIOD);
	pass(3 * PERIOD - 1);
	expect_state(WS_RUNNING);
	pass(1);
	ck_assert_str_eq(w.error, "killed by ABRT: no heartbeat within 30s");
	/* The next process is as its section says. */
	pass(1000);
	ck_assert_int_eq(w.rec.watchdog, 0);
	ck_assert_int_eq(watchdog_period(&w), PERIOD);
}
END_TEST

static const struct {
	uint64_t usec;
	int64_t ms;
} own[] = {{0, 0}, {UINT64_MAX, 0}, {1, FLEET_WATCHDOG_MIN},
    {9999, FLEET_WATCHDOG_MIN}, {10001, 11}, {60000000, 60000},
    {UINT64_MAX - 1, INT64_MAX / 1000}};

START_TEST(whatever_it_says_is_a_time)
{
	conf.backoff_delay = conf.backoff_limit;
	watchdog_set(&w, own[_i].usec);
	ck_assert_int_eq(watchdog_period(&w), own[_i].ms);
	pass(PERIOD);
	ck_assert_int_eq(
	    w.rec.state == WS_RUNNING, own[_i].ms == 0 || own[_i].ms > PERIOD);
}
END_TEST

START_TEST(a_warning_is_said_once_and_so_is_its_end)
{
	conf.watchdog_mode = WATCHDOG_WARN;
	pass(20 * PERIOD);
	expect_state(WS_RUNNING);
	ck_assert_str_eq(w.error, "no heartbeat within 10s");
	ck_assert_int_eq(logged("no heartbeat within 10s"), 1);
	ck_assert_int_eq(dumps, 1);
	ck_assert(!has_timer());
	watchdog_heartbeat(&w);
	ck_assert_str_eq(w.error, "");
	ck_assert_int_eq(logged("a heartbeat again, after 3min20s"), 1);
	pass(PERIOD);
	ck_assert_int_eq(logged("no heartbeat within 10s"), 2);
	ck_assert_int_eq(count("kill"), 0);
}
END_TEST

START_TEST(who_flaps_does_not_fill_the_log)
{
	int i;

	conf.watchdog_mode = WATCHDOG_WARN;
	conf.watchdog = 100;
	say(EV_RESTART);
	for (i = 0; i < 100; i++) {
		pass(100);
		ck_assert_str_eq(w.error, "no heartbeat within 100ms");
		watchdog_heartbeat(&w);
		ck_assert_str_eq(w.error, "");
	}
	ck_assert_int_eq(logged("no heartbeat within"), 1);
	ck_assert_int_eq(logged("a heartbeat again"), 1);
}
END_TEST

START_TEST(a_warning_becomes_a_kill_where_the_fleet_file_says_so_now)
{
	conf.watchdog_mode = WATCHDOG_WARN;
	pass(3 * PERIOD);
	conf.watchdog_mode = WATCHDOG_KILL;
	watchdog_begin(&w); /* as a reload does */
	ck_assert_str_eq(w.error, "");
	pass(PERIOD - 1);
	expect_state(WS_RUNNING);
	pass(1);
	expect_state(WS_BACKOFF);
}
END_TEST

START_TEST(who_asks_for_its_end_gets_it_at_once)
{
	watchdog_trigger(&w);
	turn();
	expect_state(WS_BACKOFF);
	ck_assert_str_eq(w.error, "killed by ABRT: it asked to be ended");
	watchdog_trigger(&w);
	ck_assert_int_eq(count("kill 5000000 6"), 1);
}
END_TEST

START_TEST(whoever_has_warn_may_ask_in_vain)
{
	conf.watchdog_mode = WATCHDOG_WARN;
	watchdog_trigger(&w);
	watchdog_trigger(&w);
	expect_state(WS_RUNNING);
	ck_assert_int_eq(logged("it asked to be ended"), 1);
	watchdog_heartbeat(&w);
	ck_assert_str_eq(w.error, "");
}
END_TEST

/* The time passes, and nobody looks. */
static void
svd_is_away(int64_t ms)
{
	world->now += ms;
	turn();
}

START_TEST(the_time_in_which_svd_was_away_does_not_count)
{
	pass(_i * PERIOD / 8);
	svd_is_away(3 * PERIOD);
	expect_state(WS_RUNNING);
	pass(PERIOD - 1);
	expect_state(WS_RUNNING);
	pass(1);
	expect_state(WS_BACKOFF);
}
END_TEST

START_TEST(svd_may_be_away_ever_again_while_the_worker_is_heard)
{
	int i;

	for (i = 0; i < 10; i++) {
		svd_is_away(3 * PERIOD);
		pass(PERIOD / 2);
		watchdog_heartbeat(&w);
	}
	expect_state(WS_RUNNING);
}
END_TEST

START_TEST(a_loop_that_is_ever_late_saves_nobody_for_ever)
{
	int i;

	for (i = 0; i < 20 && w.rec.state == WS_RUNNING; i++)
		svd_is_away(3 * PERIOD);
	expect_state(WS_BACKOFF);
}
END_TEST

START_TEST(a_successor_gives_it_a_whole_period)
{
	pass(PERIOD - 1);
	worker_resume(&w);
	pass(PERIOD - 1);
	expect_state(WS_RUNNING);
	pass(1);
	expect_state(WS_BACKOFF);
}
END_TEST

START_TEST(one_of_an_earlier_svd_is_watched_once_it_was_heard)
{
	w.rec.adopted = 1;
	worker_resume(&w);
	ck_assert(!has_timer());
	watchdog_heartbeat(&w);
	ck_assert(has_timer());
}
END_TEST

START_TEST(people_are_told)
{
	char text[WATCHDOG_TEXT_SIZE];

	beat_for(PERIOD);
	pass(4000);
	ck_assert_str_eq(
	    watchdog_text(&w, text), "a heartbeat 4s ago, expected within 10s");
	watchdog_set(&w, 0);
	ck_assert_ptr_null(watchdog_text(&w, text));
}
END_TEST

static void
starve(void)
{
	measured = (struct hang_span){.state = 'R', .waited = 1000};
}

START_TEST(who_had_no_chance_has_as_long_again)
{
	starve();
	pass(PERIOD);
	expect_state(WS_RUNNING);
	ck_assert_str_eq(w.error,
	    "no heartbeat within 10s: starved of CPU, it has as long again");
	ck_assert_int_eq(logged("waited 1s for a processor in the last 1s"), 1);
	watchdog_heartbeat(&w);
	ck_assert_str_eq(w.error, "");
	ck_assert_int_eq(logged("a heartbeat again, after 10s"), 1);
	beat_for(PERIOD);
	ck_assert_int_eq(count("kill"), 0);
	/* It has all of it again the next time. */
	pass(3 * PERIOD);
	expect_state(WS_RUNNING);
}
END_TEST

START_TEST(who_never_has_a_chance_is_ended_at_last)
{
	starve();
	pass((1 + WATCHDOG_EXTENSIONS) * PERIOD - 1);
	expect_state(WS_RUNNING);
	pass(1);
	expect_state(WS_BACKOFF);
	ck_assert_str_eq(w.error,
	    "killed by ABRT: no heartbeat within 10s, nor in 3 times that, "
	    "starved of CPU");
}
END_TEST

/* Who flaps is not said again for a while, but that it hangs is news. */
START_TEST(a_hang_is_looked_at_soon_after_a_starvation)
{
	conf.watchdog = 1000;
	conf.watchdog_mode = WATCHDOG_WARN;
	say(EV_RESTART);
	starve();
	pass(1000);
	ck_assert_int_eq(logged("starved of CPU"), 1);
	ck_assert_int_eq(dumps, 0);
	measured = (struct hang_span){.state = 'S'};
	pass(1000);
	ck_assert_str_eq(w.error, "no heartbeat within 1s");
	ck_assert_int_eq(logged("asleep, ran 0s and waited 0s"), 1);
	ck_assert_int_eq(dumps, 1);
	expect_state(WS_RUNNING);
}
END_TEST

START_TEST(who_hangs_once_it_has_a_chance_is_ended)
{
	starve();
	pass(PERIOD);
	measured = (struct hang_span){.state = 'S'};
	pass(PERIOD);
	expect_state(WS_BACKOFF);
	ck_assert_str_eq(w.error, "killed by ABRT: no heartbeat within 10s");
	ck_assert_int_eq(logged("asleep, ran 0s and waited 0s"), 1);
}
END_TEST

START_TEST(who_starves_may_ask_for_its_end)
{
	starve();
	pass(PERIOD);
	watchdog_trigger(&w);
	turn();
	expect_state(WS_BACKOFF);
}
END_TEST

START_TEST(only_who_is_late_is_measured)
{
	beat_for(10 * PERIOD);
	pass(LATE - 1);
	ck_assert_int_eq(samples, 0);
	pass(1);
	ck_assert_int_eq(samples, 1);
	watchdog_heartbeat(&w);
	beat_for(10 * PERIOD);
	ck_assert_int_eq(samples, 1);
	ck_assert_int_eq(samples_held, 0);
	pass(PERIOD);
	ck_assert_int_eq(samples, 3);
	ck_assert_int_eq(samples_held, 0);
}
END_TEST

START_TEST(what_was_measured_goes_with_the_worker)
{
	pass(LATE);
	ck_assert_int_eq(samples_held, 1);
	say(EV_STOP);
	ck_assert_int_eq(samples_held, 0);
}
END_TEST

static TCase *
watched(void)
{
	TCase *t = tcase_create("watched");

	tcase_add_checked_fixture(t, set_up_watched, tear_down);
	tcase_add_test(t, who_is_heard_lives);
	tcase_add_test(t, who_is_silent_is_aborted_and_that_is_a_failure);
	tcase_add_test(t, who_ignores_the_signal_is_killed_after_the_grace);
	tcase_add_test(t, it_is_looked_at_before_it_hears_anything);
	tcase_add_test(t, a_look_that_never_ends_keeps_nobody_alive);
	tcase_add_test(t, who_is_told_to_stop_meanwhile_is_told_so_politely);
	tcase_add_test(t, a_look_at_one_that_has_ended_meanwhile_does_nothing);
	tcase_add_test(t, the_signal_is_its_own_and_takes_no_stop_command);
	tcase_add_test(t, one_of_whom_none_is_expected_costs_no_timer);
	tcase_add_test(t, the_process_may_say_how_long_it_may_be_silent);
	tcase_add_loop_test(
	    t, whatever_it_says_is_a_time, 0, sizeof(own) / sizeof(*own));
	tcase_add_test(t, a_warning_is_said_once_and_so_is_its_end);
	tcase_add_test(t, who_flaps_does_not_fill_the_log);
	tcase_add_test(
	    t, a_warning_becomes_a_kill_where_the_fleet_file_says_so_now);
	tcase_add_test(t, who_asks_for_its_end_gets_it_at_once);
	tcase_add_test(t, whoever_has_warn_may_ask_in_vain);
	tcase_add_test(t, people_are_told);
	return t;
}

static TCase *
starved(void)
{
	TCase *t = tcase_create("starved");

	tcase_add_checked_fixture(t, set_up_watched, tear_down);
	tcase_add_test(t, who_had_no_chance_has_as_long_again);
	tcase_add_test(t, who_never_has_a_chance_is_ended_at_last);
	tcase_add_test(t, a_hang_is_looked_at_soon_after_a_starvation);
	tcase_add_test(t, who_hangs_once_it_has_a_chance_is_ended);
	tcase_add_test(t, who_starves_may_ask_for_its_end);
	tcase_add_test(t, only_who_is_late_is_measured);
	tcase_add_test(t, what_was_measured_goes_with_the_worker);
	return t;
}

static TCase *
absence(void)
{
	TCase *t = tcase_create("absence");

	tcase_add_checked_fixture(t, set_up_watched, tear_down);
	tcase_add_loop_test(
	    t, the_time_in_which_svd_was_away_does_not_count, 0, 8);
	tcase_add_test(t, svd_may_be_away_ever_again_while_the_worker_is_heard);
	tcase_add_test(t, a_loop_that_is_ever_late_saves_nobody_for_ever);
	tcase_add_test(t, a_successor_gives_it_a_whole_period);
	tcase_add_test(t, one_of_an_earlier_svd_is_watched_once_it_was_heard);
	return t;
}

int
main(void)
{
	Suite *s = suite_create("watchdog");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, watched());
	suite_add_tcase(s, starved());
	suite_add_tcase(s, absence());
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
