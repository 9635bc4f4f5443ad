/* What the supervisor tells the keeper, and what waits until it is sent. */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "ipc/chan.h"
#include "ipc/link.h"

static struct link l;
static int keeper;

static void
connect_link(void)
{
	int pair[2];

	ck_assert_int_eq(chan_pair(pair), 0);
	l.sock = pair[0];
	keeper = pair[1];
}

static void
set_up(void)
{
	l = (struct link){.sock = -1};
	connect_link();
}

static void
tear_down(void)
{
	link_close(&l);
	fd_close(&keeper);
}

/* "born 1 2", "drop a", "ack 3": the next packet; "": none. */
static const char *
heard(void)
{
	static unsigned char packet[KEEPER_PACKET_MAX];
	static char text[200];
	struct keeper_msg m;
	size_t i, len;
	ssize_t n;

	n = chan_recv(keeper, packet, sizeof(packet), NULL, NULL, MSG_DONTWAIT);
	if (n <= 0)
		return "";
	ck_assert_int_eq(keeper_msg_decode(packet, (size_t)n, &m), 0);
	if (m.type == KM_DROP) {
		snprintf(text, sizeof(text), "drop %s", m.text);
		return text;
	}
	len = (size_t)snprintf(
	    text, sizeof(text), "%s", m.type == KM_BORN ? "born" : "ack");
	for (i = 0; i < m.npids; i++)
		len += (size_t)snprintf(
		    text + len, sizeof(text) - len, " %d", m.pids[i]);
	return text;
}

static void
say_all(void)
{
	link_ack(&l, 3);
	link_drop_later(&l, "a");
	link_born(&l, 1);
	link_ack(&l, 4);
	link_drop_later(&l, "b");
	link_born(&l, 2);
}

static void
hear_all(void)
{
	ck_assert_str_eq(heard(), "born 1 2");
	ck_assert_str_eq(heard(), "drop a");
	ck_assert_str_eq(heard(), "drop b");
	ck_assert_str_eq(heard(), "ack 3 4");
	ck_assert_str_eq(heard(), "");
}

/* Whoever is killed in between must be told again of what is not done. */
START_TEST(births_come_first_and_exits_last)
{
	say_all();
	ck_assert_str_eq(heard(), "");
	ck_assert_int_eq(link_flush(&l), 0);
	hear_all();
	ck_assert_int_eq(link_flush(&l), 0);
	ck_assert_str_eq(heard(), "");
}
END_TEST

START_TEST(what_waits_goes_before_any_other_message)
{
	say_all();
	link_drop(&l, "now");
	ck_assert_str_eq(heard(), "born 1 2");
	ck_assert_str_eq(heard(), "drop a");
	ck_assert_str_eq(heard(), "drop b");
	ck_assert_str_eq(heard(), "ack 3 4");
	ck_assert_str_eq(heard(), "drop now");
}
END_TEST

START_TEST(what_cannot_be_sent_is_sent_the_next_time)
{
	say_all();
	fd_close(&keeper);
	ck_assert_int_eq(link_flush(&l), -1);
	fd_close(&l.sock);
	connect_link();
	ck_assert_int_eq(link_flush(&l), 0);
	hear_all();
}
END_TEST

START_TEST(more_than_there_is_room_for_goes_at_once)
{
	char name[KEEPER_NAME_MAX + 1], want[KEEPER_NAME_MAX + 6];
	int i, n = LINK_DROPS_BYTES / 20;

	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "line:%060d", i);
		link_drop_later(&l, name);
		/* The keeper keeps up. */
		if (i == n / 2)
			ck_assert_str_ne(heard(), "");
	}
	ck_assert_int_eq(link_flush(&l), 0);
	snprintf(want, sizeof(want), "drop %s", name);
	for (i = 1; i < n - 1; i++)
		ck_assert_str_ne(heard(), "");
	ck_assert_str_eq(heard(), want);
	ck_assert_str_eq(heard(), "");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("link");
	TCase *t = tcase_create("link");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, births_come_first_and_exits_last);
	tcase_add_test(t, what_waits_goes_before_any_other_message);
	tcase_add_test(t, what_cannot_be_sent_is_sent_the_next_time);
	tcase_add_test(t, more_than_there_is_room_for_goes_at_once);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
