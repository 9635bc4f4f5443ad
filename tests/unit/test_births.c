/* What newborns say, to us and to supervisors before us. */
#include "fake_world.c"

#include <check.h>

#include "base/fd.h"
#include "supervisor/reload.h"

#define TOKEN (UINT64_C(1) << 32 | 7) /* of the first life */
#define PATIENCE 10000

static struct supervisor sup;
static struct worker_conf conf;
static struct worker w;
static int own[2], elder[2]; /* pairs; the reading end first */

static char *command[] = {(char *)"worker", NULL};

/* The second supervisor of a keeper, and one worker that the first one was
 * about to start. */
static void
spawn_cb(struct loop_timer *t)
{
	(void)t;
	link_flush(&sup.link);
}

static void
set_up(void)
{
	struct worker_record rec = {.name = "w",
	    .state = WS_STARTING,
	    .want_up = 1,
	    .token = TOKEN,
	    .generation = 1,
	    .since = 1};
	struct err e;

	world_new();
	ck_assert_int_eq(chan_pair(own), 0);
	ck_assert_int_eq(chan_pair(elder), 0);
	world->life = 2;
	world->births[1] = elder[0];
	conf = (struct worker_conf){.name = "w",
	    .group_name = "w",
	    .argv = command,
	    .directory = (char *)"/srv",
	    .restart = RESTART_ALWAYS,
	    .backoff_delay = 1000,
	    .backoff_factor = 2,
	    .backoff_limit = 30000};
	sup = (struct supervisor){.loop = loop_new(), .resumed = 1};
	TAILQ_INIT(&sup.spawns);
	loop_timer_init(sup.loop, &sup.spawn_turn, spawn_cb, &sup);
	ck_assert_int_eq(link_open(&sup.link, -1, &e), 0);
	ck_assert_int_eq(births_init(&sup.births, &sup, own[0], &e), 0);
	worker_init(&w, &sup, &conf);
	ck_assert_int_eq(roster_add(&sup.roster, &w), 0);
	worker_replay(&w, &rec);
	world->nprocesses = 1;
	world->processes[0] = (struct process){
	    .pid = WORLD_FIRST_PID, .alive = 1, .dies_at = NEVER};
}

static void
tear_down(void)
{
	size_t i;

	worker_release(&w);
	roster_release(&sup.roster);
	births_release(&sup.births);
	close(own[1]);
	fd_close(&elder[1]);
	for (i = 0; i < sup.link.nheld; i++)
		close(sup.link.held[i].fd);
	link_close(&sup.link);
	world_free();
}

static void
say(int fd, uint64_t token, int stage, int error)
{
	struct birth b = {.token = token,
	    .pid = WORLD_FIRST_PID,
	    .stage = (uint16_t)stage,
	    .error = error};
	unsigned char packet[BIRTH_PACKET_BYTES];

	birth_encode(&b, packet);
	ck_assert_int_eq(chan_send(fd, packet, sizeof(packet), NULL, 0, 0), 0);
}

START_TEST(an_elder_is_heard_to_its_end_and_dropped)
{
	say(elder[1], TOKEN, BIRTH_BORN, 0);
	say(elder[1], TOKEN, BIRTH_DIRECTORY, ENOENT);
	fd_close(&elder[1]);
	ck_assert_int_eq(births_pending(&sup.births), 1);
	births_read(&sup.births);
	ck_assert_int_eq(births_pending(&sup.births), 0);
	ck_assert_int_eq(world->dropped[1], 1);
	ck_assert_int_eq(w.rec.pid, WORLD_FIRST_PID);
	ck_assert_str_eq(
	    w.rec.fault, "directory '/srv': No such file or directory");
}
END_TEST

START_TEST(an_elder_that_somebody_can_write_to_is_waited_for)
{
	births_read(&sup.births);
	ck_assert_int_eq(births_pending(&sup.births), 1);
	say(elder[1], TOKEN, BIRTH_BORN, 0);
	births_read(&sup.births);
	ck_assert_int_eq(w.rec.pid, WORLD_FIRST_PID);
	ck_assert_int_eq(births_pending(&sup.births), 1);
	ck_assert_int_eq(world->dropped[1], 0);
}
END_TEST

static void
pass(int64_t ms)
{
	int64_t end = world->now + ms;

	while (loop_next(sup.loop) <= end) {
		world->now = loop_next(sup.loop);
		while (loop_turn(sup.loop))
			;
	}
	world->now = end;
}

START_TEST(patience_with_a_set_up_that_hangs_ends)
{
	say(elder[1], TOKEN, BIRTH_BORN, 0);
	say(elder[1], TOKEN, BIRTH_DIRECTORY, 0);
	births_read(&sup.births);
	pass(PATIENCE - 1);
	ck_assert_int_eq(world->processes[0].alive, 1);
	pass(1);
	ck_assert_int_eq(world->processes[0].signal, SIGKILL);
	ck_assert_str_eq(w.rec.fault, "directory: hung");
	ck_assert_int_eq(w.rec.interrupted, 1);
}
END_TEST

/* Whoever was made before the one that hangs is well. */
START_TEST(patience_ends_the_last_of_its_life_only)
{
	say(elder[1], TOKEN, BIRTH_BORN, 0);
	births_read(&sup.births);
	w.rec.stop_token = TOKEN + 1;
	roster_note(&sup.roster, &w);
	w.rec.stop_pid = WORLD_FIRST_PID + 1;
	world->processes[1] = (struct process){
	    .pid = WORLD_FIRST_PID + 1, .alive = 1, .dies_at = NEVER};
	world->nprocesses = 2;
	pass(PATIENCE);
	ck_assert_int_eq(world->processes[0].alive, 1);
	ck_assert_int_eq(world->processes[1].signal, SIGKILL);
	ck_assert_str_eq(w.rec.fault, "");
}
END_TEST

static void
nothing_cb(struct loop_timer *t)
{
	(void)t;
}

START_TEST(what_even_kill_does_not_end_is_left_behind)
{
	loop_timer_init(sup.loop, &sup.spawn_turn, nothing_cb, NULL);
	say(elder[1], TOKEN, BIRTH_BORN, 0);
	births_read(&sup.births);
	sup.resumed = 0;
	pass(PATIENCE);
	ck_assert_int_eq(births_pending(&sup.births), 1);
	ck_assert_int_eq(sup.resumed, 0);
	pass(1000);
	ck_assert_int_eq(births_pending(&sup.births), 0);
	ck_assert_int_eq(sup.resumed, 1);
	ck_assert_int_eq(world->dropped[1], 0);
}
END_TEST

START_TEST(the_program_that_fails_may_be_of_a_stanza_before)
{
	w.rec.stop_token = TOKEN + 1;
	roster_note(&sup.roster, &w);
	say(elder[1], TOKEN + 1, BIRTH_EXEC, ENOENT);
	births_read(&sup.births);
	ck_assert_ptr_null(conf.stop_command);
	ck_assert_str_eq(w.rec.fault, "");
}
END_TEST

/* Its caller would take one that has not begun for one that was stopped. */
START_TEST(a_reload_does_not_wait_for_what_hangs)
{
	struct worker_conf added = conf;
	struct worker x;
	struct reload_item item = {PLAN_ADD, &x};
	struct reload r = {.sup = &sup, .items = &item, .nitems = 1};

	added.autostart = 1;
	snprintf(added.group_name, sizeof(added.group_name), "x");
	worker_init(&x, &sup, &added);
	ck_assert_int_eq(roster_add(&sup.roster, &x), 0);
	sup.resumed = 0;
	reload_finish(&r);
	ck_assert_int_eq(sup.resumed, 0);
	ck_assert_int_eq(x.rec.state, WS_STARTING);
	ck_assert_int_eq(x.rec.want_up, 1);
	ck_assert_int_eq(x.queue != NULL, 1);
	/* Nor is it begun again. */
	fd_close(&elder[1]);
	supervisor_births_changed(&sup);
	ck_assert_int_eq(sup.resumed, 1);
	ck_assert_int_eq(x.rec.state, WS_STARTING);
	ck_assert_ptr_eq(TAILQ_FIRST(&sup.spawns), &x);
	supervisor_unqueue_spawn(&x);
	supervisor_unqueue_spawn(&w);
	ck_assert_ptr_eq(TAILQ_FIRST(&sup.spawns), NULL);
	roster_remove(&sup.roster, &x);
	worker_release(&x);
}
END_TEST

START_TEST(patience_is_not_needed_once_all_is_heard)
{
	say(elder[1], TOKEN, BIRTH_BORN, 0);
	fd_close(&elder[1]);
	births_read(&sup.births);
	pass(PATIENCE);
	ck_assert_int_eq(world->processes[0].alive, 1);
}
END_TEST

START_TEST(a_birth_is_recorded_before_the_keeper_is_told)
{
	say(own[1], TOKEN, BIRTH_BORN, 0);
	births_read(&sup.births);
	link_flush(&sup.link);
	ck_assert_int_eq(world->ntrace, 2);
	ck_assert_str_eq(world->trace[0], "record STARTING");
	ck_assert_str_eq(world->trace[1], "born 5000000");
}
END_TEST

START_TEST(what_is_no_birth_of_ours_is_passed_over)
{
	ck_assert_int_eq(chan_send(own[1], "x", 1, NULL, 0, 0), 0);
	say(own[1], 0, BIRTH_BORN, 0);
	say(own[1], TOKEN + 1, BIRTH_BORN, 0);
	say(own[1], TOKEN, BIRTH_STAGE_COUNT, 0);
	say(own[1], TOKEN, BIRTH_BORN, 0);
	births_read(&sup.births);
	ck_assert_int_eq(w.rec.pid, WORLD_FIRST_PID);
	ck_assert_uint_eq(births_unread_bytes(&sup.births), 0);
}
END_TEST

START_TEST(what_is_unread_is_counted_and_taken_one_by_one)
{
	ck_assert_uint_eq(births_unread_bytes(&sup.births), 0);
	say(own[1], TOKEN, BIRTH_BORN, 0);
	ck_assert_uint_eq(births_unread_bytes(&sup.births), BIRTH_PACKET_BYTES);
	say(own[1], TOKEN, BIRTH_DIRECTORY, 0);
	ck_assert_uint_eq(
	    births_unread_bytes(&sup.births), 2 * BIRTH_PACKET_BYTES);
	births_take(&sup.births);
	ck_assert_uint_eq(births_unread_bytes(&sup.births), BIRTH_PACKET_BYTES);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("births");
	TCase *t = tcase_create("births");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, an_elder_is_heard_to_its_end_and_dropped);
	tcase_add_test(t, an_elder_that_somebody_can_write_to_is_waited_for);
	tcase_add_test(t, patience_with_a_set_up_that_hangs_ends);
	tcase_add_test(t, patience_ends_the_last_of_its_life_only);
	tcase_add_test(t, what_even_kill_does_not_end_is_left_behind);
	tcase_add_test(t, the_program_that_fails_may_be_of_a_stanza_before);
	tcase_add_test(t, a_reload_does_not_wait_for_what_hangs);
	tcase_add_test(t, patience_is_not_needed_once_all_is_heard);
	tcase_add_test(t, a_birth_is_recorded_before_the_keeper_is_told);
	tcase_add_test(t, what_is_no_birth_of_ours_is_passed_over);
	tcase_add_test(t, what_is_unread_is_counted_and_taken_one_by_one);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
