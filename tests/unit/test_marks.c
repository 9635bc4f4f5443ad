/* Marks: in turn, each once, whatever is written over meanwhile, and on where a
 * former main has ended. */
#include <check.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"
#include "logger/marks.h"

static struct marks marks;
static struct marks_reading reading;
static struct cursor list[2], *const a = &list[0], *const b = &list[1];
static const struct cursors table = {.list = list, .n = 2};

static void
set_up(void)
{
	int fd = sys_memfd("marks");

	ck_assert_int_ne(fd, -1);
	list[0] = (struct cursor){.key = "a", .epoch = 1};
	list[1] = (struct cursor){.key = "b", .epoch = 2};
	marks_open(&marks, fd, &table);
	reading = (struct marks_reading){.fd = fd, .next = 1};
}

static void
tear_down(void)
{
	fd_close(&marks.fd);
}

static void
capture(struct cursor *c, uint64_t bytes)
{
	marks_add(&marks, c, bytes);
	c->pos += bytes;
}

/* The one that ended so far, NULL: it is not known, and the one that began. */
static void
expect(const struct cursor *ended, uint64_t to, const struct cursor *c,
    uint64_t from)
{
	struct mark m;

	ck_assert_int_eq(marks_next(&reading, &m), 1);
	ck_assert_uint_eq(reading.ended, ended == NULL ? 0 : ended->epoch);
	if (ended != NULL)
		ck_assert_uint_eq(m.to, to);
	ck_assert_uint_eq(reading.open, c->epoch);
	ck_assert_uint_eq(m.epoch, c->epoch);
	ck_assert_uint_eq(m.from, from);
}

static void
expect_none(void)
{
	struct mark m;

	ck_assert_int_eq(marks_next(&reading, &m), 0);
}

START_TEST(they_come_in_order)
{
	expect_none();
	capture(a, 10);
	capture(b, 20);
	capture(a, 1);
	expect(NULL, 0, a, 0);
	expect(a, 10, b, 0);
	expect(b, 20, a, 10);
	expect_none();
	capture(b, 1);
	expect(a, 11, b, 20);
	expect_none();
}
END_TEST

START_TEST(one_output_alone_needs_no_more)
{
	int i;

	for (i = 0; i < 3 * MARKS_MAX; i++)
		capture(a, 2);
	expect(NULL, 0, a, 0);
	expect_none();
	capture(b, 1);
	expect(a, 6 * MARKS_MAX, b, 0);
}
END_TEST

/* 2 * n marks. */
static void
fill(int n)
{
	int i;

	for (i = 0; i < n; i++) {
		capture(a, 1);
		capture(b, 1);
	}
}

START_TEST(the_oldest_are_written_over)
{
	uint64_t i;

	fill(MARKS_MAX / 2);
	fill(1);
	expect(NULL, 0, a, 1);
	expect(a, 2, b, 1);
	for (i = 2; i <= MARKS_MAX / 2; i++) {
		expect(b, i, a, i);
		expect(a, i + 1, b, i);
	}
	expect_none();
}
END_TEST

START_TEST(who_is_overtaken_goes_on_with_the_oldest)
{
	uint64_t oldest = 5 * (MARKS_MAX / 2) + 3;

	fill(3);
	expect(NULL, 0, a, 0);
	fill(3 * MARKS_MAX);
	expect(NULL, 0, a, oldest);
	expect(a, oldest + 1, b, oldest);
}
END_TEST

START_TEST(a_successor_goes_on)
{
	int fd = marks.fd;

	fill(MARKS_MAX);
	marks_open(&marks, fd, &table);
	capture(b, 7);
	capture(a, 1);
	reading.next = 2 * MARKS_MAX;
	expect(NULL, 0, b, MARKS_MAX - 1);
	expect(b, MARKS_MAX + 7, a, MARKS_MAX);
	expect_none();
}
END_TEST

/* Its entry may be another's by now. */
START_TEST(a_successor_does_without_an_output_that_is_gone)
{
	int fd = marks.fd;
	struct cursor gone = *b;

	capture(a, 1);
	capture(b, 5);
	*b = (struct cursor){.key = "c", .epoch = 3, .pos = 100};
	marks_open(&marks, fd, &table);
	capture(b, 1);
	expect(NULL, 0, a, 0);
	expect(a, 1, &gone, 0);
	expect(&gone, 0, b, 100);
	expect_none();
}
END_TEST

/* A file system that is full: the order is not known, and known again later. */
START_TEST(one_that_cannot_be_written_is_left_out)
{
	int fd = marks.fd, fds[2];

	capture(a, 1);
	ck_assert_int_eq(pipe(fds), 0);
	marks.fd = fds[0];
	capture(b, 1);
	capture(a, 1);
	marks.fd = fd;
	capture(b, 1);
	expect(NULL, 0, a, 0);
	expect(a, 2, b, 1);
	expect_none();
	fd_close(&fds[0]);
	fd_close(&fds[1]);
}
END_TEST

START_TEST(there_may_be_none)
{
	marks.fd = reading.fd = -1;
	capture(a, 1);
	expect_none();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("marks");
	TCase *t = tcase_create("marks");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, they_come_in_order);
	tcase_add_test(t, one_output_alone_needs_no_more);
	tcase_add_test(t, the_oldest_are_written_over);
	tcase_add_test(t, who_is_overtaken_goes_on_with_the_oldest);
	tcase_add_test(t, a_successor_goes_on);
	tcase_add_test(t, a_successor_does_without_an_output_that_is_gone);
	tcase_add_test(t, one_that_cannot_be_written_is_left_out);
	tcase_add_test(t, there_may_be_none);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
