/* What is measured of real processes of this machine. */
#include "supervisor/hang_sample.h"

#include <check.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "supervisor/supervisor.h"
#include "supervisor/worker.h"

#define SPAN_MS 100

static struct supervisor sup;
static struct worker w = {.sup = &sup};

int64_t
loop_now(const struct loop *l)
{
	struct timespec t;

	(void)l;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
sleeps(void)
{
	pause();
}

static void
spins(void)
{
	for (;;)
		;
}

static void
stops(void)
{
	raise(SIGSTOP);
}

static char
state_now(void)
{
	struct hang_sample *once = hang_sample_take(&w);
	struct hang_span h;

	hang_sample_compare(NULL, once, &h);
	hang_sample_free(once);
	return h.state;
}

static void
measure(void (*what)(void), char state, struct hang_span *h)
{
	int64_t deadline = loop_now(NULL) + 10000;
	struct hang_sample *from, *to;
	int status;

	w.rec.pid = fork();
	if (w.rec.pid == 0) {
		what();
		_exit(0);
	}
	/* As it goes on, once it has begun. */
	do
		usleep(SPAN_MS * 100);
	while (state_now() != state && loop_now(NULL) < deadline);
	from = hang_sample_take(&w);
	usleep(SPAN_MS * 1000);
	to = hang_sample_take(&w);
	kill(w.rec.pid, SIGKILL);
	waitpid(w.rec.pid, &status, 0);
	ck_assert_ptr_nonnull(from);
	ck_assert_ptr_nonnull(to);
	hang_sample_compare(from, to, h);
	hang_sample_free(from);
	hang_sample_free(to);
	ck_assert_int_ge(h->span, SPAN_MS);
	ck_assert_int_ne(h->ran, HANG_UNKNOWN_TIME);
	ck_assert_int_ge(h->stolen, 0);
	ck_assert_int_le(h->stolen, h->span);
	ck_assert_int_le(h->waited, h->span);
}

static const struct {
	void (*what)(void);
	char state;
	int wants; /* a processor */
} kinds[] = {{sleeps, 'S', 0}, {spins, 'R', 1}, {stops, 'T', 0}};

START_TEST(who_wants_a_processor_is_seen_to_run_or_to_wait)
{
	struct hang_span h;

	measure(kinds[_i].what, kinds[_i].state, &h);
	ck_assert_int_eq(h.state, kinds[_i].state);
	/* The kernel's numbers of who runs are as old as its last tick. */
	if (kinds[_i].wants)
		ck_assert_int_ge(h.ran + h.waited, h.span / 2);
	else
		ck_assert_int_eq(h.ran + h.waited, 0);
}
END_TEST

START_TEST(who_is_gone_is_not_measured)
{
	struct hang_span h;
	int status;

	w.rec.pid = fork();
	if (w.rec.pid == 0)
		_exit(0);
	waitpid(w.rec.pid, &status, 0);
	ck_assert_ptr_null(hang_sample_take(&w));
	hang_sample_compare(NULL, NULL, &h);
	ck_assert_int_eq(h.ran, HANG_UNKNOWN_TIME);
	ck_assert_int_eq(h.waited, HANG_UNKNOWN_TIME);
	ck_assert_int_eq(h.state, 0);
}
END_TEST

START_TEST(with_one_look_only_its_state_is_known)
{
	struct hang_sample *once;
	struct hang_span h;

	w.rec.pid = getpid();
	once = hang_sample_take(&w);
	hang_sample_compare(NULL, once, &h);
	hang_sample_free(once);
	ck_assert_int_eq(h.state, 'R');
	ck_assert_int_eq(h.ran, HANG_UNKNOWN_TIME);
}
END_TEST

/* One that has begun; it shares its maker's processor. */
static pid_t
make_spinner(void)
{
	cpu_set_t one;
	int begun[2];
	char byte;
	pid_t pid;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
	if (pipe(begun) == -1)
		return -1;
	pid = fork();
	if (pid == 0) {
		if (write(begun[1], "", 1) == 1)
			spins();
		_exit(1);
	}
	return read(begun[0], &byte, 1) == 1 ? pid : -1;
}

/* The processor is not given up while the spinner is measured. 0: it was seen
 * to wait; 1: this may not be done here. */
static int
hog(void)
{
	struct sched_param first = {.sched_priority = 1};
	struct hang_sample *from, *to;
	struct hang_span h;
	int64_t end;

	w.rec.pid = make_spinner();
	if (w.rec.pid == -1)
		return 2;
	if (sched_setscheduler(0, SCHED_FIFO, &first) == -1) {
		kill(w.rec.pid, SIGKILL);
		return 1;
	}
	from = hang_sample_take(&w);
	for (end = loop_now(NULL) + SPAN_MS; loop_now(NULL) < end;)
		;
	to = hang_sample_take(&w);
	kill(w.rec.pid, SIGKILL);
	if (from == NULL || to == NULL)
		return 2;
	hang_sample_compare(from, to, &h);
	hang_sample_free(from);
	hang_sample_free(to);
	/* Some of it may have been lent by the kernel. */
	return h.waited >= h.span / 4 && h.state == 'R' ? 0 : 3;
}

START_TEST(who_gets_no_processor_waits_although_nobody_has_counted_it_yet)
{
	int status;
	pid_t pid;

	pid = fork();
	if (pid == 0)
		_exit(hog());
	waitpid(pid, &status, 0);
	ck_assert(WIFEXITED(status));
	ck_assert_int_le(WEXITSTATUS(status), geteuid() == 0 ? 0 : 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("hang_sample");
	TCase *t = tcase_create("hang_sample");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_loop_test(t, who_wants_a_processor_is_seen_to_run_or_to_wait,
	    0, sizeof(kinds) / sizeof(*kinds));
	tcase_add_test(t, who_is_gone_is_not_measured);
	tcase_add_test(t, with_one_look_only_its_state_is_known);
	tcase_add_test(
	    t, who_gets_no_processor_waits_although_nobody_has_counted_it_yet);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
