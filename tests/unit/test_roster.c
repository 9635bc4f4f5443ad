/* Many workers, found by each of their keys while those change. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "supervisor/worker.h"

#define N 3000

static struct roster roster;
static struct worker *workers;

static void
name_worker(struct worker *w, int i)
{
	snprintf(w->rec.name, sizeof(w->rec.name), "g%d:%d", i / 10, i % 10);
}

static void
set_up(void)
{
	int i;

	workers = calloc(N, sizeof(*workers));
	ck_assert_ptr_nonnull(workers);
	for (i = 0; i < N; i++) {
		name_worker(&workers[i], i);
		ck_assert_int_eq(roster_add(&roster, &workers[i]), 0);
	}
}

static void
tear_down(void)
{
	roster_release(&roster);
	free(workers);
}

static void
set(int i, int pid, int stop_pid, uint64_t token, uint64_t stop_token)
{
	struct worker_record *r = &workers[i].rec;

	r->pid = pid;
	r->stop_pid = stop_pid;
	r->token = token;
	r->stop_token = stop_token;
	roster_note(&roster, &workers[i]);
}

static uint64_t
token_of(int i)
{
	return UINT64_C(3) << 32 | (uint64_t)i;
}

START_TEST(each_key_finds_its_worker)
{
	char id[WORKER_ID_SIZE];
	int i;

	for (i = 0; i < N; i++)
		set(i, 1000 + i, i % 3 == 0 ? 10000 + i : 0, token_of(i + 1),
		    i % 3 == 0 ? token_of(N + i + 1) : 0);
	for (i = 0; i < N; i++) {
		struct worker *w = &workers[i];

		snprintf(id, sizeof(id), "%s", w->rec.name);
		ck_assert_ptr_eq(roster_by_id(&roster, id), w);
		ck_assert_ptr_eq(roster_by_pid(&roster, 1000 + i), w);
		ck_assert_ptr_eq(roster_by_token(&roster, token_of(i + 1)), w);
		ck_assert_ptr_eq(
		    roster_by_pid(&roster, 10000 + i), i % 3 == 0 ? w : NULL);
		ck_assert_ptr_eq(roster_by_token(&roster, token_of(N + i + 1)),
		    i % 3 == 0 ? w : NULL);
	}
}
END_TEST

START_TEST(no_key_finds_nobody)
{
	ck_assert_ptr_null(roster_by_pid(&roster, 0));
	ck_assert_ptr_null(roster_by_token(&roster, 0));
	ck_assert_ptr_null(roster_by_id(&roster, ""));
	ck_assert_ptr_null(roster_by_id(&roster, "g0:10"));
	ck_assert_ptr_null(roster_by_id(&roster,
	    "ggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggg"));
	ck_assert_ptr_eq(roster_by_id(&roster, "g7"), &workers[70]);
}
END_TEST

/* What is not noted yet, or no longer true, finds nobody. */
START_TEST(an_old_key_finds_nobody)
{
	set(5, 77, 78, 79, 80);
	workers[5].rec.pid = 0;
	ck_assert_ptr_null(roster_by_pid(&roster, 77));
	ck_assert_ptr_eq(roster_by_pid(&roster, 78), &workers[5]);
	set(5, 0, 0, 0, 0);
	ck_assert_ptr_null(roster_by_pid(&roster, 78));
	ck_assert_ptr_null(roster_by_token(&roster, 79));
	set(6, 77, 0, 79, 0);
	ck_assert_ptr_eq(roster_by_pid(&roster, 77), &workers[6]);
	ck_assert_ptr_eq(roster_by_token(&roster, 79), &workers[6]);
}
END_TEST

START_TEST(who_is_removed_is_found_no_more_and_the_others_stay_in_order)
{
	struct worker *w;
	size_t i;

	for (i = 0; i < N; i++)
		set((int)i, 1000 + (int)i, 0, token_of((int)i + 1), 0);
	for (i = 0; i < N; i += 2)
		roster_remove(&roster, &workers[i]);
	ck_assert_uint_eq(roster.n, N / 2);
	ROSTER_EACH (&roster, i, w)
		ck_assert_ptr_eq(w, &workers[2 * i + 1]);
	for (i = 0; i < N; i++) {
		w = i % 2 == 0 ? NULL : &workers[i];
		ck_assert_ptr_eq(roster_by_pid(&roster, 1000 + (int)i), w);
		ck_assert_ptr_eq(roster_by_id(&roster, workers[i].rec.name), w);
	}
	/* A change of one that is gone is nobody's business. */
	set(0, 1, 0, 0, 0);
	ck_assert_ptr_null(roster_by_pid(&roster, 1));
	ck_assert_int_eq(roster_add(&roster, &workers[0]), 0);
	ck_assert_ptr_eq(roster_by_pid(&roster, 1), &workers[0]);
	ck_assert_ptr_eq(roster_by_id(&roster, "g0"), &workers[0]);
}
END_TEST

START_TEST(the_order_is_that_of_the_places)
{
	struct worker *w;
	size_t i;

	for (i = 0; i < N; i++)
		workers[i].place = i < 10 ? SIZE_MAX : N - i;
	roster_sort(&roster);
	ck_assert_ptr_eq(roster.list[0], &workers[N - 1]);
	/* Those without a place of their own: behind all, by their ids. */
	ck_assert_ptr_eq(roster.list[N - 10], &workers[0]);
	ck_assert_ptr_eq(roster.list[N - 1], &workers[9]);
	ROSTER_EACH (&roster, i, w)
		ck_assert_ptr_eq(roster_by_id(&roster, w->rec.name), w);
}
END_TEST

START_TEST(history_keeps_the_newest)
{
	struct history h = {0};
	struct death d = {.at = 1};
	int i;

	for (i = 1; i <= 25; i++) {
		d.at = i;
		d.raised = i % 2;
		snprintf(d.fault, sizeof(d.fault), "%.*s", i % 2, "x");
		history_add(&h, &d, i < 20 ? 12 : 10);
	}
	ck_assert_uint_eq(h.n, 10);
	for (i = 0; i < 10; i++) {
		history_get(&h, (size_t)i, &d);
		ck_assert_int_eq(d.at, 25 - i);
		ck_assert_int_eq(history_at(&h, (size_t)i), 25 - i);
		ck_assert_str_eq(d.fault, (25 - i) % 2 == 1 ? "x" : "");
		ck_assert_int_eq(d.raised, (25 - i) % 2);
	}
	history_release(&h);
	ck_assert_uint_eq(h.n, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("roster");
	TCase *t = tcase_create("roster");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, each_key_finds_its_worker);
	tcase_add_test(t, no_key_finds_nobody);
	tcase_add_test(t, an_old_key_finds_nobody);
	tcase_add_test(
	    t, who_is_removed_is_found_no_more_and_the_others_stay_in_order);
	tcase_add_test(t, the_order_is_that_of_the_places);
	tcase_add_test(t, history_keeps_the_newest);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
