/* A ring with a window: its pages are used again, what is not delivered is
 * never written over, and its position tells a successor all there is to know.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"
#include "logger/ring.h"
#include "logger/view.h"

#define PAGE 4096
#define WINDOW (RING_KEPT + (uint64_t)6 * PAGE)

static struct cursor c;
static int ring, fifo[2], scratch[2];
static uint64_t put; /* bytes written into the FIFO so far */

static void
set_up(void)
{
	c = (struct cursor){.window = WINDOW};
	ring = sys_memfd("ring");
	ck_assert_int_ne(ring, -1);
	ck_assert_int_eq(pipe2(fifo, O_NONBLOCK), 0);
	ck_assert_int_eq(pipe2(scratch, O_NONBLOCK), 0);
	put = 0;
}

static void
tear_down(void)
{
	fd_close(&ring);
	fd_close(&fifo[0]);
	fd_close(&fifo[1]);
	fd_close(&scratch[0]);
	fd_close(&scratch[1]);
}

/* No two places of a window hold the same by chance. */
static char
byte_at(uint64_t at)
{
	return (char)(at * 31 + at / 251);
}

static void
write_some(size_t len)
{
	char buf[PAGE];
	size_t i;

	ck_assert_uint_le(len, sizeof(buf));
	for (i = 0; i < len; i++)
		buf[i] = byte_at(put + i);
	ck_assert_int_eq(write(fifo[1], buf, len), (ssize_t)len);
	put += len;
}

static size_t
capture(void)
{
	ssize_t n = ring_capture(&c, fifo[0], ring);

	ck_assert_int_ge(n, 0);
	c.pos += (uint64_t)n;
	return (size_t)n;
}

static void
check_bytes(uint64_t from, uint64_t to)
{
	char buf[WINDOW], want[WINDOW];
	ssize_t n, i;

	for (; from < to; from += (uint64_t)n) {
		n = ring_read(ring, WINDOW, from, buf, to - from);
		ck_assert_int_gt(n, 0);
		for (i = 0; i < n; i++)
			want[i] = byte_at(from + (uint64_t)i);
		ck_assert_mem_eq(buf, want, n);
	}
}

static uint64_t
blocks(void)
{
	struct stat st;

	ck_assert_int_eq(fstat(ring, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

START_TEST(its_pages_are_used_again)
{
	int i;

	for (i = 0; i < 400; i++) {
		write_some(1000 + (size_t)i % 100 * 29);
		while (capture() > 0)
			;
		ck_assert_uint_eq(c.pos, put);
		check_bytes(c.low, c.pos);
		c.done = c.pos;
		ck_assert_uint_le(c.pos - c.low, WINDOW);
	}
	ck_assert_uint_gt(put, 5 * WINDOW);
	ck_assert_uint_le(blocks(), WINDOW);
}
END_TEST

/* Wherever its end is, also where that is before what is kept. */
START_TEST(at_rest_little_of_it_is_left)
{
	int i;

	for (i = 0; i < 20; i++) {
		write_some(PAGE - 100);
		write_some(PAGE);
		while (capture() > 0)
			;
		c.done = c.pos;
		ring_empty(&c, ring);
		ck_assert_uint_le(blocks(), RING_WORTH_AT_REST + 2 * PAGE);
		if (i > 1)
			ck_assert_uint_eq(c.pos - c.low, RING_WORTH_AT_REST);
		check_bytes(c.low, c.pos);
	}
}
END_TEST

START_TEST(what_is_not_delivered_is_never_written_over)
{
	int i;

	write_some(3 * PAGE / 2 / 4);
	capture();
	c.done = c.low = c.pos;
	/* At most half a window at once, up to its end, and then what is left
	 * of it. */
	while (c.pos - c.done < WINDOW) {
		for (i = 0; i < 14; i++)
			write_some(PAGE);
		ck_assert_uint_le(capture(), WINDOW / 2);
		while (capture() > 0)
			;
	}
	ck_assert_uint_eq(c.pos - c.done, WINDOW);
	check_bytes(c.done, c.pos);
	ck_assert_uint_eq(capture(), 0);
	c.done += 100;
	ck_assert_uint_eq(capture(), 0);
	c.low = c.done;
	ck_assert_uint_eq(capture(), 100);
	check_bytes(c.done, c.pos);
}
END_TEST

/* Wherever it is in the window, also at its very end. */
START_TEST(killed_before_a_step_was_noted)
{
	uint64_t i, before, after;

	for (i = 0; i < 200; i++) {
		write_some(PAGE / 4 + i % 3 * (PAGE / 4));
		before = c.pos;
		capture();
		after = c.pos;
		ck_assert_uint_gt(after, before);
		ck_assert_int_eq(ring_position(&c), (int64_t)after);
		c.pos = before;
		ck_assert_int_eq(ring_position(&c), (int64_t)after);
		c.pos = after;
		check_bytes(c.done, c.pos);
		c.done = c.pos;
	}
}
END_TEST

START_TEST(a_position_that_cannot_be_is_found_out)
{
	c.pos = c.done = 3 * WINDOW + 100;
	ck_assert_int_eq(ring_position(&c), -1);
	/* One that only ever grows, too. */
	c.window = 0;
	ck_assert_int_eq(ring_position(&c), -1);
}
END_TEST

START_TEST(lines_go_on_at_its_beginning)
{
	char text[64];
	int is_open;
	ssize_t n, m;

	c.pos = c.done = c.low = 2 * WINDOW - 6;
	c.off = (off_t)WINDOW - 6;
	ck_assert_int_eq(write(fifo[1], "one\ntwo\nthr", 11), 11);
	ck_assert_int_eq(
	    ring_capture_lines(&c, fifo[0], ring, scratch, 0, &is_open), 8);
	ck_assert(!is_open);
	c.pos += 8;
	ck_assert_int_eq(ring_position(&c), (int64_t)c.pos);
	n = ring_read(ring, WINDOW, c.done, text, sizeof(text));
	ck_assert_int_eq(n, 6);
	m = ring_read(ring, WINDOW, c.done + 6, text + n, 2);
	ck_assert_int_eq(m, 2);
	ck_assert_mem_eq(text, "one\ntwo\n", 8);
}
END_TEST

/* Who shows it has no room to be wrong about what was written over. */
START_TEST(what_is_delivered_is_not_read_from_it)
{
	struct view v = {.c = &c, .ring = ring, .path = "/nowhere/log"};
	char buf[PAGE];

	write_some(PAGE);
	capture();
	ck_assert_int_eq(view_read(&v, 0, buf, sizeof(buf)), PAGE);
	ck_assert_int_eq(buf[77], byte_at(77));
	c.low = c.done = 50;
	ck_assert_int_eq(view_read(&v, 49, buf, sizeof(buf)), -1);
	ck_assert_int_eq(view_read(&v, 50, buf, sizeof(buf)), PAGE - 50);
	ck_assert_int_eq(buf[27], byte_at(77));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ring");
	TCase *t = tcase_create("ring");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, its_pages_are_used_again);
	tcase_add_test(t, at_rest_little_of_it_is_left);
	tcase_add_test(t, what_is_not_delivered_is_never_written_over);
	tcase_add_test(t, killed_before_a_step_was_noted);
	tcase_add_test(t, a_position_that_cannot_be_is_found_out);
	tcase_add_test(t, lines_go_on_at_its_beginning);
	tcase_add_test(t, what_is_delivered_is_not_read_from_it);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
