/*
 * proctree: real trees of processes, and nobody left of them. The suite is a
 * subreaper, so that whatever lost its parent ends up as its child.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/proctree.h"
#include "base/sys.h"

#define DEADLINE_MS 20000

static int report[2]; /* each process of a tree writes a byte */

static void
set_up(void)
{
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	ck_assert_int_eq(pipe(report), 0);
}

static void
tear_down(void)
{
	close(report[0]);
	close(report[1]);
}

static _Noreturn void
sleep_for_ever(void)
{
	for (;;)
		pause();
}

static void
say_born(void)
{
	if (write(report[1], "x", 1) != 1)
		_exit(1);
}

static void
await_born(int n)
{
	struct pollfd p = {.fd = report[0], .events = POLLIN};
	char c;

	while (n-- > 0) {
		ck_assert_int_eq(poll(&p, 1, DEADLINE_MS), 1);
		ck_assert_int_eq(read(report[0], &c, 1), 1);
	}
}

/* Reaps until there is no child left; returns how many were SIGKILLed. */
static int
reap_all(void)
{
	int64_t deadline = sys_now_ms() + DEADLINE_MS;
	int status, killed = 0;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) != -1) {
		if (pid == 0) {
			ck_assert_msg(
			    sys_now_ms() < deadline, "somebody was left alive");
			usleep(1000);
		} else if (WIFSIGNALED(status))
			killed += WTERMSIG(status) == SIGKILL;
	}
	ck_assert_int_eq(errno, ECHILD);
	return killed;
}

START_TEST(test_single_process)
{
	pid_t pid = fork();

	if (pid == 0)
		sleep_for_ever();
	ck_assert_int_eq(proctree_kill(pid), 1);
	ck_assert_int_eq(reap_all(), 1);
	ck_assert_int_eq(proctree_kill(pid), 0);
}
END_TEST

/* Every process has two children, in sessions of their own. */
static void
grow(int depth)
{
	int i;

	say_born();
	for (i = 0; depth > 0 && i < 2; i++)
		if (fork() == 0) {
			setsid();
			signal(SIGTERM, SIG_IGN);
			grow(depth - 1);
			sleep_for_ever();
		}
}

START_TEST(test_deep_tree_with_sessions)
{
	pid_t pid = fork();

	if (pid == 0) {
		grow(4);
		sleep_for_ever();
	}
	await_born(31);
	ck_assert_int_eq(proctree_kill(pid), 31);
	ck_assert_int_eq(reap_all(), 31);
}
END_TEST

START_TEST(test_stopped_tree)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (fork() == 0) {
			say_born();
			raise(SIGSTOP);
			sleep_for_ever();
		}
		say_born();
		raise(SIGSTOP);
		sleep_for_ever();
	}
	await_born(2);
	ck_assert_int_eq(proctree_kill(pid), 2);
	ck_assert_int_eq(reap_all(), 2);
}
END_TEST

static void *
thread_with_child(void *arg)
{
	(void)arg;
	if (fork() == 0) {
		say_born();
		sleep_for_ever();
	}
	sleep_for_ever();
}

/* Children hang on the thread that made them. */
START_TEST(test_children_of_threads)
{
	pid_t pid = fork();
	pthread_t t;

	if (pid == 0) {
		pthread_create(&t, NULL, thread_with_child, NULL);
		pthread_create(&t, NULL, thread_with_child, NULL);
		sleep_for_ever();
	}
	await_born(2);
	ck_assert_int_eq(proctree_kill(pid), 3);
	ck_assert_int_eq(reap_all(), 3);
}
END_TEST

/* Forks as fast as it can; so does each child. */
static void
multiply(int depth)
{
	int i;

	for (i = 0; i < 40; i++) {
		if (fork() == 0) {
			if (depth > 0)
				multiply(depth - 1);
			sleep_for_ever();
		}
		if (depth == 1)
			say_born();
	}
}

START_TEST(test_nobody_forks_away)
{
	pid_t pid = fork();

	if (pid == 0) {
		multiply(1);
		sleep_for_ever();
	}
	/* In the midst of it. */
	await_born(2 + _i);
	ck_assert_int_gt(proctree_kill(pid), 2);
	reap_all();
}
END_TEST

/* It stays until its parent has looked. */
START_TEST(test_zombie_is_not_counted)
{
	siginfo_t si;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
	ck_assert_int_eq(proctree_kill(pid), 0);
	ck_assert_int_eq(reap_all(), 0);
}
END_TEST

START_TEST(test_never_ourselves_nor_init)
{
	ck_assert_int_eq(proctree_kill(getpid()), 0);
	ck_assert_int_eq(proctree_kill(1), 0);
	ck_assert_int_eq(proctree_kill(0), 0);
}
END_TEST

/* A leader of a session that has died and left children behind. */
static pid_t
orphans_of_session(int n)
{
	pid_t pid = fork();
	int status;

	if (pid != 0) {
		await_born(n);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		return pid;
	}
	setsid();
	while (n-- > 0)
		if (fork() == 0) {
			say_born();
			sleep_for_ever();
		}
	_exit(0);
}

struct sessions {
	const pid_t *sids;
	size_t n;
};

static int
is_of_session(pid_t pid, void *arg)
{
	const struct sessions *s = arg;
	size_t i;

	for (i = 0; i < s->n; i++)
		if (getsid(pid) == s->sids[i])
			return 1;
	return 0;
}

static int
kill_sessions(const pid_t *sids, size_t n)
{
	struct sessions s = {sids, n};

	return proctree_kill_children(getpid(), 1, is_of_session, &s);
}

START_TEST(test_sessions_of_the_dead)
{
	pid_t sids[2];

	sids[0] = orphans_of_session(3);
	sids[1] = orphans_of_session(2);
	ck_assert_int_eq(kill_sessions(sids + 1, 1), 2);
	ck_assert_int_eq(kill_sessions(sids, 1), 3);
	ck_assert_int_eq(reap_all(), 5);
	ck_assert_int_eq(kill_sessions(sids, 2), 0);
}
END_TEST

/* What has a session of its own, but hangs on one that is to go, goes. */
START_TEST(test_sessions_with_descendants)
{
	pid_t sid = fork();
	int status;

	if (sid == 0) {
		setsid();
		if (fork() == 0) {
			if (fork() == 0) {
				setsid();
				say_born();
				sleep_for_ever();
			}
			say_born();
			sleep_for_ever();
		}
		_exit(0);
	}
	await_born(2);
	ck_assert_int_eq(waitpid(sid, &status, 0), sid);
	ck_assert_int_eq(kill_sessions(&sid, 1), 2);
	ck_assert_int_eq(reap_all(), 2);
}
END_TEST

START_TEST(test_no_session_no_kill)
{
	pid_t pid = fork(), sid = 1;

	if (pid == 0)
		sleep_for_ever();
	ck_assert_int_eq(kill_sessions(NULL, 0), 0);
	ck_assert_int_eq(kill_sessions(&sid, 1), 0);
	ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
	ck_assert_int_eq(proctree_kill(pid), 1);
	reap_all();
}
END_TEST

START_TEST(test_proven_by_a_pidfd)
{
	pid_t pid = fork();
	int pidfd;

	if (pid == 0) {
		if (fork() == 0) {
			setsid();
			say_born();
			sleep_for_ever();
		}
		say_born();
		sleep_for_ever();
	}
	pidfd = sys_pidfd_open(pid);
	await_born(2);
	ck_assert_int_eq(proctree_kill_proven(pid, pidfd), 2);
	ck_assert_int_eq(reap_all(), 2);
	/* It is gone: whoever has its number now is nobody of ours. */
	ck_assert_int_eq(proctree_kill_proven(getppid(), pidfd), 0);
	close(pidfd);
}
END_TEST

static pid_t listed[2];

static int
is_listed(pid_t pid, void *arg)
{
	(*(int *)arg)++;
	return pid == listed[0] || pid == listed[1];
}

START_TEST(test_among_all_processes)
{
	pid_t other = fork();
	int i, looks = 0;

	if (other == 0)
		sleep_for_ever();
	for (i = 0; i < 2; i++) {
		listed[i] = fork();
		if (listed[i] == 0)
			sleep_for_ever();
	}
	ck_assert_int_eq(proctree_kill_all(is_listed, &looks), 2);
	ck_assert_int_gt(looks, 3);
	ck_assert_int_eq(waitpid(other, NULL, WNOHANG), 0);
	proctree_kill(other);
	ck_assert_int_eq(reap_all(), 3);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("proctree");
	TCase *t = tcase_create("proctree");

	tcase_set_timeout(t, 50);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, test_single_process);
	tcase_add_test(t, test_deep_tree_with_sessions);
	tcase_add_test(t, test_stopped_tree);
	tcase_add_test(t, test_children_of_threads);
	tcase_add_loop_test(t, test_nobody_forks_away, 0, 10);
	tcase_add_test(t, test_zombie_is_not_counted);
	tcase_add_test(t, test_never_ourselves_nor_init);
	tcase_add_test(t, test_sessions_of_the_dead);
	tcase_add_test(t, test_sessions_with_descendants);
	tcase_add_test(t, test_no_session_no_kill);
	tcase_add_test(t, test_proven_by_a_pidfd);
	tcase_add_test(t, test_among_all_processes);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *sr = srunner_create(suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
