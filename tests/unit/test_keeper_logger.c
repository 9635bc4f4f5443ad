/*
 * The logger's life, as the keeper sees it: real processes, in which a role of
 * the test stands in for the logger. It says what it was handed by its exit
 * status, 0 where all was as it should be.
 */
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "ipc/chan.h"
#include "ipc/link.h"
#include "keeper/life.h"
#include "keeper/logger.h"
#include "keeper/stop.h"
#include "fake_keeper.c"

#define WAIT_MS 10000

static struct keeper k;
static int (*role)(int sock); /* of the next process; its exit status */

/* --- sys: in place of svd itself, a role is run --- */

int
sys_exec_fd(int fd, char *const argv[], char *const envp[])
{
	(void)fd;
	(void)envp;
	_exit(role(atoi(strchr(argv[KEEPER_ARG_ROLE], '=') + 1)));
}

int64_t
sys_now_ms(void)
{
	static int64_t now = 1000000;

	return now += 1000; /* whatever is to be waited for has passed */
}

uint64_t
sys_random(void)
{
	return 1;
}

int
sys_pidfd_open(pid_t pid)
{
	(void)pid;
	return -1;
}

/* --- roles --- */

/* Waits for a message of this type; what an FD brings can be taken. */
static int
wait_for(struct link *l, enum keeper_msg_type type)
{
	unsigned char packet[KEEPER_PACKET_MAX];
	struct pollfd p = {.fd = l->sock, .events = POLLIN};
	struct keeper_msg m;

	while (poll(&p, 1, WAIT_MS) == 1)
		if (link_receive(l, packet, &m) == 1 && m.type == type)
			return 0;
	return -1;
}

static void
say(struct link *l, enum keeper_msg_type type)
{
	struct keeper_msg m = {.type = type};

	link_send(l, &m, -1);
}

static int
is_there(struct link *l, const char *name)
{
	int fd = link_take(l, name);

	if (fd != -1)
		close(fd);
	return fd != -1;
}

static int
looks_at_all(int sock)
{
	struct link l;
	struct err e;

	if (link_open(&l, sock, &e) == -1)
		return 1;
	if (!is_there(&l, "out:a:0") || !is_there(&l, "ring:out:a:0") ||
	    !is_there(&l, "outputs") || !is_there(&l, "pair:logger"))
		return 2;
	return is_there(&l, "state") || is_there(&l, "pair:supervisor") ? 3 : 0;
}

/* What it gives to hold comes back before the answer to its PING, and what
 * somebody else gives comes as well. */
static int
holds(int sock)
{
	const char *names[] = {"ring:out:b:0", "sink:1"};
	int fds[] = {0, 0};
	struct link l;
	struct err e;

	if (link_open(&l, sock, &e) == -1)
		return 1;
	link_hold_many(&l, names, fds, 2);
	say(&l, KM_PING);
	if (wait_for(&l, KM_PONG) == -1)
		return 2;
	if (!is_there(&l, "ring:out:b:0") || !is_there(&l, "sink:1"))
		return 3;
	if (wait_for(&l, KM_FD) == -1)
		return 4;
	return is_there(&l, "out:late:0") ? 0 : 5;
}

static int
finishes(int sock)
{
	struct link l;
	struct err e;

	if (link_open(&l, sock, &e) == -1)
		return 1;
	return wait_for(&l, KM_QUIT) == -1 ? 2 : 0;
}

static int
runs(int sock)
{
	(void)sock;
	pause();
	return 1;
}

/* --- the keeper --- */

static void
hold(const char *name)
{
	ck_assert_int_eq(
	    vault_hold(&k.vault, name, open("/dev/null", O_RDONLY | O_CLOEXEC)),
	    0);
	k.logger.owed = 1;
}

static void
set_up(void)
{
	static char *argv[] = {
	    (char *)"svd: keeper", (char *)"-P", (char *)"keeper", NULL};

	memset(&k, 0, sizeof(k));
	k.argv = argv;
	k.children_fds[0] = k.children_fds[1] = k.self_fd = -1;
	life_init(&k);
	ck_assert_int_eq(logger_init(&k), 0);
	hold("state");
}

static void
tear_down(void)
{
	if (k.logger.pid > 0) {
		kill(k.logger.pid, SIGKILL);
		waitpid(k.logger.pid, NULL, 0);
		role_forget(&k.logger);
	}
	while (k.vault.n > 0)
		vault_drop(&k.vault, k.vault.entries[0].name);
}

static void
start(int (*as)(int sock))
{
	role = as;
	logger_start(&k);
	ck_assert_int_gt(k.logger.pid, 0);
	logger_tell(&k);
}

/* Serves it until it has ended. */
static void
serve(void)
{
	struct pollfd p = {.fd = k.logger.sock, .events = POLLIN};
	siginfo_t si;
	int asked = 0;

	while (!k.logger.hung_up) {
		ck_assert_int_eq(poll(&p, 1, WAIT_MS), 1);
		role_receive(&k, &k.logger);
		asked |= k.pong_due;
		logger_tell(&k);
		/* Not before its answer, which must not wait for this. */
		if (asked && !k.pong_due &&
		    vault_get(&k.vault, "out:late:0") == -1)
			hold("out:late:0");
		logger_tell(&k);
	}
	waitid(P_PID, (id_t)k.logger.pid, &si, WEXITED | WNOWAIT);
	logger_check_death(&k);
	ck_assert_int_eq(k.logger.pid, 0);
}

/* --- tests --- */

START_TEST(without_captured_output_there_is_none)
{
	role = runs;
	logger_start(&k);
	ck_assert_int_eq(k.logger.pid, 0);
	ck_assert_int_eq(logger_is_done(&k), 1);
}
END_TEST

START_TEST(it_is_handed_what_is_its_own_and_no_more)
{
	hold("out:a:0");
	hold("ring:out:a:0");
	hold("outputs");
	start(looks_at_all);
	serve();
	ck_assert_int_eq(k.logger.obituary, OBITUARY_EXITED);
	ck_assert_int_eq(k.logger.obituary_status, 0);
}
END_TEST

START_TEST(what_is_held_later_comes_later)
{
	hold("outputs");
	start(holds);
	serve();
	ck_assert_int_eq(k.logger.obituary, OBITUARY_EXITED);
	ck_assert_int_eq(k.logger.obituary_status, 0);
}
END_TEST

START_TEST(who_was_killed_is_followed)
{
	hold("outputs");
	start(runs);
	kill(k.logger.pid, SIGKILL);
	serve();
	start(looks_at_all);
	ck_assert_uint_eq(k.logger.lives, 2);
}
END_TEST

START_TEST(it_is_waited_for_at_the_end)
{
	hold("outputs");
	start(finishes);
	stop_flush(&k);
	logger_tell(&k);
	ck_assert_int_eq(k.flush_told, 1);
	ck_assert_int_eq(stop_check(&k, 0), 0);
	ck_assert_int_eq(k.stop, STOP_FLUSH);
	serve();
	ck_assert_int_eq(logger_is_done(&k), 1);
	logger_start(&k);
	ck_assert_int_eq(k.logger.pid, 0);
	stop_check(&k, 0);
	ck_assert_int_eq(k.stop, STOP_KILL);
	ck_assert_int_eq(stop_check(&k, 0), 1);
}
END_TEST

START_TEST(one_that_dies_before_it_has_finished_is_followed_and_told_again)
{
	hold("outputs");
	start(runs);
	stop_flush(&k);
	logger_tell(&k);
	kill(k.logger.pid, SIGKILL);
	serve();
	ck_assert_int_eq(logger_is_done(&k), 0);
	start(finishes);
	serve();
	ck_assert_int_eq(logger_is_done(&k), 1);
}
END_TEST

START_TEST(it_is_not_waited_for_without_end)
{
	hold("outputs");
	start(runs);
	stop_flush(&k);
	ck_assert_int_eq(stop_check(&k, k.stop_deadline - 1), 0);
	stop_check(&k, k.stop_deadline);
	ck_assert_int_eq(k.stop, STOP_KILL);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("keeper_logger");
	TCase *t = tcase_create("logger");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, without_captured_output_there_is_none);
	tcase_add_test(t, it_is_handed_what_is_its_own_and_no_more);
	tcase_add_test(t, what_is_held_later_comes_later);
	tcase_add_test(t, who_was_killed_is_followed);
	tcase_add_test(t, it_is_waited_for_at_the_end);
	tcase_add_test(
	    t, one_that_dies_before_it_has_finished_is_followed_and_told_again);
	tcase_add_test(t, it_is_not_waited_for_without_end);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
