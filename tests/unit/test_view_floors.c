/*
 * view_floors, floor_rows: which generations are told of, in which order and
 * how, in front of made-up floors.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/log.h"
#include "base/sys.h"
#include "ipc/le.h"
#include "supervisor/supervisor.h"
#include "supervisor/view_floors.h"

enum {
	A0, /* floor a's slots */
	A1,
	B0, /* floor b's */
	B1,
	W0, /* on a */
	W1,
	X, /* on none */
	COUNT
};

static struct supervisor sup;
static struct floor floors[2];
static struct floor_conf as_floor;
static struct worker workers[COUNT];
static struct worker_conf confs[COUNT];
static struct floor_rows rows;
static struct floor_socket sock;
static struct measured measured;
static json_t *shown;

/* --- floors that are not there ----------------------------------------------
 */

struct floor *
floor_of(const struct worker *w)
{
	return w->conf->floor == NULL ? NULL
	                              : &floors[w->conf->floor[0] == 'b'];
}

struct worker *
floor_newest(const struct floor *f)
{
	return f->slots[0]->rec.generation > f->slots[1]->rec.generation
	           ? f->slots[0]
	           : f->slots[1];
}

struct worker *
floor_serving(const struct floor *f)
{
	if (floor_newest(f)->rec.state == WS_RUNNING)
		return floor_newest(f);
	if (f->slots[0]->rec.state == WS_RUNNING)
		return f->slots[0];
	return f->slots[1]->rec.state == WS_RUNNING ? f->slots[1] : NULL;
}

struct floor_socket *
floor_socket_of(const struct worker *slot)
{
	return slot->rec.line != 0 && slot->rec.line == sock.token ? &sock
	                                                           : NULL;
}

const char *
floor_failure(const struct floor *f)
{
	(void)f;
	return NULL;
}

const struct measured *
measure_find(const struct measure *m, int pid)
{
	(void)m;
	return measured.pid == pid ? &measured : NULL;
}

static void
set_up(void)
{
	static const char *const names[COUNT] = {
	    "floor:a", "floor:a", "floor:b", "floor:b", "w:0", "w:1", "x"};
	int i;

	log_init("test", LOG_LEVEL_ERROR);
	memset(&sup, 0, sizeof(sup));
	memset(workers, 0, sizeof(workers));
	memset(confs, 0, sizeof(confs));
	memset(floors, 0, sizeof(floors));
	memset(&as_floor, 0, sizeof(as_floor));
	sup.loop = loop_new();
	sock = (struct floor_socket){.load = -1, .late = -1};
	measured = (struct measured){.pid = -1};
	for (i = 0; i < COUNT; i++) {
		snprintf(confs[i].name, sizeof(confs[i].name), "%s", names[i]);
		workers[i] = (struct worker){
		    .sup = &sup, .conf = &confs[i], .trace = -1};
		ck_assert_int_eq(roster_add(&sup.roster, &workers[i]), 0);
		if (i > B1)
			continue;
		confs[i].as_floor = &as_floor;
		workers[i].floor = &floors[i / 2];
		floors[i / 2].slots[i % 2] = &workers[i];
	}
	confs[W0].floor = confs[W1].floor = (char *)"a";
	strcpy(floors[0].name, "a");
	strcpy(floors[1].name, "b");
	TAILQ_INIT(&floors[0].spares);
	TAILQ_INIT(&floors[1].spares);
}

static void
tear_down(void)
{
	floor_rows_release(&rows);
	roster_release(&sup.roster);
	loop_free(sup.loop);
	json_decref(shown);
	shown = NULL;
}

static void
be(int i, enum worker_state state, uint64_t generation, int pid)
{
	struct worker_record *r = &workers[i].rec;

	r->state = state;
	r->want_up = state != WS_STOPPED;
	r->pid = pid;
	if (i <= B1)
		r->generation = generation;
	r->stands_on = generation;
}

static void
make(void)
{
	floor_rows_release(&rows);
	ck_assert_int_eq(floor_rows_make(&sup, &rows), 0);
}

static void
expect(size_t i, const char *floor, uint64_t generation, const char *state,
    size_t of_workers)
{
	ck_assert_uint_gt(rows.n, i);
	ck_assert_str_eq(rows.list[i].floor->name, floor);
	ck_assert_uint_eq(rows.list[i].generation, generation);
	ck_assert_str_eq(floor_row_state(&rows.list[i]), state);
	ck_assert_uint_eq(rows.list[i].workers, of_workers);
}

/* What is told of a row. */
static json_t *
show(size_t i, int is_long)
{
	struct buf out = {0};

	ck_assert_uint_gt(rows.n, i);
	ck_assert_int_eq(
	    view_floor(&sup, &rows.list[i], NULL, is_long, &out), 0);
	json_decref(shown);
	shown = json_loads(out.data, 0, NULL);
	ck_assert_ptr_nonnull(shown);
	buf_release(&out);
	return shown;
}

static const char *
text(const char *key)
{
	const char *value = json_string_value(json_object_get(shown, key));

	return value == NULL ? "" : value;
}

static json_int_t
number(const char *key)
{
	ck_assert(json_is_integer(json_object_get(shown, key)));
	return json_integer_value(json_object_get(shown, key));
}

static int
is_null(const char *key)
{
	return json_is_null(json_object_get(shown, key));
}

START_TEST(test_one_row_a_floor)
{
	struct line spares[] = {{.generation = 1}, {.generation = 1}};

	be(A0, WS_RUNNING, 1, 100);
	be(B0, WS_STARTING, 1, 101);
	be(W0, WS_RUNNING, 1, 102);
	TAILQ_INSERT_TAIL(&floors[0].spares, &spares[0], link);
	TAILQ_INSERT_TAIL(&floors[0].spares, &spares[1], link);
	make();
	ck_assert_uint_eq(rows.n, 2);
	expect(0, "a", 1, "READY", 1);
	expect(1, "b", 1, "LOADING", 0);
	ck_assert_uint_eq(rows.list[0].spares, 2);
	ck_assert(floor_row_has(&rows.list[0], &workers[W0]));
	ck_assert(!floor_row_has(&rows.list[0], &workers[W1]));
	ck_assert(!floor_row_has(&rows.list[0], &workers[X]));
}
END_TEST

START_TEST(test_the_one_that_serves_comes_first)
{
	be(B0, WS_RUNNING, 1, 101);
	be(A1, WS_RUNNING, 4, 100);
	be(A0, WS_STARTING, 5, 103);
	be(W0, WS_RUNNING, 4, 102);
	be(W1, WS_RUNNING, 3, 104);
	make();
	ck_assert_uint_eq(rows.n, 4);
	expect(0, "a", 4, "READY", 1);
	expect(1, "a", 5, "LOADING", 0);
	/* Only a worker is left of it. */
	expect(2, "a", 3, "RETIRED", 1);
	expect(3, "b", 1, "READY", 0);
	ck_assert_ptr_null(rows.list[2].slot);
	show(2, 1);
	ck_assert_int_eq(number("pid"), 0);
	ck_assert(is_null("since") && is_null("load_ms") && is_null("error"));
	ck_assert_uint_eq(
	    json_array_size(json_object_get(shown, "instances")), 1);
	/* The new one serves, the old one goes. */
	be(A0, WS_RUNNING, 5, 103);
	be(A1, WS_STOPPING, 4, 100);
	make();
	expect(0, "a", 5, "READY", 0);
	expect(1, "a", 4, "RETIRED", 1);
}
END_TEST

START_TEST(test_errors)
{
	be(A0, WS_BACKOFF, 3, 0);
	be(A1, WS_STOPPED, 2, 0);
	strcpy(workers[A0].error, "no module");
	workers[A0].rec.deadline = loop_now(sup.loop) + 5000;
	make();
	expect(0, "a", 3, "FAILED", 0);
	show(0, 0);
	ck_assert_str_eq(text("error"), "no module");
	ck_assert(json_real_value(json_object_get(shown, "next_start")) > 1.);
	/* Told of also while it is tried again. */
	be(A0, WS_STARTING, 4, 77);
	workers[A0].error[0] = '\0';
	workers[A0].rec.run = 1;
	workers[A0].rec.last = (struct death){.at = 1, .fault = "no module"};
	show(0, 0);
	ck_assert_str_eq(text("error"), "no module");
	workers[A0].rec.run = 0;
	show(0, 0);
	ck_assert(is_null("error"));
	/* Of what serves: why another does not. */
	be(A1, WS_RUNNING, 3, 78);
	be(A0, WS_STOPPED, 4, 0);
	strcpy(floors[0].halted, "no module");
	make();
	ck_assert_uint_eq(rows.n, 2);
	show(0, 0);
	ck_assert_str_eq(
	    text("error"), "generation 4 cannot be loaded: no module");
	/* Dead, it is loaded again, and the one given up is not. */
	be(A1, WS_BACKOFF, 3, 0);
	strcpy(workers[A1].error, "killed by KILL");
	make();
	ck_assert_uint_eq(rows.n, 2);
	expect(0, "a", 3, "FAILED", 0);
	workers[A1].error[0] = '\0';
	be(A1, WS_RUNNING, 5, 78);
	make();
	strcpy(floors[0].halted, "w:0 does not run on it: why");
	show(0, 0);
	ck_assert_str_eq(text("error"), "w:0 does not run on it: why");
}
END_TEST

START_TEST(test_tracebacks)
{
	be(A0, WS_STOPPED, 4, 0);
	be(A1, WS_RUNNING, 3, 78);
	workers[A0].trace = sys_memfd("t");
	ck_assert_int_eq(write(workers[A0].trace, "a\033\xff\n", 4), 4);
	make();
	show(0, 1);
	ck_assert(is_null("traceback"));
	strcpy(floors[0].halted, "no module");
	show(0, 1);
	ck_assert_str_eq(text("traceback"), "a\033?\n");
	/* Of an earlier one, which is not what is wrong now. */
	workers[A0].rec.generation = 2;
	show(0, 1);
	ck_assert(is_null("traceback"));
	close(workers[A0].trace);
}
END_TEST

START_TEST(test_what_was_loaded)
{
	static const char load[] = "ms=12\0modules=3\0threads=2\0way=double";
	static const char late[] = "7 json\n8 json\n7 \033[2J\n";
	unsigned char used[8];

	be(A0, WS_RUNNING, 1, 100);
	workers[A0].rec.line = sock.token = 5;
	sock.load = sys_memfd("load");
	sock.late = sys_memfd("late");
	le_put(used, sizeof(late) - 1, 8);
	ck_assert_int_eq(write(sock.load, load, sizeof(load)), sizeof(load));
	ck_assert_int_eq(write(sock.late, used, 8), 8);
	ck_assert_int_eq(
	    write(sock.late, late, sizeof(late) - 1), sizeof(late) - 1);
	make();
	show(0, 1);
	ck_assert_int_eq(number("load_ms"), 12);
	ck_assert_int_eq(number("modules"), 3);
	ck_assert_int_eq(number("threads"), 2);
	ck_assert_str_eq(text("way"), "double");
	ck_assert_uint_eq(json_array_size(json_object_get(shown, "late")), 2);
	ck_assert_int_eq(json_integer_value(json_object_get(
			     json_array_get(json_object_get(shown, "late"), 0),
			     "processes")),
	    2);
	ck_assert(json_is_false(json_object_get(shown, "late_cut")));
	show(0, 0);
	ck_assert_ptr_null(json_object_get(shown, "late"));
	close(sock.load);
	close(sock.late);
}
END_TEST

START_TEST(test_max_private_is_warned_of_once)
{
	be(A0, WS_RUNNING, 1, 100);
	be(W0, WS_RUNNING, 1, 102);
	measured = (struct measured){102, 5000, 3000, 2049, 2951, 10};
	as_floor.max_private = 2048 * 1024;
	ck_assert(floor_judge_private(&workers[W0], NULL));
	ck_assert_int_eq(workers[W0].warned_private, 102);
	make();
	show(0, 1);
	ck_assert_int_eq(number("max_private_kb"), 2048);
	ck_assert(json_is_true(json_object_get(
	    json_array_get(json_object_get(shown, "instances"), 0), "over")));
	measured.private_kb = 2048;
	ck_assert(!floor_judge_private(&workers[W0], NULL));
	/* Not measured, no limit, on no floor. */
	measured.private_kb = -1;
	ck_assert(!floor_judge_private(&workers[W0], NULL));
	measured.private_kb = 5000;
	as_floor.max_private = 0;
	ck_assert(!floor_judge_private(&workers[W0], NULL));
	as_floor.max_private = 1;
	be(X, WS_RUNNING, 0, 102);
	ck_assert(!floor_judge_private(&workers[X], NULL));
	workers[W0].rec.pid = 0;
	ck_assert(!floor_judge_private(&workers[W0], NULL));
}
END_TEST

START_TEST(test_what_is_waited_for)
{
	char out[160];

	be(A0, WS_STARTING, 1, 100);
	be(W0, WS_STARTING, 0, 0);
	ck_assert(floor_waits(&workers[W0]) && !floor_waits(&workers[X]));
	floor_waiting_text(&workers[W0], out, sizeof(out));
	ck_assert_str_eq(out, "floor 'a', which is loading");
	ck_assert_ptr_null(floor_failure_for(&workers[W0]));
	be(A0, WS_BACKOFF, 1, 0);
	strcpy(workers[A0].error, "exit status 1");
	workers[A0].rec.deadline = loop_now(sup.loop) + 60000;
	floor_waiting_text(&workers[W0], out, sizeof(out));
	ck_assert_ptr_nonnull(strstr(out, "floor 'a', to be loaded again in "));
	ck_assert_str_eq(
	    floor_failure_for(&workers[W0]), "floor 'a': exit status 1");
	be(A0, WS_FAILED, 1, 0);
	floor_waiting_text(&workers[W0], out, sizeof(out));
	ck_assert_str_eq(out, "floor 'a', which is not loaded again");
	be(A1, WS_RUNNING, 2, 101);
	floor_waiting_text(&workers[W0], out, sizeof(out));
	ck_assert_str_eq(out, "a process from floor 'a'");
	ck_assert_ptr_null(floor_failure_for(&workers[W0]));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("view_floors");
	TCase *t = tcase_create("view_floors");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, test_one_row_a_floor);
	tcase_add_test(t, test_the_one_that_serves_comes_first);
	tcase_add_test(t, test_errors);
	tcase_add_test(t, test_tracebacks);
	tcase_add_test(t, test_what_was_loaded);
	tcase_add_test(t, test_max_private_is_warned_of_once);
	tcase_add_test(t, test_what_is_waited_for);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
