/*
 * What the keeper tells systemd, over a real datagram socket: which lines come
 * together, in which order, and what becomes of them where the socket is full.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "keeper/keeper.h"
#include "keeper/notify.h"
#include "fake_log.c"
#include "fake_systemd.c"

static int64_t now;

/* --- sys, with a clock of our own --- */

int64_t
sys_now_ms(void)
{
	return now;
}

static void
set_up(void)
{
	now = 1000;
	listen_here();
	k = (struct keeper){.grace = 15000};
	notify_init(&k.notify, address, NULL, NULL);
}

static void
tear_down(void)
{
	stop_listening();
}

/* --- tests --- */

START_TEST(readiness_and_status_are_one_datagram)
{
	notify_hear(&k, NOTIFY_READY, "running: 2 of 2 workers as wanted");
	ck_assert_str_eq(
	    hear(), "READY=1\nSTATUS=running: 2 of 2 workers as wanted\n");
	notify_hear(&k, NOTIFY_SAME, "running: 1 of 2 workers as wanted");
	ck_assert_str_eq(hear(), "STATUS=running: 1 of 2 workers as wanted\n");
	notify_flush(&k, now);
	ck_assert_str_eq(hear(), "");
}
END_TEST

START_TEST(a_path_will_do_as_well)
{
	char path[64];

	tear_down();
	snprintf(path, sizeof(path), "/tmp/svd-test-notify-%d", (int)getpid());
	unlink(path);
	listen_as(path);
	notify_init(&k.notify, address, NULL, NULL);
	notify_hear(&k, NOTIFY_READY, "up");
	ck_assert_str_eq(hear(), "READY=1\nSTATUS=up\n");
}
END_TEST

START_TEST(a_reload_is_told_with_its_time_and_before_its_end)
{
	long long usec;

	notify_hear(&k, NOTIFY_RELOADING, "reloading");
	notify_hear(&k, NOTIFY_READY, "up");
	ck_assert_int_eq(
	    sscanf(hear(), "RELOADING=1\nMONOTONIC_USEC=%lld\n", &usec), 1);
	ck_assert(usec > 0);
	ck_assert_ptr_nonnull(strstr(heard, "STATUS=reloading\n"));
	ck_assert_str_eq(hear(), "READY=1\nSTATUS=up\n");
}
END_TEST

START_TEST(a_full_socket_is_tried_again_and_never_waited_for)
{
	alarm(10); /* which a send that waits would not outlive */
	fill();
	notify_hear(&k, NOTIFY_RELOADING, "reloading");
	notify_hear(&k, NOTIFY_READY, "up");
	ck_assert_int_eq(notify_deadline(&k), now + NOTIFY_AGAIN_MS);
	drain();
	notify_flush(&k, now); /* not yet */
	ck_assert_str_eq(hear(), "");
	now += NOTIFY_AGAIN_MS;
	notify_flush(&k, now);
	ck_assert_int_eq(strncmp(hear(), "RELOADING=1\n", 12), 0);
	/* The newest line, once. */
	ck_assert_ptr_nonnull(strstr(heard, "STATUS=up\n"));
	ck_assert_str_eq(hear(), "READY=1\n");
	ck_assert_int_eq(notify_deadline(&k), 0);
	alarm(0);
}
END_TEST

START_TEST(a_stop_says_how_long_it_may_take_and_is_the_last_word)
{
	k.stop = STOP_ASKED;
	notify_flush(&k, now);
	/* A second to confirm, the grace, and the logger's and KILL's 5 s. */
	ck_assert_str_eq(hear(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=28000000\n");
	notify_flush(&k, now);
	ck_assert_str_eq(hear(), "");
	notify_hear(&k, NOTIFY_READY, "stopping: 1 of 2 workers left");
	ck_assert_str_eq(hear(), "STATUS=stopping: 1 of 2 workers left\n");
	k.stop = STOP_ALONE;
	notify_flush(&k, now);
	ck_assert_str_eq(hear(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=28000000\n");
}
END_TEST

START_TEST(a_status_is_one_line_of_bounded_length)
{
	char text[2 * NOTIFY_STATUS_MAX];

	notify_hear(&k, NOTIFY_SAME, "one\nREADY=1");
	ck_assert_str_eq(hear(), "STATUS=one\n");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	notify_hear(&k, NOTIFY_SAME, text);
	ck_assert_uint_eq(strlen(hear()),
	    strlen("STATUS=") + NOTIFY_STATUS_MAX + strlen("\n"));
}
END_TEST

START_TEST(signs_of_life_are_given_where_they_are_wanted)
{
	char pid[16];

	notify_alive(&k);
	notify_flush(&k, now);
	ck_assert_str_eq(hear(), ""); /* nobody asked */
	close(k.notify.fd);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	notify_init(&k.notify, address, "30000000", pid);
	ck_assert_int_eq(k.notify.watchdog, 30000);
	notify_flush(&k, now);
	ck_assert_str_eq(hear(), ""); /* the supervisor has not answered */
	notify_alive(&k);
	notify_flush(&k, now);
	ck_assert_str_eq(hear(), "WATCHDOG=1\n");
}
END_TEST

START_TEST(a_watchdog_of_another_process_or_kind_is_none)
{
	static const char *const wrong[] = {
	    "", "-1", "soon", "1000000 ", "9999999999999999999", NULL};
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		close(k.notify.fd);
		notify_init(&k.notify, address, wrong[i], NULL);
		ck_assert_int_eq(k.notify.watchdog, 0);
	}
	close(k.notify.fd);
	notify_init(&k.notify, address, "30000000", "1");
	ck_assert_int_eq(k.notify.watchdog, 0);
}
END_TEST

START_TEST(without_a_socket_of_a_known_kind_nothing_is_said)
{
	static const char *const wrong[] = {NULL, "", "@", "/", "relative",
	    "vsock:2:1",
	    "/1234567890/1234567890/1234567890/1234567890/1234567890/"
	    "1234567890/1234567890/1234567890/1234567890/1234567890"};
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		close(k.notify.fd);
		notify_init(&k.notify, wrong[i], "30000000", NULL);
		ck_assert_int_eq(k.notify.fd, -1);
		ck_assert_int_eq(k.notify.watchdog, 0);
		notify_hear(&k, NOTIFY_READY, "up");
		notify_flush(&k, now);
		ck_assert_int_eq(notify_deadline(&k), 0);
	}
}
END_TEST

START_TEST(nobody_at_the_socket_is_no_error)
{
	close(systemd);
	notify_hear(&k, NOTIFY_READY, "up");
	ck_assert_uint_eq(k.notify.due, 0);
	ck_assert_int_eq(notify_deadline(&k), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("notify");
	TCase *t = tcase_create("notify");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, readiness_and_status_are_one_datagram);
	tcase_add_test(t, a_path_will_do_as_well);
	tcase_add_test(t, a_reload_is_told_with_its_time_and_before_its_end);
	tcase_add_test(t, a_full_socket_is_tried_again_and_never_waited_for);
	tcase_add_test(
	    t, a_stop_says_how_long_it_may_take_and_is_the_last_word);
	tcase_add_test(t, a_status_is_one_line_of_bounded_length);
	tcase_add_test(t, signs_of_life_are_given_where_they_are_wanted);
	tcase_add_test(t, a_watchdog_of_another_process_or_kind_is_none);
	tcase_add_test(t, without_a_socket_of_a_known_kind_nothing_is_said);
	tcase_add_test(t, nobody_at_the_socket_is_no_error);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
