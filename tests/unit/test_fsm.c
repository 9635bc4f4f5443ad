/* The life of a worker, against a second copy of the table and what must hold
 * of any such table. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/worker_fsm.h"

static const struct {
	enum worker_state from;
	enum worker_event event;
	enum worker_state next;
	enum worker_action action;
} steps[] = {
    {WS_STOPPED, EV_START, WS_STARTING, ACT_SPAWN},
    {WS_STOPPED, EV_RESTART, WS_STARTING, ACT_SPAWN},
    {WS_WAITING, EV_STOP, WS_STOPPED, ACT_SETTLE},
    {WS_STARTING, EV_STOP, WS_STOPPING, ACT_TERM},
    {WS_STARTING, EV_RESTART, WS_STOPPING, ACT_TERM},
    {WS_STARTING, EV_BORN, WS_STARTING, ACT_AWAIT},
    {WS_STARTING, EV_READY, WS_RUNNING, ACT_SETTLE},
    {WS_STARTING, EV_OVERDUE, WS_STOPPING, ACT_ABORT},
    {WS_STARTING, EV_DIED_RETRY, WS_BACKOFF, ACT_BACKOFF},
    {WS_STARTING, EV_DIED_DONE, WS_EXITED, ACT_SETTLE},
    {WS_STARTING, EV_DIED_FATAL, WS_FAILED, ACT_SETTLE},
    {WS_STARTING, EV_TIMER, WS_STARTING, ACT_KILL},
    {WS_RUNNING, EV_STOP, WS_STOPPING, ACT_TERM},
    {WS_RUNNING, EV_RESTART, WS_STOPPING, ACT_TERM},
    {WS_RUNNING, EV_RECYCLE, WS_STOPPING, ACT_TERM},
    {WS_RUNNING, EV_OVERDUE, WS_STOPPING, ACT_ABORT},
    {WS_RUNNING, EV_DIED_RETRY, WS_BACKOFF, ACT_BACKOFF},
    {WS_RUNNING, EV_DIED_DONE, WS_EXITED, ACT_SETTLE},
    {WS_RUNNING, EV_DIED_FATAL, WS_FAILED, ACT_SETTLE},
    {WS_BACKOFF, EV_START, WS_STARTING, ACT_SPAWN},
    {WS_BACKOFF, EV_STOP, WS_STOPPED, ACT_SETTLE},
    {WS_BACKOFF, EV_RESTART, WS_STARTING, ACT_SPAWN},
    {WS_BACKOFF, EV_TIMER, WS_STARTING, ACT_SPAWN},
    {WS_STOPPING, EV_BORN, WS_STOPPING, ACT_TERM},
    {WS_STOPPING, EV_DIED_RETRY, WS_BACKOFF, ACT_BACKOFF},
    {WS_STOPPING, EV_DIED_RESTART, WS_STARTING, ACT_SPAWN},
    {WS_STOPPING, EV_DIED_DONE, WS_STOPPED, ACT_SETTLE},
    {WS_STOPPING, EV_DIED_FATAL, WS_FAILED, ACT_SETTLE},
    {WS_STOPPING, EV_TIMER, WS_STOPPING, ACT_KILL},
    {WS_EXITED, EV_START, WS_STARTING, ACT_SPAWN},
    {WS_EXITED, EV_STOP, WS_STOPPED, ACT_SETTLE},
    {WS_EXITED, EV_RESTART, WS_STARTING, ACT_SPAWN},
    {WS_FAILED, EV_START, WS_STARTING, ACT_SPAWN},
    {WS_FAILED, EV_STOP, WS_STOPPED, ACT_SETTLE},
    {WS_FAILED, EV_RESTART, WS_STARTING, ACT_SPAWN},
};

/* What changes nothing: a wish already met, news already known. */
static const struct {
	enum worker_state in;
	enum worker_event event;
} ignored[] = {
    {WS_STOPPED, EV_STOP},
    {WS_WAITING, EV_START},
    {WS_WAITING, EV_RESTART},
    {WS_STARTING, EV_START},
    {WS_RUNNING, EV_START},
    {WS_RUNNING, EV_READY},
    {WS_STOPPING, EV_START},
    {WS_STOPPING, EV_STOP},
    {WS_STOPPING, EV_RESTART},
    {WS_STOPPING, EV_READY},
    {WS_STOPPING, EV_OVERDUE},
};

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static int
is_ignored(int s, int ev)
{
	size_t i;

	for (i = 0; i < COUNT(ignored); i++)
		if ((int)ignored[i].in == s && (int)ignored[i].event == ev)
			return 1;
	return 0;
}

/* Index into steps, -1: none. */
static int
find_step(int s, int ev)
{
	size_t i;

	for (i = 0; i < COUNT(steps); i++)
		if ((int)steps[i].from == s && (int)steps[i].event == ev)
			return (int)i;
	return -1;
}

START_TEST(every_cell_is_written)
{
	int s, ev;

	for (s = 0; s < WS_COUNT; s++)
		for (ev = 0; ev < EV_COUNT; ev++)
			ck_assert_msg(fsm_step(s, ev)->kind != FSM_UNSET,
			    "%s in %s", worker_event_name(ev),
			    worker_state_name(s));
}
END_TEST

START_TEST(every_cell_is_as_expected)
{
	int s = _i / EV_COUNT, ev = _i % EV_COUNT, n = find_step(s, ev);
	const struct fsm_step *step = fsm_step(s, ev);

	if (n == -1) {
		ck_assert_int_eq(step->kind,
		    is_ignored(s, ev) ? FSM_IGNORE : FSM_IMPOSSIBLE);
		return;
	}
	ck_assert_int_eq(step->kind, FSM_GO);
	ck_assert_int_eq(step->next, steps[n].next);
	ck_assert_int_eq(step->action, steps[n].action);
}
END_TEST

START_TEST(no_command_is_impossible)
{
	static const int commands[] = {EV_START, EV_STOP, EV_RESTART};
	size_t i;
	int s;

	for (s = 0; s < WS_COUNT; s++)
		for (i = 0; i < COUNT(commands); i++)
			ck_assert_int_ne(
			    fsm_step(s, commands[i])->kind, FSM_IMPOSSIBLE);
}
END_TEST

START_TEST(start_of_what_has_no_process_leads_to_a_birth)
{
	static const int idle[] = {
	    WS_STOPPED, WS_BACKOFF, WS_EXITED, WS_FAILED};
	const struct fsm_step *step;
	size_t i;

	for (i = 0; i < COUNT(idle); i++) {
		step = fsm_step(idle[i], EV_START);
		ck_assert_int_eq(step->kind, FSM_GO);
		ck_assert_int_eq(step->next, WS_STARTING);
		ck_assert_int_eq(step->action, ACT_SPAWN);
	}
}
END_TEST

/* The state after an event, the same where it is ignored. */
static enum worker_state
after(enum worker_state s, enum worker_event ev)
{
	const struct fsm_step *step = fsm_step(s, ev);

	ck_assert_int_ne(step->kind, FSM_IMPOSSIBLE);
	return step->kind == FSM_GO ? step->next : s;
}

START_TEST(stop_ends_down_from_every_state)
{
	enum worker_state s = after(_i, EV_STOP);

	if (s == WS_STOPPING) {
		ck_assert_int_eq(after(s, EV_TIMER), WS_STOPPING);
		s = after(s, EV_DIED_DONE);
	}
	ck_assert_int_eq(s, WS_STOPPED);
	ck_assert_int_eq(after(s, EV_STOP), WS_STOPPED);
}
END_TEST

START_TEST(only_a_command_wakes_what_is_stopped)
{
	int ev;

	for (ev = 0; ev < EV_COUNT; ev++)
		if (fsm_step(WS_STOPPED, ev)->kind == FSM_GO)
			ck_assert(ev == EV_START || ev == EV_RESTART);
}
END_TEST

START_TEST(a_state_is_left_for_another_life_only_by_a_birth)
{
	int s, ev;

	for (s = 0; s < WS_COUNT; s++)
		for (ev = 0; ev < EV_COUNT; ev++) {
			const struct fsm_step *step = fsm_step(s, ev);

			if (step->kind != FSM_GO || s == WS_STARTING)
				continue;
			ck_assert_int_eq(step->next == WS_STARTING,
			    step->action == ACT_SPAWN);
		}
}
END_TEST

START_TEST(every_state_but_waiting_is_reached)
{
	int seen[WS_COUNT] = {[WS_STOPPED] = 1}, round, s, ev;

	for (round = 0; round < WS_COUNT; round++)
		for (s = 0; s < WS_COUNT; s++)
			for (ev = 0; ev < EV_COUNT && seen[s]; ev++)
				if (fsm_step(s, ev)->kind == FSM_GO)
					seen[fsm_step(s, ev)->next] = 1;
	for (s = 0; s < WS_COUNT; s++)
		ck_assert_int_eq(seen[s], s != WS_WAITING);
}
END_TEST

START_TEST(names_are_unique_and_found)
{
	int s, t;

	for (s = 0; s < WS_COUNT; s++)
		ck_assert_int_eq(worker_state_by_name(worker_state_name(s)), s);
	for (s = 0; s < EV_COUNT; s++)
		for (t = 0; t < s; t++)
			ck_assert_str_ne(
			    worker_event_name(s), worker_event_name(t));
	ck_assert_str_eq(worker_state_name(WS_RUNNING), "RUNNING");
	ck_assert_str_eq(worker_event_name(EV_DIED_RETRY), "DIED_RETRY");
}
END_TEST

START_TEST(a_name_that_is_none_is_not_found)
{
	ck_assert_int_eq(worker_state_by_name(""), -1);
	ck_assert_int_eq(worker_state_by_name("running"), -1);
	ck_assert_int_eq(worker_state_by_name("RUNNING "), -1);
	ck_assert_str_eq(worker_state_name(WS_COUNT), "?");
	ck_assert_str_eq(worker_event_name(EV_COUNT), "?");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("fsm");
	TCase *t = tcase_create("table");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_test(t, every_cell_is_written);
	tcase_add_loop_test(
	    t, every_cell_is_as_expected, 0, WS_COUNT * EV_COUNT);
	tcase_add_test(t, no_command_is_impossible);
	tcase_add_test(t, start_of_what_has_no_process_leads_to_a_birth);
	tcase_add_loop_test(t, stop_ends_down_from_every_state, 0, WS_COUNT);
	tcase_add_test(t, only_a_command_wakes_what_is_stopped);
	tcase_add_test(t, a_state_is_left_for_another_life_only_by_a_birth);
	tcase_add_test(t, every_state_but_waiting_is_reached);
	tcase_add_test(t, names_are_unique_and_found);
	tcase_add_test(t, a_name_that_is_none_is_not_found);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
