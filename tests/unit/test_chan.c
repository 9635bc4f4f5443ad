/* Messages with descriptors between svd's processes. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/chan.h"

static int pair[2];
static int open_before;

static int
count_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static void
set_up(void)
{
	open_before = count_open();
	ck_assert_int_eq(chan_pair(pair), 0);
}

static void
tear_down(void)
{
	close(pair[0]);
	close(pair[1]);
	ck_assert_int_eq(count_open(), open_before);
}

static int
same_file(int a, int b)
{
	struct stat x, y;

	ck_assert_int_eq(fstat(a, &x), 0);
	ck_assert_int_eq(fstat(b, &y), 0);
	return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

START_TEST(messages_stay_apart)
{
	char got[8];

	ck_assert_int_eq(chan_send(pair[0], "abc", 3, NULL, 0, 0), 0);
	ck_assert_int_eq(chan_send(pair[0], "d", 1, NULL, 0, 0), 0);
	ck_assert_int_eq(chan_recv(pair[1], got, 8, NULL, NULL, 0), 3);
	ck_assert_mem_eq(got, "abc", 3);
	ck_assert_int_eq(chan_recv(pair[1], got, 8, NULL, NULL, 0), 1);
}
END_TEST

START_TEST(both_ends_are_closed_on_exec)
{
	ck_assert_int_eq(fcntl(pair[0], F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fcntl(pair[1], F_GETFD), FD_CLOEXEC);
}
END_TEST

START_TEST(descriptors_arrive_in_order_and_closed_on_exec)
{
	int sent[2], got[CHAN_FDS_MAX];
	size_t n = 99;
	char c;

	ck_assert_int_eq(pipe(sent), 0);
	ck_assert_int_eq(chan_send(pair[0], "x", 1, sent, 2, 0), 0);
	ck_assert_int_eq(chan_recv(pair[1], &c, 1, got, &n, 0), 1);
	ck_assert_uint_eq(n, 2);
	ck_assert(same_file(got[0], sent[0]) && same_file(got[1], sent[1]));
	ck_assert_int_eq(write(got[1], "y", 1), 1);
	ck_assert_int_eq(read(got[0], &c, 1), 1);
	ck_assert_int_eq(fcntl(got[0], F_GETFD), FD_CLOEXEC);
	close(got[0]);
	close(got[1]);
	close(sent[0]);
	close(sent[1]);
}
END_TEST

START_TEST(as_many_descriptors_as_allowed_arrive)
{
	int sent[CHAN_FDS_MAX], got[CHAN_FDS_MAX];
	size_t n, i;
	char c;

	for (i = 0; i < CHAN_FDS_MAX; i++)
		sent[i] = pair[i % 2];
	ck_assert_int_eq(chan_send(pair[0], "x", 1, sent, CHAN_FDS_MAX, 0), 0);
	ck_assert_int_eq(chan_recv(pair[1], &c, 1, got, &n, 0), 1);
	ck_assert_uint_eq(n, CHAN_FDS_MAX);
	for (i = 0; i < n; i++)
		close(got[i]);
}
END_TEST

START_TEST(a_message_without_descriptors_says_so)
{
	int got[CHAN_FDS_MAX];
	size_t n = 99;
	char c;

	ck_assert_int_eq(chan_send(pair[0], "x", 1, NULL, 0, 0), 0);
	ck_assert_int_eq(chan_recv(pair[1], &c, 1, got, &n, 0), 1);
	ck_assert_uint_eq(n, 0);
}
END_TEST

/* tear_down() counts. */
START_TEST(descriptors_that_nobody_wants_are_closed)
{
	char c;

	ck_assert_int_eq(chan_send(pair[0], "x", 1, pair, 2, 0), 0);
	ck_assert_int_eq(chan_recv(pair[1], &c, 1, NULL, NULL, 0), 1);
}
END_TEST

START_TEST(a_message_that_is_too_long_is_refused_with_its_descriptors)
{
	int got[CHAN_FDS_MAX];
	size_t n = 99;
	char c[3];

	ck_assert_int_eq(chan_send(pair[0], "abcd", 4, pair, 2, 0), 0);
	errno = 0;
	ck_assert_int_eq(chan_recv(pair[1], c, 3, got, &n, 0), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(chan_send(pair[0], "e", 1, NULL, 0, 0), 0);
	ck_assert_int_eq(chan_recv(pair[1], c, 3, got, &n, 0), 1);
	ck_assert_int_eq(c[0], 'e');
}
END_TEST

START_TEST(descriptors_that_find_no_room_are_an_error)
{
	struct rlimit before, few;
	int got[CHAN_FDS_MAX], free_fd = dup(0);
	size_t n = 99;
	ssize_t len;
	char c;

	ck_assert_int_eq(chan_send(pair[0], "x", 1, pair, 2, 0), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	/* Room for one of the two. */
	few = before;
	few.rlim_cur = (rlim_t)free_fd + 1;
	close(free_fd);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	errno = 0;
	len = chan_recv(pair[1], &c, 1, got, &n, 0);
	setrlimit(RLIMIT_NOFILE, &before);
	ck_assert_int_eq(len, -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	ck_assert_uint_eq(n, 0);
}
END_TEST

START_TEST(the_end_is_zero)
{
	int got[CHAN_FDS_MAX];
	size_t n = 99;
	char c;

	ck_assert_int_eq(chan_send(pair[0], "x", 1, NULL, 0, 0), 0);
	ck_assert_int_eq(shutdown(pair[0], SHUT_WR), 0);
	ck_assert_int_eq(chan_recv(pair[1], &c, 1, got, &n, 0), 1);
	ck_assert_int_eq(chan_recv(pair[1], &c, 1, got, &n, 0), 0);
	ck_assert_uint_eq(n, 0);
}
END_TEST

START_TEST(nothing_yet_is_eagain)
{
	char c;

	errno = 0;
	ck_assert_int_eq(
	    chan_recv(pair[1], &c, 1, NULL, NULL, MSG_DONTWAIT), -1);
	ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

START_TEST(a_full_socket_is_eagain)
{
	int sent = 0;
	char c;

	while (chan_send(pair[0], "x", 1, NULL, 0, MSG_DONTWAIT) == 0)
		sent++;
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_gt(sent, 0);
	ck_assert_int_eq(chan_recv(pair[1], &c, 1, NULL, NULL, 0), 1);
	while (--sent > 0)
		ck_assert_int_eq(chan_recv(pair[1], &c, 1, NULL, NULL, 0), 1);
	ck_assert_int_eq(chan_send(pair[0], "x", 1, NULL, 0, MSG_DONTWAIT), 0);
}
END_TEST

/* Check's own process would die of the signal. */
START_TEST(a_peer_that_is_gone_raises_no_signal)
{
	int lone[2];

	ck_assert_int_eq(chan_pair(lone), 0);
	close(lone[1]);
	errno = 0;
	ck_assert_int_eq(chan_send(lone[0], "x", 1, pair, 2, 0), -1);
	ck_assert_int_eq(errno, EPIPE);
	close(lone[0]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("chan");
	TCase *t = tcase_create("chan");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, messages_stay_apart);
	tcase_add_test(t, both_ends_are_closed_on_exec);
	tcase_add_test(t, descriptors_arrive_in_order_and_closed_on_exec);
	tcase_add_test(t, as_many_descriptors_as_allowed_arrive);
	tcase_add_test(t, a_message_without_descriptors_says_so);
	tcase_add_test(t, descriptors_that_nobody_wants_are_closed);
	tcase_add_test(
	    t, a_message_that_is_too_long_is_refused_with_its_descriptors);
	/* It keeps limits of its own. */
	if (getenv("SVD_VALGRIND") == NULL)
		tcase_add_test(t, descriptors_that_find_no_room_are_an_error);
	tcase_add_test(t, the_end_is_zero);
	tcase_add_test(t, nothing_yet_is_eagain);
	tcase_add_test(t, a_full_socket_is_eagain);
	tcase_add_test(t, a_peer_that_is_gone_raises_no_signal);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
