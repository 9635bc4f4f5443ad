/* measure: on real processes, with the real loop. */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "supervisor/measure.h"
#include "supervisor/supervisor.h"

#define MANY 3000
#define GONE 0x3ffffff /* no pid is that large */

static struct supervisor sup;
static int calls;

static void
done_cb(void *arg)
{
	calls++;
	loop_stop(((struct supervisor *)arg)->loop);
}

static void
set_up(void)
{
	memset(&sup, 0, sizeof(sup));
	sup.loop = loop_new();
	calls = 0;
}

static void
tear_down(void)
{
	loop_free(sup.loop);
}

static struct measure *
start(const int *pids, size_t n)
{
	struct err e;
	struct measure *m = measure_new(&sup, pids, n, done_cb, &sup, &e);

	ck_assert_ptr_nonnull(m);
	return m;
}

static void
stop_cb(struct loop_timer *t)
{
	loop_stop(t->loop);
}

/* Until the children that it leaves behind are gone. */
static void
expect_no_child(void)
{
	int64_t deadline = sys_now_ms() + 10000;
	struct loop_timer t;

	loop_timer_init(sup.loop, &t, stop_cb, NULL);
	while (sup.measurers > 0 && sys_now_ms() < deadline) {
		loop_timer_start(&t, 1);
		loop_run(sup.loop);
	}
	ck_assert_int_eq(sup.measurers, 0);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}

START_TEST(test_ourselves_and_nobody)
{
	int pids[] = {getpid(), GONE};
	size_t len = 8 << 20;
	char *memory = mmap(NULL, len, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const struct measured *one;
	struct measure *m;

	memset(memory, 1, len);
	m = start(pids, 2);
	loop_run(sup.loop);
	ck_assert_int_eq(calls, 1);
	ck_assert(measure_done(m));
	one = measure_find(m, getpid());
	ck_assert_int_ge(one->rss_kb, (int64_t)len / 1024);
	ck_assert_int_ge(one->rss_kb, one->pss_kb);
	ck_assert_int_ge(one->pss_kb, one->private_kb);
	ck_assert_int_eq(one->private_kb + one->shared_kb, one->rss_kb);
	ck_assert_int_ge(one->cpu_ms, 0);
	one = measure_find(m, GONE);
	ck_assert_int_eq(one->rss_kb, -1);
	ck_assert_int_eq(one->pss_kb, -1);
	ck_assert_int_eq(one->cpu_ms, -1);
	ck_assert_ptr_null(measure_find(m, 1));
	measure_free(m);
	munmap(memory, len);
	expect_no_child();
}
END_TEST

START_TEST(test_nothing_to_measure)
{
	struct measure *m = start(NULL, 0);

	ck_assert(measure_done(m));
	ck_assert_ptr_null(measure_find(m, getpid()));
	measure_free(m);
	expect_no_child();
}
END_TEST

static pid_t
youngest_child(void)
{
	char path[64];
	FILE *f;
	int pid = 0, last = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	while (fscanf(f, "%d", &pid) == 1)
		last = pid;
	fclose(f);
	ck_assert_int_ne(last, 0);
	return last;
}

/* One process that keeps its reader waiting costs that one only. */
START_TEST(test_a_reader_that_hangs_is_replaced)
{
	static int pids[MANY];
	int64_t began = sys_now_ms();
	struct measure *m;
	pid_t other;
	int i;

	/* In order: those that are not there, which take their time too, and
	 * one that is. */
	ck_assert_int_lt(getpid(), GONE);
	other = fork();
	if (other == 0)
		pause();
	for (i = 0; i < MANY; i++)
		pids[i] = i < MANY / 2 ? getpid() : other;
	m = start(pids, MANY);
	kill(youngest_child(), SIGSTOP);
	loop_run(sup.loop);
	ck_assert_int_eq(calls, 1);
	ck_assert_int_ge(sys_now_ms() - began, 1900);
	ck_assert_int_ge(measure_find(m, getpid())->rss_kb, 1);
	ck_assert_int_ge(measure_find(m, other)->rss_kb, 1);
	measure_free(m);
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	expect_no_child();
}
END_TEST

START_TEST(test_a_measure_may_be_given_up)
{
	int pids[] = {getpid()};
	int i;

	for (i = 0; i < 8; i++)
		measure_free(start(pids, 1));
	expect_no_child();
	ck_assert_int_eq(calls, 0);
}
END_TEST

START_TEST(test_there_is_a_limit)
{
	int pids[] = {getpid()};
	struct measure *m[8], *more;
	struct err e;
	size_t i;

	for (i = 0; i < 8; i++)
		m[i] = start(pids, 1);
	more = measure_new(&sup, pids, 1, done_cb, &sup, &e);
	ck_assert_ptr_null(more);
	ck_assert_str_eq(e.text, "cannot measure: too many at once");
	for (i = 0; i < 8; i++)
		measure_free(m[i]);
	expect_no_child();
	measure_free(start(pids, 1));
	expect_no_child();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("measure");
	TCase *t = tcase_create("measure");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_ourselves_and_nobody);
	tcase_add_test(t, test_nothing_to_measure);
	tcase_add_test(t, test_a_reader_that_hangs_is_replaced);
	tcase_add_test(t, test_a_measure_may_be_given_up);
	tcase_add_test(t, test_there_is_a_limit);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
