/*
 * An upgrade, as the keeper sees it: real processes, in which roles of the test
 * stand in for those of the new svd and the old, and virtual time. What real
 * ones do is in tests/it.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "ipc/chan.h"
#include "ipc/link.h"
#include "keeper/life.h"
#include "keeper/logger.h"
#include "keeper/reap.h"
#include "keeper/stop.h"
#include "fake_keeper.c"
#include "fake_log.c"

#define OLD 100 /* descriptors, by which a role is known */
#define NEW 200

typedef void role_fn(int sock);

static struct keeper k;
static int64_t now;
static int executed; /* NEW was, by the keeper itself */
static role_fn *of_new, *of_old;
static const char *rehearsal; /* what it says; NULL: it hangs */
static int rehearsal_status;
static pid_t keeper_pid;

/* What a supervisor was told; shared with it. */
static struct link_upgrade *heard;

/* --- sys, with a clock of our own --- */

int64_t
sys_now_ms(void)
{
	return now;
}

static void
be_rehearsed(const char *arg)
{
	int report = atoi(strchr(arg, ',') + 1);

	if (rehearsal == NULL)
		pause();
	if (rehearsal[0] != '\0' &&
	    write(report, rehearsal, strlen(rehearsal)) == -1)
		_exit(99);
	_exit(rehearsal_status);
}

int
sys_exec_fd(int fd, char *const argv[], char *const envp[])
{
	const char *arg = argv[KEEPER_ARG_ROLE];
	int sock = atoi(strchr(arg, '=') + 1);

	(void)envp;
	/* Of a test that fails nothing is to be left. */
	if (getpid() != keeper_pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (strncmp(arg, "rehearsal=", 10) == 0)
		be_rehearsed(arg);
	if (getpid() == keeper_pid) {
		executed++;
		errno = ENOEXEC;
		return -1;
	}
	(fd == NEW ? of_new : of_old)(sock);
	_exit(0);
}

/* --- roles --- */

static void
say(int sock, enum keeper_msg_type type)
{
	unsigned char packet[KEEPER_PACKET_MAX];
	struct keeper_msg m = {.type = type};
	size_t len = keeper_msg_encode(&m, packet);

	chan_send(sock, packet, len, NULL, 0, 0);
}

static void
is_ready(int sock)
{
	unsigned char packet[KEEPER_PACKET_MAX];
	struct pollfd p = {.fd = sock, .events = POLLIN};
	struct keeper_msg m;
	struct link l;
	struct err e;

	if (link_open(&l, sock, &e) == -1)
		_exit(1);
	*heard = l.upgrade;
	say(sock, KM_READY);
	while (poll(&p, 1, -1) == 1 && link_receive(&l, packet, &m) != -1)
		*heard = l.upgrade;
	_exit(0);
}

static void
is_silent(int sock)
{
	(void)sock;
	pause();
}

static void
exits(int sock)
{
	(void)sock;
	_exit(3);
}

static void
is_killed(int sock)
{
	(void)sock;
	raise(SIGKILL);
}

/* --- the keeper --- */

static void
set_up(void)
{
	static char *argv[] = {
	    (char *)"svd: keeper", (char *)"-P", (char *)"keeper", NULL};

	memset(&k, 0, sizeof(k));
	k.argv = argv;
	k.init_mode = 1; /* no logger */
	k.children_fds[0] = k.children_fds[1] = -1;
	k.log_fd = k.sup.role.sock = k.logger.sock = -1;
	k.self_fd = OLD;
	ck_assert_int_eq(dup2(STDERR_FILENO, OLD), OLD);
	ck_assert_int_eq(dup2(STDERR_FILENO, NEW), NEW);
	life_init(&k);
	ck_assert_int_eq(logger_init(&k), 0);
	now = 1000000;
	executed = 0;
	keeper_pid = getpid();
	of_new = of_old = is_ready;
	rehearsal = "svd 9.9";
	rehearsal_status = 0;
	heard = mmap(NULL, sizeof(*heard), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(heard, MAP_FAILED);
}

static void
end(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void
tear_down(void)
{
	end(k.sup.role.pid);
	end(k.upgrade.rehearser);
	while (k.vault.n > 0)
		vault_drop(&k.vault, k.vault.entries[0].name);
	munmap(heard, sizeof(*heard));
}

/* As in keeper.c, as far as it matters here. */
static void
turn(void)
{
	role_receive(&k, &k.sup.role);
	life_check_death(&k);
	upgrade_check(&k, now);
	life_start(&k);
	role_hand_over(&k, &k.sup.role);
	upgrade_tell(&k);
}

/* Until what a process does has come to us. */
#define TURN_UNTIL(condition)                             \
	do {                                              \
		int tries = 0;                            \
                                                          \
		while (turn(), !(condition)) {            \
			ck_assert_int_lt(tries++, 10000); \
			poll(NULL, 0, 1);                 \
		}                                         \
	} while (0)

static void
begin(void)
{
	TURN_UNTIL(k.sup.role.ready);
	upgrade_begin(&k, NEW);
}

static void
is_over(const char *why)
{
	ck_assert_int_eq(k.upgrade.phase, UPGRADE_NONE);
	ck_assert_int_eq(k.upgrade.result, UPGRADED_FAILED);
	if (strstr(k.upgrade.text, why) == NULL)
		ck_abort_msg("not '%s': %s", why, k.upgrade.text);
	ck_assert_int_eq(upgrade_deadline(&k), 0);
	ck_assert_int_eq(upgrade_binary(&k, &k.sup.role), OLD);
	TURN_UNTIL(k.sup.role.ready && k.upgrade.rehearser == 0 &&
		   heard->number == 1 && heard->state == UPGRADED_FAILED);
	ck_assert_str_eq(heard->text, k.upgrade.text);
}

/* A child of ours that the supervisor announced. */
static pid_t
announced_child(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	ck_assert_int_gt(pid, 0);
	reap_add_child(&k, pid);
	return pid;
}

/* --- tests --- */

START_TEST(it_goes_through_its_steps)
{
	pid_t old;

	begin();
	ck_assert_int_eq(k.upgrade.phase, UPGRADE_REHEARSAL);
	ck_assert(!upgrade_on_trial(&k));
	old = k.sup.role.pid;
	TURN_UNTIL(k.upgrade.phase == UPGRADE_SUPERVISOR);
	ck_assert_str_eq(k.upgrade.version, "9.9");
	ck_assert(upgrade_on_trial(&k));
	TURN_UNTIL(k.sup.role.pid != 0 && k.sup.role.pid != old);
	TURN_UNTIL(executed == 1);
	ck_assert_int_eq(k.self_fd, OLD);
	is_over("the keeper cannot execute it: Exec format error");
	ck_assert_uint_eq(k.sup.role.lives, 3);
}
END_TEST

START_TEST(a_rehearsal_says_why_not)
{
	rehearsal = "too new by far";
	rehearsal_status = 1;
	begin();
	TURN_UNTIL(k.upgrade.phase == UPGRADE_NONE);
	is_over("too new by far");
	ck_assert_uint_eq(k.sup.role.lives, 1);
}
END_TEST

START_TEST(a_rehearsal_that_says_nothing_is_no_svds)
{
	static const char *const words[] = {"", "sv", "hello"};

	rehearsal = words[_i];
	begin();
	TURN_UNTIL(k.upgrade.phase == UPGRADE_NONE);
	ck_assert_int_eq(k.upgrade.result, UPGRADED_FAILED);
}
END_TEST

START_TEST(a_rehearsal_has_its_time)
{
	rehearsal = NULL;
	begin();
	now += UPGRADE_STEP_MS - 1;
	turn();
	ck_assert_int_eq(k.upgrade.phase, UPGRADE_REHEARSAL);
	ck_assert_int_eq(upgrade_deadline(&k), now + 1);
	now++;
	turn();
	is_over("its rehearsal did not end within 10 s");
}
END_TEST

/* Killed, it is still to be reaped: until then there is no next one. */
START_TEST(who_asks_again_before_a_rehearsal_has_died_is_answered)
{
	rehearsal = NULL;
	begin();
	now += UPGRADE_STEP_MS;
	upgrade_check(&k, now);
	ck_assert_int_ne(k.upgrade.rehearser, 0);
	ck_assert_int_eq(dup2(STDERR_FILENO, NEW), NEW);
	upgrade_begin(&k, NEW);
	ck_assert_uint_eq(k.upgrade.attempts, 2);
	ck_assert_int_eq(close(NEW), -1);
	TURN_UNTIL(heard->number == 2 && heard->state == UPGRADED_FAILED);
	ck_assert_ptr_ne(strstr(heard->text, "rehearsal"), NULL);
	TURN_UNTIL(k.upgrade.rehearser == 0);
	ck_assert_int_eq(dup2(STDERR_FILENO, NEW), NEW);
	rehearsal = "svd 9.9";
	upgrade_begin(&k, NEW);
	TURN_UNTIL(executed == 1);
}
END_TEST

START_TEST(a_supervisor_has_its_time)
{
	of_new = is_silent;
	begin();
	TURN_UNTIL(k.upgrade.phase == UPGRADE_SUPERVISOR);
	now += UPGRADE_STEP_MS - 1;
	turn();
	ck_assert_int_eq(k.upgrade.phase, UPGRADE_SUPERVISOR);
	now++;
	turn();
	is_over("its supervisor was not ready within 10 s");
}
END_TEST

START_TEST(who_is_killed_is_tried_again_but_not_for_ever)
{
	uint32_t lives;

	of_new = is_killed;
	begin();
	TURN_UNTIL(k.upgrade.phase == UPGRADE_SUPERVISOR);
	lives = k.sup.role.lives;
	while (k.upgrade.phase != UPGRADE_NONE) {
		now += 100;
		TURN_UNTIL(
		    k.sup.role.pid == 0 || k.upgrade.phase == UPGRADE_NONE);
	}
	ck_assert_uint_gt(k.sup.role.lives, lives + 50);
	is_over("its supervisor was not ready within 10 s");
}
END_TEST

START_TEST(who_exits_is_not_tried_again)
{
	of_new = exits;
	begin();
	TURN_UNTIL(k.upgrade.phase == UPGRADE_NONE);
	is_over("its supervisor exited with status 3");
	ck_assert_uint_eq(k.sup.role.lives, 3);
}
END_TEST

START_TEST(where_somebody_waits_for_a_sign_of_life_there_is_less_time)
{
	k.notify.watchdog = 3000;
	rehearsal = NULL;
	begin();
	now += 1499;
	turn();
	ck_assert_int_eq(k.upgrade.phase, UPGRADE_REHEARSAL);
	now++;
	turn();
	is_over("within 2 s");
}
END_TEST

START_TEST(a_supervisor_must_know_of_every_child)
{
	pid_t child;
	char why[64];

	TURN_UNTIL(k.sup.role.ready);
	child = announced_child();
	begin();
	TURN_UNTIL(k.upgrade.phase == UPGRADE_SUPERVISOR && k.sup.role.ready &&
		   !k.sup.role.replaced);
	turn();
	ck_assert_int_eq(k.upgrade.phase, UPGRADE_SUPERVISOR);
	now += UPGRADE_STEP_MS;
	turn();
	snprintf(why, sizeof(why), "knows nothing of process %d", (int)child);
	is_over(why);
	end(child);
}
END_TEST

START_TEST(the_dead_need_not_be_known)
{
	siginfo_t si;
	pid_t child;

	TURN_UNTIL(k.sup.role.ready);
	child = announced_child();
	kill(child, SIGKILL);
	waitid(P_PID, (id_t)child, &si, WEXITED | WNOWAIT);
	begin();
	TURN_UNTIL(executed == 1);
	end(child);
}
END_TEST

/* A socket of systemd's that takes no more. */
static int
full_socket(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(sun);
	char name[sizeof(sun.sun_path)] = "@";

	/* A name that the kernel finds. */
	ck_assert_int_eq(
	    bind(fd, (struct sockaddr *)&sun, sizeof(sa_family_t)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sun, &len), 0);
	memcpy(name + 1, sun.sun_path + 1,
	    len - offsetof(struct sockaddr_un, sun_path) - 1);
	notify_init(&k.notify, name, NULL, NULL);
	while (sendto(k.notify.fd, "", 1, MSG_DONTWAIT, (struct sockaddr *)&sun,
		   len) == 1)
		;
	ck_assert_int_eq(errno, EAGAIN);
	return fd;
}

/* What is still to be said would be lost with us. */
START_TEST(systemd_is_told_before_the_end)
{
	int fd = full_socket(), i;
	char text[1024];
	ssize_t n;

	begin();
	notify_hear(&k, NOTIFY_READY, "running");
	TURN_UNTIL(k.upgrade.phase == UPGRADE_LOGGER);
	for (i = 0; i < 20; i++, poll(NULL, 0, 1))
		turn();
	ck_assert_int_eq(executed, 0);
	if (_i == 1) { /* it never listens */
		now += UPGRADE_STEP_MS;
		turn();
		ck_assert_int_eq(executed, 1);
	} else {
		while (recv(fd, text, sizeof(text), 0) == 1)
			;
		now += NOTIFY_AGAIN_MS;
		TURN_UNTIL(executed == 1);
		n = recv(fd, text, sizeof(text) - 1, 0);
		ck_assert_int_gt(n, 0);
		text[n] = '\0';
		ck_assert_str_eq(text, "READY=1\nSTATUS=running\n");
	}
	close(k.notify.fd);
	close(fd);
}
END_TEST

START_TEST(the_wish_to_stop_ends_it)
{
	of_new = is_silent;
	begin();
	if (_i == 1)
		TURN_UNTIL(k.upgrade.phase == UPGRADE_SUPERVISOR);
	stop_ask(&k);
	turn();
	k.stop = STOP_NONE; /* is_over() goes on for a while */
	is_over("the fleet is shutting down");
}
END_TEST

START_TEST(a_second_one_is_not_begun_meanwhile)
{
	int fds[2];

	rehearsal = NULL;
	begin();
	ck_assert_int_eq(chan_pair(fds), 0);
	upgrade_begin(&k, fds[0]);
	ck_assert_int_eq(close(fds[0]), -1);
	ck_assert_uint_eq(k.upgrade.attempts, 1);
	ck_assert_int_eq(k.upgrade.fd, NEW);
	close(fds[1]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("upgrade");
	TCase *tc = tcase_create("upgrade");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, it_goes_through_its_steps);
	tcase_add_test(tc, a_rehearsal_says_why_not);
	tcase_add_loop_test(tc, a_rehearsal_that_says_nothing_is_no_svds, 0, 3);
	tcase_add_test(tc, a_rehearsal_has_its_time);
	tcase_add_test(
	    tc, who_asks_again_before_a_rehearsal_has_died_is_answered);
	tcase_add_test(tc, a_supervisor_has_its_time);
	tcase_add_test(tc, who_is_killed_is_tried_again_but_not_for_ever);
	tcase_add_test(tc, who_exits_is_not_tried_again);
	tcase_add_test(
	    tc, where_somebody_waits_for_a_sign_of_life_there_is_less_time);
	tcase_add_test(tc, a_supervisor_must_know_of_every_child);
	tcase_add_test(tc, the_dead_need_not_be_known);
	tcase_add_loop_test(tc, systemd_is_told_before_the_end, 0, 2);
	tcase_add_loop_test(tc, the_wish_to_stop_ends_it, 0, 2);
	tcase_add_test(tc, a_second_one_is_not_begun_meanwhile);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
