/* From a FIFO into a ring, from the ring into a file: what is recorded where,
 * and what a successor makes of it. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"
#include "ipc/link.h"
#include "logger/ring.h"
#include "logger/rotate.h"
#include "logger/sink.h"
#include "fake_link.c"

static char dir[64], path[96];
static struct logger lg;
static struct ring source;
static struct cursor *c;
static int ring, held; /* what the keeper holds as the sink */
static struct err e;

/* --- the keeper ----------------------------------------------------------- */

void
link_hold(struct link *l, const char *name, int fd)
{
	(void)l;
	ck_assert_str_eq(name, "sink:file:1");
	fd_close(&held);
	held = dup(fd);
}

int
link_open(struct link *l, int sock, struct err *err)
{
	(void)l;
	(void)sock;
	(void)err;
	return -1;
}

int
link_take(struct link *l, const char *name)
{
	(void)l;
	(void)name;
	return -1;
}

void
link_hold_many(
    struct link *l, const char *const *names, const int *fds, size_t n)
{
	(void)l;
	(void)names;
	(void)fds;
	(void)n;
}

void
link_drop(struct link *l, const char *name)
{
	(void)l;
	(void)name;
}

/* --- help ----------------------------------------------------------------- */

static void
set_up(void)
{
	snprintf(dir, sizeof(dir), "/tmp/test_sink.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/log", dir);
	ck_assert_int_eq(cursors_open(&lg.cursors, -1, &e), 0);
	c = cursors_add(&lg.cursors, "file:1");
	ck_assert_ptr_nonnull(c);
	ring = sys_memfd("ring");
	held = -1;
}

static void
tear_down(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", dir);
	ck_assert_int_eq(system(command), 0);
	fd_close(&held);
	fd_close(&ring);
}

/* A writer's process begins: all it has is what is held and the table. */
static struct delivery
begin(uint64_t size)
{
	source = (struct ring){.c = c,
	    .fd = ring,
	    .path = path,
	    .kind = OUTPUT_FILE,
	    .size = size,
	    .keep = 3};
	return (struct delivery){
	    .lg = &lg, .r = &source, .c = c, .fd = held == -1 ? -1 : dup(held)};
}

static void
end(struct delivery *d)
{
	fd_close(&d->fd);
}

static void
capture(const char *text)
{
	ssize_t n = pwrite(ring, text, strlen(text), c->off);

	ck_assert_int_eq(n, (ssize_t)strlen(text));
	c->off += n;
	c->pos += (uint64_t)n;
}

static void
deliver(struct delivery *d)
{
	int i;

	for (i = 0; i < 100 && sink_step(d) == 1; i++)
		;
	ck_assert_uint_eq(c->done, c->pos);
}

static void
expect(const char *suffix, const char *text)
{
	char name[128], buf[4096];
	int fd;
	ssize_t n;

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	fd = open(name, O_RDONLY);
	ck_assert_msg(fd != -1, "%s", name);
	n = read(fd, buf, sizeof(buf) - 1);
	ck_assert_int_ge(n, 0);
	buf[n] = '\0';
	close(fd);
	ck_assert_str_eq(buf, text);
}

static void
put_file(const char *suffix, const char *text)
{
	char name[128];
	FILE *f;

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	f = fopen(name, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static int
is_there(const char *suffix)
{
	char name[128];

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	return access(name, F_OK) == 0;
}

/* --- rings ---------------------------------------------------------------- */

static uint64_t
blocks(void)
{
	struct stat st;

	ck_assert_int_eq(fstat(ring, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

START_TEST(a_ring_counts_and_gives_back_old_pages)
{
	static char text[100000];
	int fifo[2];
	ssize_t n;

	ck_assert_int_eq(pipe2(fifo, O_NONBLOCK), 0);
	ck_assert_int_eq(ring_capture(c, fifo[0], ring), 0);
	memset(text, 'x', sizeof(text));
	while (c->pos < 300000) {
		ck_assert_int_gt(write(fifo[1], text, 50000), 0);
		n = ring_capture(c, fifo[0], ring);
		ck_assert_int_gt(n, 0);
		c->pos += (uint64_t)n;
	}
	ck_assert_int_eq(c->off, (off_t)c->pos);
	/* Nothing is delivered: all stays. */
	ring_trim(c, ring, 0, 1);
	ck_assert_uint_eq(c->low, 0);
	ck_assert_uint_ge(blocks(), 300000);
	/* All is, and the last 100000 bytes are to be kept. */
	c->done = c->pos;
	ring_trim(c, ring, 100000, 1);
	ck_assert_uint_le(c->low, c->pos - 100000);
	ck_assert_uint_gt(c->low, c->pos - 100000 - 4096);
	ck_assert_uint_le(blocks(), 100000 + 2 * 4096);
	ck_assert_int_eq(ring_read(ring, 0, c->low, text, 10), 10);
	ck_assert_int_eq(text[0], 'x');
	/* Nor is less than is delivered ever given back. */
	c->done = c->low + 5000;
	ring_trim(c, ring, 0, 1);
	ck_assert_uint_le(c->low, c->done);
	close(fifo[0]);
	close(fifo[1]);
}
END_TEST

/* Opened for both, as those of workers are. */
static void
make_fifo(int fifo[2])
{
	char name[128];

	snprintf(name, sizeof(name), "%s/fifo", dir);
	ck_assert_int_eq(mkfifo(name, 0600), 0);
	fifo[0] = fifo[1] = open(name, O_RDWR | O_NONBLOCK);
	ck_assert_int_ne(fifo[0], -1);
}

START_TEST(lines_of_a_shared_ring_are_whole)
{
	int fifo[2], scratch[2], is_open;
	char text[64] = "";

	make_fifo(fifo);
	ck_assert_int_eq(pipe2(scratch, O_NONBLOCK), 0);
	ck_assert_int_eq(write(fifo[1], "one\ntwo\nthr", 11), 11);
	ck_assert_int_eq(
	    ring_capture_lines(c, fifo[0], ring, scratch, 0, &is_open), 8);
	c->pos = 8;
	ck_assert(!is_open);
	ck_assert_int_eq(
	    ring_capture_lines(c, fifo[0], ring, scratch, 0, &is_open), 0);
	ck_assert_int_eq(
	    ring_capture_lines(c, fifo[0], ring, scratch, 1, &is_open), 3);
	ck_assert(is_open);
	ck_assert_int_eq(ring_read(ring, 0, 0, text, sizeof(text)), 11);
	ck_assert_str_eq(text, "one\ntwo\nthr");
}
END_TEST

static int goes_on = -1; /* a worker that writes on while it is looked at */

/* In the place of glibc's. */
ssize_t
tee(int in, int out, size_t len, unsigned int flags)
{
	static char line[4096] = "e\n";
	ssize_t n = syscall(SYS_tee, in, out, len, flags);

	if (goes_on == -1)
		return n;
	memset(line + 2, 'x', sizeof(line) - 2);
	while (write(goes_on, line, sizeof(line)) > 0)
		;
	goes_on = -1;
	return n;
}

/* It is full a moment after there was only a piece of a line in it. */
START_TEST(a_line_whose_end_has_just_come_is_whole)
{
	int fifo[2], scratch[2], is_open;
	ssize_t n;
	char last;

	make_fifo(fifo);
	ck_assert_int_eq(pipe2(scratch, O_NONBLOCK), 0);
	ck_assert_int_eq(write(fifo[1], "on", 2), 2);
	goes_on = fifo[1];
	n = ring_capture_lines(c, fifo[0], ring, scratch, 0, &is_open);
	ck_assert_int_gt(n, 0);
	ck_assert_int_eq(ring_read(ring, 0, (uint64_t)n - 1, &last, 1), 1);
	ck_assert_int_eq(last, '\n');
	ck_assert(!is_open);
}
END_TEST

/* A line longer than the FIFO is not waited for. */
START_TEST(a_full_fifo_is_emptied_without_a_line)
{
	static char text[200000];
	int fifo[2], scratch[2], is_open;
	ssize_t wrote;

	make_fifo(fifo);
	ck_assert_int_eq(pipe2(scratch, O_NONBLOCK), 0);
	memset(text, 'x', sizeof(text));
	wrote = write(fifo[1], text, sizeof(text));
	ck_assert_int_gt(wrote, 0);
	ck_assert_int_eq(
	    ring_capture_lines(c, fifo[0], ring, scratch, 0, &is_open), wrote);
	ck_assert(is_open);
}
END_TEST

START_TEST(a_place_of_the_table_is_not_used_again_in_one_life)
{
	struct cursor *a = cursors_add(&lg.cursors, "out:a:0"), *b;
	struct cursors next;

	ck_assert_str_eq(a->key, "out:a:0");
	cursors_remove(&lg.cursors, a);
	b = cursors_add(&lg.cursors, "out:b:0");
	ck_assert_ptr_ne(a, b);
	ck_assert_uint_ne(b->epoch, 0);
	/* In the next one it is. */
	ck_assert_int_eq(cursors_open(&next, dup(lg.cursors.fd), &e), 0);
	a = cursors_add(&next, "out:c:0");
	ck_assert_int_eq(cursors_offset(&next, a),
	    cursors_offset(&lg.cursors, b) - (int64_t)sizeof(*a));
	ck_assert_str_eq(b->key, "out:b:0");
}
END_TEST

START_TEST(places_are_used_again_once_nobody_looks)
{
	struct cursor *kept = cursors_add(&lg.cursors, "out:kept:0");
	size_t n = lg.cursors.n;
	int i;

	for (i = 0; i < CURSORS_MAX + 1; i++) {
		c = cursors_add(&lg.cursors, "out:a:0");
		ck_assert_ptr_nonnull(c);
		cursors_remove(&lg.cursors, c);
		if (lg.cursors.removed == n / 2)
			cursors_reclaim(&lg.cursors);
	}
	ck_assert_uint_eq(lg.cursors.n, n);
	ck_assert_str_eq(kept->key, "out:kept:0");
}
END_TEST

START_TEST(a_table_of_another_kind_is_refused)
{
	int other = sys_memfd("x");
	struct cursors next;

	ck_assert_int_eq(write(other, "x", 1), 1);
	lg.cursors.head->version++;
	ck_assert_int_eq(cursors_open(&next, dup(lg.cursors.fd), &e), -1);
	ck_assert_str_eq(e.text, "the cursors are of another version");
	ck_assert_int_eq(cursors_open(&next, other, &e), -1);
}
END_TEST

/* --- files ---------------------------------------------------------------- */

START_TEST(a_file_is_gone_on_with_at_its_end)
{
	struct delivery d;

	put_file("", "before\n");
	d = begin(0);
	capture("one\n");
	deliver(&d);
	expect("", "before\none\n");
	ck_assert_int_eq(c->base, -7);
	end(&d);
	/* Another process, with what is held. */
	capture("two\n");
	d = begin(0);
	deliver(&d);
	expect("", "before\none\ntwo\n");
	end(&d);
}
END_TEST

/* The position says what is written, whatever was noted of it. */
START_TEST(killed_between_write_and_note)
{
	struct delivery d = begin(0);

	capture("one\ntwo\n");
	deliver(&d);
	c->done = 4;
	end(&d);
	d = begin(0);
	capture("three\n");
	deliver(&d);
	expect("", "one\ntwo\nthree\n");
	end(&d);
}
END_TEST

/* While the position is being moved, or the file exchanged, `moving` counts. */
START_TEST(killed_while_the_file_is_exchanged)
{
	struct delivery d = begin(0);

	capture("one\n");
	deliver(&d);
	end(&d);
	/* The old file moved away, the new one not yet open. */
	c->moving = 4 + 1;
	c->done = 0;
	capture("two\n");
	d = begin(0);
	deliver(&d);
	expect("", "one\ntwo\n");
	end(&d);
	/* The position moved, the base not yet noted. */
	c->moving = 8 + 1;
	c->base = 12345;
	c->done = 3;
	ck_assert_int_eq(lseek(held, 100, SEEK_SET), 100);
	capture("three\n");
	d = begin(0);
	deliver(&d);
	expect("", "one\ntwo\nthree\n");
	end(&d);
}
END_TEST

START_TEST(a_file_that_was_cut_goes_on_at_its_new_end)
{
	struct delivery d = begin(0);

	capture("one\ntwo\n");
	deliver(&d);
	ck_assert_int_eq(truncate(path, 4), 0);
	capture("three\n");
	deliver(&d);
	expect("", "one\nthree\n");
	ck_assert_int_eq(c->base, 4);
	ck_assert_int_eq(truncate(path, 0), 0);
	end(&d);
	d = begin(0);
	capture("four\n");
	deliver(&d);
	expect("", "four\n");
	/* And one that somebody else has added to. */
	put_file("", "four\nalien\n");
	capture("five\n");
	deliver(&d);
	expect("", "four\nalien\nfive\n");
	end(&d);
}
END_TEST

/* Before the next write to it, somebody else ... */
static const char *put_before; /* ... makes this of the file */

/* In the place of glibc's. */
ssize_t
write(int fd, const void *data, size_t len)
{
	const char *text = put_before;

	put_before = NULL;
	if (text != NULL)
		put_file("", text);
	return syscall(SYS_write, fd, data, len);
}

/* After it was looked at: no hole, and nothing of anybody is written over. */
START_TEST(a_file_that_is_cut_just_before_a_write_has_no_hole)
{
	struct delivery d = begin(0);

	capture("one\ntwo\n");
	deliver(&d);
	put_before = "";
	capture("three\n");
	deliver(&d);
	expect("", "three\n");
	capture("four\n");
	deliver(&d);
	expect("", "three\nfour\n");
	ck_assert_int_eq(c->base, 8);
	put_before = "one\n";
	capture("five\n");
	deliver(&d);
	put_before = "one\nand more, of somebody else\n";
	capture("six\n");
	deliver(&d);
	capture("seven\n");
	deliver(&d);
	expect("", "one\nand more, of somebody else\nsix\nseven\n");
	end(&d);
}
END_TEST

/* And killed just after it: what was written is found in what is there. */
START_TEST(killed_between_write_and_note_of_a_file_that_was_cut)
{
	static const char *const first[] = {"one\n", "one\ntwo\nthree\n"};
	struct delivery d;
	uint64_t done;
	size_t i;

	for (i = 0; i < 2; i++) {
		d = begin(0);
		capture(first[i]);
		deliver(&d);
		/* Longer than what was there before, and shorter. */
		done = c->done;
		put_before = "";
		capture("and 4 it is\n");
		ck_assert_int_eq(sink_step(&d), 1);
		c->base = 0;
		c->done = done;
		end(&d);
		d = begin(0);
		capture("five\n");
		deliver(&d);
		expect("", "and 4 it is\nfive\n");
		end(&d);
		tear_down();
		set_up();
	}
}
END_TEST

/* By an editor that was told to, while nobody wrote. */
START_TEST(a_file_that_was_cut_between_two_writers)
{
	struct delivery d = begin(0);

	capture("one\ntwo\n");
	deliver(&d);
	end(&d);
	put_file("", "");
	fd_close(&held);
	d = begin(0);
	capture("three\n");
	deliver(&d);
	expect("", "three\n");
	/* Or written to, by as much as there is to write. */
	end(&d);
	put_file("", "three\nalien\n");
	fd_close(&held);
	capture("four4\n");
	d = begin(0);
	deliver(&d);
	expect("", "three\nalien\nfour4\n");
	end(&d);
}
END_TEST

START_TEST(rotated_once_full_at_the_end_of_a_line)
{
	struct delivery d = begin(10);

	capture("12345\n");
	deliver(&d);
	capture("1234");
	deliver(&d);
	ck_assert(!is_there(".1"));
	/* Full, in the middle of a line. */
	capture("5678\nnext\n");
	deliver(&d);
	expect(".1", "12345\n12345678\n");
	expect("", "next\n");
	ck_assert_int_eq(c->base, 15);
	ck_assert_uint_eq(c->moving, 0);
	end(&d);
}
END_TEST

/* The next one knows by the file's last byte whether a line has ended. */
START_TEST(a_full_file_in_mid_line_is_not_rotated_by_a_successor)
{
	struct delivery d = begin(4);

	capture("1234567");
	deliver(&d);
	end(&d);
	d = begin(4);
	capture("8\nnext\n");
	deliver(&d);
	expect(".1", "12345678\n");
	expect("", "next\n");
	end(&d);
}
END_TEST

/* Killed after PATH became PATH.1, before the new file was held. */
START_TEST(a_rotation_that_was_cut_short_is_ended)
{
	struct delivery d = begin(4);
	char old[128];

	capture("one1\n");
	deliver(&d);
	end(&d);
	snprintf(old, sizeof(old), "%s.1", path);
	ck_assert_int_eq(rename(path, old), 0);
	c->moving = 5 + 1;
	capture("two\n");
	d = begin(4);
	deliver(&d);
	expect(".1", "one1\n");
	expect("", "two\n");
	ck_assert(!is_there(".2"));
	end(&d);
	/* The new file is there already, but not held. */
	fd_close(&held);
	held = open(old, O_RDWR);
	lseek(held, 0, SEEK_END);
	c->moving = 9 + 1;
	capture("three\n");
	d = begin(4);
	deliver(&d);
	expect(".1", "one1\n");
	expect("", "two\nthree\n");
	end(&d);
}
END_TEST

START_TEST(the_new_file_is_whose_the_old_one_was)
{
	struct delivery d;
	struct stat st;

	put_file("", "old1\n");
	ck_assert_int_eq(chmod(path, 0600), 0);
	d = begin(4);
	capture("new\n");
	deliver(&d);
	expect(".1", "old1\n");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
	end(&d);
}
END_TEST

START_TEST(a_log_that_cannot_be_rotated_grows_on)
{
	struct delivery d = begin(4);
	char name[128];

	capture("one1\n");
	deliver(&d);
	/* A directory that is not empty cannot be renamed onto. */
	snprintf(name, sizeof(name), "%s.3", path);
	put_file(".1", "");
	put_file(".2", "");
	ck_assert_int_eq(mkdir(name, 0700), 0);
	snprintf(name, sizeof(name), "%s.3/x", path);
	ck_assert_int_eq(mkdir(name, 0700), 0);
	capture("two\n");
	deliver(&d);
	expect("", "one1\ntwo\n");
	ck_assert_uint_eq(c->trouble >> 32, TROUBLE_ROTATE);
	end(&d);
}
END_TEST

START_TEST(a_link_of_somebody_else_is_not_followed)
{
	struct delivery d;
	char target[128];

	if (geteuid() != 0)
		return;
	snprintf(target, sizeof(target), "%s/target", dir);
	ck_assert_int_eq(symlink(target, path), 0);
	ck_assert_int_eq(lchown(path, 65534, 65534), 0);
	d = begin(0);
	capture("one\n");
	ck_assert_int_eq(sink_step(&d), -1);
	ck_assert_uint_eq(c->trouble >> 32, TROUBLE_OPEN);
	ck_assert_uint_eq(c->trouble & 0xffff, ELOOP);
	ck_assert_int_ne(access(target, F_OK), 0);
	/* One's own is. */
	ck_assert_int_eq(lchown(path, 0, 0), 0);
	deliver(&d);
	ck_assert_int_eq(access(target, F_OK), 0);
	ck_assert_uint_eq(c->trouble, 0);
	end(&d);
}
END_TEST

START_TEST(a_file_opened_again_by_its_name)
{
	struct delivery d = begin(0);
	char moved[128];

	capture("one\n");
	deliver(&d);
	snprintf(moved, sizeof(moved), "%s.moved", path);
	ck_assert_int_eq(rename(path, moved), 0);
	capture("two\n");
	deliver(&d);
	expect(".moved", "one\ntwo\n");
	lg.cursors.head->reopen++;
	capture("three\n");
	deliver(&d);
	expect(".moved", "one\ntwo\n");
	expect("", "three\n");
	ck_assert_int_eq(c->base, 8);
	end(&d);
}
END_TEST

/* --- older files ---------------------------------------------------------- */

START_TEST(a_shift_goes_up_to_the_first_gap)
{
	put_file("", "0");
	put_file(".1", "1");
	put_file(".3", "3");
	ck_assert_int_eq(rotate_shift(path, 5), 0);
	ck_assert(!is_there(""));
	expect(".1", "0");
	expect(".2", "1");
	expect(".3", "3");
	ck_assert(!is_there(".4"));
}
END_TEST

/* Wherever it is cut off, another call ends it, and no file is lost. */
START_TEST(a_shift_that_was_cut_off_is_ended)
{
	put_file("", "0");
	put_file(".1", "1");
	put_file(".3", "2");
	ck_assert_int_eq(rotate_shift(path, 3), 0);
	expect(".1", "0");
	expect(".2", "1");
	expect(".3", "2");
}
END_TEST

START_TEST(only_so_many_are_kept)
{
	put_file("", "0");
	put_file(".1", "1");
	put_file(".2", "2");
	put_file(".3", "3");
	put_file(".4", "4");
	ck_assert_int_eq(rotate_shift(path, 2), 0);
	expect(".1", "0");
	expect(".2", "1");
	ck_assert(!is_there(".3"));
	ck_assert(!is_there(".4"));
	put_file("", "0");
	ck_assert_int_eq(rotate_shift(path, 0), 0);
	ck_assert(!is_there(""));
	expect(".1", "0");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sink");
	TCase *t = tcase_create("sink");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, a_ring_counts_and_gives_back_old_pages);
	tcase_add_test(t, lines_of_a_shared_ring_are_whole);
	tcase_add_test(t, a_full_fifo_is_emptied_without_a_line);
	tcase_add_test(t, a_line_whose_end_has_just_come_is_whole);
	tcase_add_test(t, a_place_of_the_table_is_not_used_again_in_one_life);
	tcase_add_test(t, places_are_used_again_once_nobody_looks);
	tcase_add_test(t, a_table_of_another_kind_is_refused);
	tcase_add_test(t, a_file_is_gone_on_with_at_its_end);
	tcase_add_test(t, killed_between_write_and_note);
	tcase_add_test(t, killed_while_the_file_is_exchanged);
	tcase_add_test(t, a_file_that_was_cut_goes_on_at_its_new_end);
	tcase_add_test(t, a_file_that_is_cut_just_before_a_write_has_no_hole);
	tcase_add_test(t, killed_between_write_and_note_of_a_file_that_was_cut);
	tcase_add_test(t, a_file_that_was_cut_between_two_writers);
	tcase_add_test(t, rotated_once_full_at_the_end_of_a_line);
	tcase_add_test(
	    t, a_full_file_in_mid_line_is_not_rotated_by_a_successor);
	tcase_add_test(t, a_rotation_that_was_cut_short_is_ended);
	tcase_add_test(t, the_new_file_is_whose_the_old_one_was);
	tcase_add_test(t, a_log_that_cannot_be_rotated_grows_on);
	tcase_add_test(t, a_link_of_somebody_else_is_not_followed);
	tcase_add_test(t, a_file_opened_again_by_its_name);
	tcase_add_test(t, a_shift_goes_up_to_the_first_gap);
	tcase_add_test(t, a_shift_that_was_cut_off_is_ended);
	tcase_add_test(t, only_so_many_are_kept);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
