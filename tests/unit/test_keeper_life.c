/*
 * The supervisor's life, as the keeper sees it: real processes, in which a role
 * of the test stands in for the supervisor, and virtual time. Nothing waits but
 * for a death or a message.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "ipc/chan.h"
#include "keeper/life.h"
#include "keeper/logger.h"
#include "keeper/reap.h"
#include "keeper/stop.h"
#include "ipc/link.h"
#include "fake_keeper.c"
#include "fake_log.c"

static struct keeper k;
static int64_t now;
static void (*role)(int sock); /* of the next supervisor */

/* What a supervisor was told; shared with it. */
static struct heard {
	uint32_t life;
	uint64_t epoch;
	int keeper, predecessor, status;
	size_t nheld;
	char first[KEEPER_NAME_MAX + 1], last[KEEPER_NAME_MAX + 1];
} * heard;

/* --- sys, with a clock of our own --- */

int64_t
sys_now_ms(void)
{
	return now;
}

int
sys_exec_fd(int fd, char *const argv[], char *const envp[])
{
	int sock = atoi(strchr(argv[KEEPER_ARG_ROLE], '=') + 1);

	(void)fd;
	(void)envp;
	role(sock);
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
dies_young(int sock)
{
	(void)sock;
	_exit(3);
}

static void
runs(int sock)
{
	say(sock, KM_READY);
	pause();
}

static void
crashes(int sock)
{
	say(sock, KM_READY);
	raise(SIGSYS);
}

static void
crashes_unready(int sock)
{
	(void)sock;
	raise(SIGSYS);
}

static void
runs_unready(int sock)
{
	say(sock, KM_PONG); /* so that one knows it is there */
	pause();
}

static void
does_not_die_of_abrt(int sock)
{
	signal(SIGABRT, SIG_IGN);
	runs(sock);
}

static void
listens(int sock)
{
	struct link l;
	struct err e;

	if (link_open(&l, sock, &e) == -1)
		_exit(1);
	*heard = (struct heard){.life = l.life,
	    .epoch = l.epoch,
	    .keeper = l.keeper_pid,
	    .predecessor = (int)l.predecessor,
	    .status = l.predecessor_status,
	    .nheld = l.nheld};
	if (l.nheld > 0) {
		memcpy(heard->first, l.held[0].name, sizeof(heard->first));
		memcpy(
		    heard->last, l.held[l.nheld - 1].name, sizeof(heard->last));
	}
	_exit(0);
}

static void
babbles(int sock)
{
	chan_send(sock, "\377", 1, &sock, 1, 0);
	say(sock, KM_HELLO); /* not for it to say */
	say(sock, KM_READY);
	pause();
}

static void
stops_the_fleet(int sock)
{
	say(sock, KM_STOPPING);
}

/* --- the keeper --- */

static void
set_up(void)
{
	static char *argv[] = {
	    (char *)"svd: keeper", (char *)"-P", (char *)"keeper", NULL};

	memset(&k, 0, sizeof(k));
	k.argv = argv;
	k.init_mode = 1; /* nothing is held yet */
	life_init(&k);
	ck_assert_int_eq(logger_init(&k), 0);
	k.children_fds[0] = k.children_fds[1] = k.self_fd = -1;
	k.epoch = 42;
	now = 1000000;
	heard = mmap(NULL, sizeof(*heard), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(heard, MAP_FAILED);
}

static void
tear_down(void)
{
	if (k.sup.role.pid > 0) {
		kill(k.sup.role.pid, SIGKILL);
		waitpid(k.sup.role.pid, NULL, 0);
		close(k.sup.role.sock);
	}
	while (k.vault.n > 0)
		vault_drop(&k.vault, k.vault.entries[0].name);
	munmap(heard, sizeof(*heard));
}

static void
start(void (*as)(int sock))
{
	role = as;
	life_start(&k);
	role_hand_over(&k, &k.sup.role);
	ck_assert_int_ne(k.sup.role.pid, 0);
}

static void
hear(void)
{
	struct pollfd p = {.fd = k.sup.role.sock, .events = POLLIN};

	ck_assert_int_eq(poll(&p, 1, 10000), 1);
	while (role_receive(&k, &k.sup.role) != 0)
		;
}

static void
bury(void)
{
	siginfo_t si;

	ck_assert_int_eq(
	    waitid(P_PID, (id_t)k.sup.role.pid, &si, WEXITED | WNOWAIT), 0);
	life_check_death(&k);
	ck_assert_int_eq(k.sup.role.pid, 0);
	ck_assert_int_eq(k.sup.role.sock, -1);
}

/* A whole life, ended by sig unless it ends by itself (0); the delay until the
 * next, which then has passed. */
static int64_t
delay_after(void (*as)(int sock), int sig, int64_t lasts)
{
	int64_t delay;

	start(as);
	if (sig != 0) {
		hear();
		kill(k.sup.role.pid, sig);
	}
	now += lasts;
	bury();
	delay = k.sup.role.start_at - now;
	now = k.sup.role.start_at;
	return delay;
}

/* --- tests --- */

START_TEST(who_dies_young_is_started_ever_later)
{
	static const int64_t delays[] = {
	    0, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000};
	size_t i;

	for (i = 0; i < sizeof(delays) / sizeof(*delays); i++)
		ck_assert_int_eq(delay_after(dies_young, 0, 0), delays[i]);
	ck_assert_uint_eq(k.sup.role.lives, 10);
}
END_TEST

START_TEST(nobody_is_started_before_its_time)
{
	delay_after(dies_young, 0, 0);
	start(dies_young);
	bury();
	ck_assert_int_eq(life_deadline(&k), now + 100);
	now += 99;
	life_start(&k);
	ck_assert_int_eq(k.sup.role.pid, 0);
	now++;
	life_start(&k);
	ck_assert_int_ne(k.sup.role.pid, 0);
}
END_TEST

START_TEST(who_was_killed_from_outside_is_followed_at_once)
{
	int i;

	for (i = 0; i < 4; i++)
		ck_assert_int_eq(delay_after(runs, SIGKILL, 0), 0);
	for (i = 0; i < 4; i++)
		ck_assert_int_eq(delay_after(crashes, 0, ROLE_OLD_MS), 0);
}
END_TEST

START_TEST(who_was_killed_before_it_was_ready_is_followed_soon)
{
	int i;

	for (i = 0; i < 4; i++)
		ck_assert_int_eq(delay_after(runs_unready, SIGKILL, 0), 100);
}
END_TEST

START_TEST(a_long_life_that_was_never_ready_is_a_young_death)
{
	static const int64_t delays[] = {0, 100, 200};
	size_t i;

	for (i = 0; i < 3; i++)
		ck_assert_int_eq(
		    delay_after(crashes_unready, 0, ROLE_OLD_MS), delays[i]);
}
END_TEST

START_TEST(the_first_hears_that_it_is)
{
	start(listens);
	bury();
	ck_assert_uint_eq(heard->life, 1);
	ck_assert_uint_eq(heard->epoch, 42);
	ck_assert_int_eq(heard->keeper, getpid());
	ck_assert_int_eq(heard->predecessor, OBITUARY_NONE);
	ck_assert_uint_eq(heard->nheld, 0);
}
END_TEST

static const struct {
	void (*role)(int sock);
	int sig;
	enum keeper_obituary how;
	int status;
} ends[] = {
    {dies_young, 0, OBITUARY_EXITED, 3},
    {crashes, 0, OBITUARY_SIGNALLED, SIGSYS},
    {runs, SIGKILL, OBITUARY_SIGNALLED, SIGKILL},
};

START_TEST(a_successor_hears_how_its_predecessor_ended)
{
	delay_after(ends[_i].role, ends[_i].sig, 0);
	start(listens);
	bury();
	ck_assert_uint_eq(heard->life, 2);
	ck_assert_int_eq(heard->predecessor, ends[_i].how);
	ck_assert_int_eq(heard->status, ends[_i].status);
}
END_TEST

START_TEST(all_that_is_held_is_handed_over)
{
	enum {
		MANY = 2 * CHAN_FDS_MAX + 1
	};
	char name[16];
	int i;

	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "fd:%d", i);
		vault_hold(
		    &k.vault, name, open("/dev/null", O_RDONLY | O_CLOEXEC));
	}
	start(listens);
	ck_assert_int_eq(life_can_hear(&k), 1);
	bury();
	ck_assert_uint_eq(heard->nheld, MANY);
	ck_assert_str_eq(heard->first, "fd:0");
	snprintf(name, sizeof(name), "fd:%d", MANY - 1);
	ck_assert_str_eq(heard->last, name);
}
END_TEST

/* Its own it has inherited; its predecessor's are at their end. */
START_TEST(a_supervisor_is_handed_no_birth_socket_that_has_ended)
{
	delay_after(runs, SIGKILL, 0);
	ck_assert_int_ne(vault_get(&k.vault, "births:1"), -1);
	start(listens);
	bury();
	ck_assert_uint_eq(heard->nheld, 0);
	ck_assert_int_eq(vault_get(&k.vault, "births:1"), -1);
}
END_TEST

START_TEST(births_that_may_still_come_are_handed_to_the_successor)
{
	int pair[2];

	delay_after(runs, SIGKILL, 0);
	ck_assert_int_eq(chan_pair(pair), 0);
	vault_hold(&k.vault, "births:1", pair[0]);
	start(listens); /* somebody stands between clone and exec */
	bury();
	ck_assert_uint_eq(heard->nheld, 1);
	ck_assert_str_eq(heard->first, "births:1");
	close(pair[1]);
}
END_TEST

START_TEST(an_exit_that_is_not_answered_means_it_hangs)
{
	start(does_not_die_of_abrt);
	hear();
	k.sup.nexits_sent = 1;
	k.sup.exit_sent_at = now;
	ck_assert_int_eq(life_deadline(&k), now + LIFE_ANSWER_MS);
	now += LIFE_ANSWER_MS - 1;
	life_check_answers(&k, now);
	ck_assert_int_eq(k.sup.role.kill_at, 0);
	now++;
	life_check_answers(&k, now);
	ck_assert_int_eq(k.sup.role.kill_at, now + ROLE_ABRT_MS);
	ck_assert_int_eq(life_can_hear(&k), 0);
	ck_assert_int_eq(life_deadline(&k), k.sup.role.kill_at);
	now += ROLE_ABRT_MS;
	life_check_answers(&k, now);
	bury();
	ck_assert_int_eq(k.sup.role.obituary, OBITUARY_HUNG);
	ck_assert_int_eq(k.sup.role.obituary_status, SIGKILL);
}
END_TEST

/* It has no room to record them, and says so by a PONG that nobody asked for.
 */
START_TEST(exits_that_have_to_wait_are_no_hanging)
{
	struct keeper_msg pong = {.type = KM_PONG};

	start(runs);
	hear();
	k.sup.nexits_sent = 1;
	k.sup.exit_sent_at = now;
	now += LIFE_ANSWER_MS - 1;
	k.sup.role.kind->obey[KM_PONG](&k, &k.sup.role, &pong, NULL, 0);
	now++;
	life_check_answers(&k, now);
	ck_assert_int_eq(k.sup.role.kill_at, 0);
	ck_assert_int_eq(life_can_hear(&k), 1);
	/* No exit waits: it does not begin to count. */
	k.sup.exit_sent_at = 0;
	k.sup.role.kind->obey[KM_PONG](&k, &k.sup.role, &pong, NULL, 0);
	ck_assert_int_eq(k.sup.exit_sent_at, 0);
	kill(k.sup.role.pid, SIGKILL);
	bury();
}
END_TEST

START_TEST(a_stopped_one_that_hangs_dies_of_abrt)
{
	siginfo_t si;

	start(runs);
	hear();
	kill(k.sup.role.pid, SIGSTOP);
	ck_assert_int_eq(waitid(P_PID, (id_t)k.sup.role.pid, &si, WSTOPPED), 0);
	k.sup.signals_sent = 1;
	k.sup.signals_sent_at = now;
	now += LIFE_ANSWER_MS;
	life_check_answers(&k, now);
	bury();
	ck_assert_int_eq(k.sup.role.obituary, OBITUARY_HUNG);
	ck_assert_int_eq(k.sup.role.obituary_status, SIGABRT);
	ck_assert_uint_eq(k.pending, 1);
}
END_TEST

START_TEST(a_watchdog_asks_and_an_answer_calms_it)
{
	k.ping_every = k.ping_limit = 3000;
	start(runs_unready);
	k.sup.role.next_ping = now + k.ping_every;
	now += 3000;
	life_check_answers(&k, now);
	ck_assert_int_eq(k.sup.role.ping_sent_at, now);
	hear(); /* its PONG */
	ck_assert_int_eq(k.sup.role.ping_sent_at, 0);
	now += 3000;
	life_check_answers(&k, now);
	ck_assert_int_eq(k.sup.role.kill_at, 0);
	now += 3000;
	life_check_answers(&k, now);
	ck_assert_int_ne(k.sup.role.kill_at, 0);
}
END_TEST

START_TEST(signals_are_sent_once_and_kept_for_a_successor)
{
	k.pending = 1;
	life_send_signals(&k); /* there is nobody yet */
	ck_assert_uint_eq(k.pending, 1);
	start(runs);
	hear();
	life_send_signals(&k);
	ck_assert_uint_eq(k.pending, 0);
	ck_assert_uint_eq(k.sup.signals_sent, 1);
	k.pending = 2;
	life_send_signals(&k); /* one at a time */
	ck_assert_uint_eq(k.pending, 2);
	kill(k.sup.role.pid, SIGKILL);
	bury();
	ck_assert_uint_eq(k.pending, 3);
}
END_TEST

START_TEST(nonsense_is_passed_over_and_its_descriptors_closed)
{
	int next = dup(0);

	close(next);
	start(babbles);
	while (!k.sup.role.ready)
		hear();
	close(k.sup.role.sock);
	vault_drop(&k.vault, "births:1");
	ck_assert_int_eq(fcntl(next, F_GETFD), -1);
	k.sup.role.sock = -1;
}
END_TEST

START_TEST(what_it_said_before_it_died_counts)
{
	start(stops_the_fleet);
	bury(); /* nothing was read before */
	/* It had confirmed: now its successor is to be asked. */
	ck_assert_int_eq(k.stop, STOP_ASKED);
	ck_assert_uint_eq(k.pending, UINT64_C(1) << (SIGTERM - 1));
}
END_TEST

START_TEST(nobody_is_started_when_all_are_killed)
{
	stop_kill(&k, 1);
	role = runs;
	life_start(&k);
	ck_assert_int_eq(k.sup.role.pid, 0);
}
END_TEST

/* A pid that has been reaped may be anybody's: it is no longer on any list. */
START_TEST(who_has_been_reaped_is_forgotten)
{
	siginfo_t si;
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	start(runs);
	reap_add_child(&k, child);
	ck_assert_uint_eq(k.nchildren, 1);
	ck_assert_int_gt(k.sup.role.pid, 0);
	kill(k.sup.role.pid, SIGKILL);
	ck_assert_int_eq(
	    waitid(P_PID, (id_t)k.sup.role.pid, &si, WEXITED | WNOWAIT), 0);
	ck_assert_int_eq(waitid(P_PID, (id_t)child, &si, WEXITED | WNOWAIT), 0);
	ck_assert_int_eq(reap_everything(&k), -1);
	ck_assert_uint_eq(k.nchildren, 0);
	ck_assert_int_eq(k.sup.role.pid, 0);
	ck_assert_int_eq(k.sup.role.sock, -1);
}
END_TEST

/* --- exits --- */

static pid_t
dead_child(void)
{
	siginfo_t si;
	pid_t pid = fork();

	if (pid == 0)
		_exit(7);
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
	return pid;
}

static int
is_zombie(pid_t pid)
{
	siginfo_t si = {.si_pid = 0};

	return waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) ==
	           0 &&
	       si.si_pid == pid;
}

static int
was_told_of(pid_t pid)
{
	size_t i;
	int n = 0;

	for (i = 0; i < k.sup.nexits_sent; i++)
		n += k.sup.exits_sent[i] == pid;
	return n;
}

#define MANY (KEEPER_EXITS_MAX + 8)

/* The zombie is the record: it stays until its own exit is acknowledged. */
START_TEST(many_exits_are_told_and_each_is_reaped_by_its_own_ack)
{
	pid_t pids[MANY];
	size_t i, told = 0;

	start(runs);
	hear();
	for (i = 0; i < MANY; i++) {
		pids[i] = dead_child();
		reap_add_child(&k, pids[i]);
	}
	reap_announce(&k);
	ck_assert_uint_eq(k.sup.nexits_sent, KEEPER_EXITS_MAX);
	for (i = 0; i < MANY; i++) {
		ck_assert_int_le(was_told_of(pids[i]), 1);
		ck_assert_int_eq(is_zombie(pids[i]), 1);
	}
	while (k.sup.nexits_sent > 0) {
		pid_t pid = k.sup.exits_sent[k.sup.nexits_sent / 2];

		now += LIFE_ANSWER_MS - 1; /* slow, and not hung */
		reap_acknowledged(&k, pid);
		life_check_answers(&k, now);
		ck_assert_int_eq(k.sup.role.kill_at, 0);
		ck_assert_int_eq(is_zombie(pid), 0);
		told++;
		reap_announce(&k);
	}
	ck_assert_uint_eq(told, MANY);
	ck_assert_uint_eq(k.nchildren, 0);
	ck_assert_int_eq(k.sup.exit_sent_at, 0);
}
END_TEST

START_TEST(an_ack_of_what_was_not_told_reaps_nobody)
{
	pid_t pid = dead_child();

	start(runs);
	hear();
	reap_add_child(&k, pid);
	reap_acknowledged(&k, pid);
	ck_assert_int_eq(is_zombie(pid), 1);
	ck_assert_uint_eq(k.nchildren, 1);
	waitpid(pid, NULL, 0);
}
END_TEST

START_TEST(a_successor_is_told_again_of_all_that_was_not_acknowledged)
{
	pid_t pids[3] = {dead_child(), dead_child(), dead_child()};
	size_t i;

	start(runs);
	hear();
	for (i = 0; i < 3; i++)
		reap_add_child(&k, pids[i]);
	reap_announce(&k);
	ck_assert_uint_eq(k.sup.nexits_sent, 3);
	reap_acknowledged(&k, pids[1]);
	kill(k.sup.role.pid, SIGKILL);
	bury();
	ck_assert_uint_eq(k.sup.nexits_sent, 0);
	start(runs);
	reap_announce(&k);
	ck_assert_uint_eq(k.sup.nexits_sent, 2);
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(was_told_of(pids[i]), i != 1);
	waitpid(pids[0], NULL, 0);
	waitpid(pids[2], NULL, 0);
}
END_TEST

/* Orphans were announced by nobody: found one by one, behind the others. */
START_TEST(an_orphan_is_told_of_too)
{
	pid_t orphan = dead_child(), worker = dead_child();
	int i;

	start(runs);
	hear();
	reap_add_child(&k, worker);
	for (i = 0; i < 2; i++) {
		reap_announce(&k);
		while (k.sup.nexits_sent > 0)
			reap_acknowledged(&k, k.sup.exits_sent[0]);
	}
	ck_assert_int_eq(is_zombie(orphan), 0);
	ck_assert_int_eq(is_zombie(worker), 0);
}
END_TEST

/* "More to read" would keep the keeper from sleeping. */
START_TEST(without_a_supervisor_there_is_nothing_to_read)
{
	ck_assert_int_eq(role_receive(&k, &k.sup.role), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("keeper_life");
	TCase *t = tcase_create("life");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, who_dies_young_is_started_ever_later);
	tcase_add_test(t, nobody_is_started_before_its_time);
	tcase_add_test(t, who_was_killed_from_outside_is_followed_at_once);
	tcase_add_test(t, who_was_killed_before_it_was_ready_is_followed_soon);
	tcase_add_test(t, a_long_life_that_was_never_ready_is_a_young_death);
	tcase_add_test(t, the_first_hears_that_it_is);
	tcase_add_loop_test(
	    t, a_successor_hears_how_its_predecessor_ended, 0, 3);
	tcase_add_test(t, all_that_is_held_is_handed_over);
	tcase_add_test(
	    t, a_supervisor_is_handed_no_birth_socket_that_has_ended);
	tcase_add_test(
	    t, births_that_may_still_come_are_handed_to_the_successor);
	tcase_add_test(t, an_exit_that_is_not_answered_means_it_hangs);
	tcase_add_test(t, exits_that_have_to_wait_are_no_hanging);
	tcase_add_test(t, a_stopped_one_that_hangs_dies_of_abrt);
	tcase_add_test(t, a_watchdog_asks_and_an_answer_calms_it);
	tcase_add_test(
	    t, many_exits_are_told_and_each_is_reaped_by_its_own_ack);
	tcase_add_test(t, an_ack_of_what_was_not_told_reaps_nobody);
	tcase_add_test(
	    t, a_successor_is_told_again_of_all_that_was_not_acknowledged);
	tcase_add_test(t, an_orphan_is_told_of_too);
	tcase_add_test(t, signals_are_sent_once_and_kept_for_a_successor);
	tcase_add_test(t, nonsense_is_passed_over_and_its_descriptors_closed);
	tcase_add_test(t, what_it_said_before_it_died_counts);
	tcase_add_test(t, nobody_is_started_when_all_are_killed);
	tcase_add_test(t, who_has_been_reaped_is_forgotten);
	tcase_add_test(t, without_a_supervisor_there_is_nothing_to_read);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
