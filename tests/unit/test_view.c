/* What readers see of a log while its files are exchanged under their eyes. */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/sys.h"
#include "logger/view.h"

static char dir[64], path[96], older[104];
static struct cursor cursor;
static struct view v;

static void
write_file(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	struct stat st;

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	ck_assert_int_eq(fstat(fd, &st), 0);
	cursor.ino = st.st_ino;
	close(fd);
}

/* A ring that has given back all that is delivered, and a file with it. */
static void
setup(void)
{
	strcpy(dir, "/tmp/svd-view-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/log", dir);
	snprintf(older, sizeof(older), "%s.1", path);
	memset(&cursor, 0, sizeof(cursor));
	strcpy(cursor.key, "file:1");
	write_file(path, "one\ntwo\n");
	cursor.pos = cursor.done = cursor.low = 8;
	v = (struct view){
	    .c = &cursor, .ring = sys_memfd("ring"), .path = path};
}

static void
teardown(void)
{
	unlink(path);
	unlink(older);
	rmdir(dir);
	close(v.ring);
}

static void
nap(long ms)
{
	const struct timespec t = {.tv_nsec = ms * 1000000};

	nanosleep(&t, NULL);
}

static void
expect(int64_t at, const char *text)
{
	char buf[64];
	ssize_t n = view_read(&v, at, buf, sizeof(buf));

	ck_assert_int_eq(n, (ssize_t)strlen(text));
	ck_assert_mem_eq(buf, text, strlen(text));
}

/* As writers do it (sink.c), each step by step. */
static void *
rotate_slowly(void *arg)
{
	(void)arg;
	nap(20);
	ck_assert_int_eq(rename(path, older), 0);
	nap(20);
	write_file(path, "");
	nap(20);
	cursor.base = 8;
	cursor.moving = 0;
	return NULL;
}

START_TEST(what_is_rotated_meanwhile_is_waited_for)
{
	pthread_t thread;

	cursor.moving = 9;
	ck_assert_int_eq(pthread_create(&thread, NULL, rotate_slowly, NULL), 0);
	expect(4, "two\n");
	pthread_join(thread, NULL);
	expect(0, "one\ntwo\n");
	ck_assert_int_eq(view_first_line(&v), 0);
	ck_assert_int_eq(view_last_lines(&v, 1), 4);
	ck_assert_int_eq(view_last_lines(&v, 5), 0);
}
END_TEST

START_TEST(what_takes_too_long_is_no_gap)
{
	char buf[8];
	int64_t begun = sys_now_ms();

	cursor.moving = 9;
	ck_assert_int_eq(view_read(&v, 0, buf, sizeof(buf)), VIEW_BUSY);
	ck_assert_int_ge(sys_now_ms() - begun, VIEW_WAIT_MS);
}
END_TEST

START_TEST(what_is_gone_is_told_at_once)
{
	char buf[8];
	int64_t begun = sys_now_ms();

	/* Rotated, and none of the older ones are kept. */
	write_file(path, "three\n");
	cursor.base = 8;
	cursor.pos = cursor.done = cursor.low = 14;
	ck_assert_int_eq(view_read(&v, 4, buf, sizeof(buf)), -1);
	ck_assert_int_eq(view_first_line(&v), 8);
	expect(8, "three\n");
	/* Somebody has taken it away. */
	unlink(path);
	ck_assert_int_eq(view_read(&v, 8, buf, sizeof(buf)), -1);
	ck_assert_int_lt(sys_now_ms() - begun, VIEW_WAIT_MS);
}
END_TEST

START_TEST(a_line_that_is_half_on_disk_is_read_as_one)
{
	char buf[64];

	/* The file has "two" already, the ring what follows. */
	ck_assert_int_eq(pwrite(v.ring, "hree\nfour\n", 10, 9), 10);
	write_file(path, "one\ntwo\nt");
	cursor.done = cursor.low = 9;
	cursor.pos = 19;
	ck_assert_int_eq(view_read_all(&v, 8, buf, sizeof(buf)), 11);
	ck_assert_mem_eq(buf, "three\nfour\n", 11);
	ck_assert_int_eq(view_read_all(&v, 8, buf, 3), 3);
	ck_assert_int_eq(view_read_all(&v, 19, buf, 3), 0);
	ck_assert_int_eq(view_last_lines(&v, 2), 8);
}
END_TEST

START_TEST(a_ring_begins_with_a_whole_line)
{
	const char text[] = "one\ntwo\nthree\n";

	v.path = NULL;
	ck_assert_int_eq(
	    pwrite(v.ring, text, sizeof(text) - 1, 0), sizeof(text) - 1);
	cursor.pos = cursor.done = sizeof(text) - 1;
	cursor.low = 1;
	v.tail = 1000;
	ck_assert_int_eq(view_first_line(&v), 4);
	ck_assert_int_eq(view_last_lines(&v, 1), 8);
	ck_assert_int_eq(view_last_lines(&v, 10), 4);
	ck_assert_int_eq(view_last_lines(&v, 0), 14);
	/* No line ends in what is left. */
	cursor.low = 14;
	ck_assert_int_eq(view_first_line(&v), 14);
	v.tail = 3;
	cursor.low = 1;
	ck_assert_int_eq(view_first_line(&v), 14);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("view");
	TCase *t = tcase_create("view");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, what_is_rotated_meanwhile_is_waited_for);
	tcase_add_test(t, what_takes_too_long_is_no_gap);
	tcase_add_test(t, what_is_gone_is_told_at_once);
	tcase_add_test(t, a_line_that_is_half_on_disk_is_read_as_one);
	tcase_add_test(t, a_ring_begins_with_a_whole_line);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
