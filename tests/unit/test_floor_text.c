/*
 * floor_text: what floors and workers write, sense and nonsense.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/sys.h"
#include "ipc/le.h"
#include "ipc/proto_floor.h"
#include "supervisor/floor_text.h"

static struct floor_load load;
static struct floor_lates lates;
static char *data;

/* text is a literal with NULs; without the last one of C's. */
#define LOAD(text) floor_text_load(text, sizeof(text) - 1, &load)

START_TEST(test_load)
{
	LOAD("version=1\0ms=12\0threads=3\0way=double\0modules=2\0"
	     "module=a\0module=b\0module=c\0");
	ck_assert_int_eq(load.ms, 12);
	ck_assert_int_eq(load.threads, 3);
	ck_assert_int_eq(load.modules, 2);
	ck_assert_str_eq(load.way, "double");
	LOAD("module=a\0module=b\0");
	ck_assert_int_eq(load.modules, 2);
	ck_assert_int_eq(load.ms, -1);
	ck_assert_int_eq(load.threads, -1);
	ck_assert_ptr_null(load.way);
}
END_TEST

START_TEST(test_load_that_is_nonsense)
{
	LOAD("ms=-3\0threads=1e3\0way=rocket\0modules= 7\0");
	ck_assert_int_eq(load.ms, -1);
	ck_assert_int_eq(load.threads, -1);
	ck_assert_int_eq(load.modules, -1);
	ck_assert_ptr_null(load.way);
	LOAD("ms=99999999999999999999999\0threads=9999999999999\0ms");
	ck_assert_int_eq(load.ms, -1);
	ck_assert_int_eq(load.threads, -1);
	/* Not ended; nothing at all; only ends. */
	LOAD("ms=3");
	ck_assert_int_eq(load.ms, -1);
	floor_text_load(NULL, 0, &load);
	ck_assert_int_eq(load.ms, -1);
	LOAD("\0\0\0\0ms=\0=\0ms=5\0");
	ck_assert_int_eq(load.ms, -1);
	ck_assert_int_eq(load.modules, -1);
}
END_TEST

/* A memory `late` of so many bytes with text in it, and that number in front.
 */
static void
late(uint64_t used, const char *text, size_t len, size_t size)
{
	free(data);
	data = malloc(8 + size);
	memset(data, 0, 8 + size);
	le_put((unsigned char *)data, used, 8);
	memcpy(data + 8, text, len);
	floor_lates_release(&lates);
	ck_assert_int_eq(floor_text_late(data, 8 + size, &lates), 0);
}

#define LATE(used, text) late(used, text, sizeof(text) - 1, sizeof(text) - 1)

static void
expect(size_t i, const char *name, size_t processes)
{
	ck_assert_uint_gt(lates.n, i);
	ck_assert_str_eq(lates.list[i].name, name);
	ck_assert_uint_eq(lates.list[i].processes, processes);
}

START_TEST(test_late_counts_processes)
{
	static const char text[] =
	    "7 b\n7 json.decoder\n8 json.decoder\n7 json.decoder\n9 a\n";

	LATE(sizeof(text) - 1, text);
	ck_assert_uint_eq(lates.n, 3);
	ck_assert_int_eq(lates.cut, 0);
	expect(0, "json.decoder", 2);
	expect(1, "a", 1);
	expect(2, "b", 1);
}
END_TEST

START_TEST(test_late_that_is_nonsense)
{
	char name[400];

	/* Lines that are none. */
	LATE(1000, "\n7\n7 \n 7 a\n-7 a\n0 a\nx\n7a b\n5 ok\n");
	ck_assert_uint_eq(lates.n, 1);
	expect(0, "ok", 1);
	ck_assert_int_eq(lates.cut, 1);
	/* Not written to the end, or begun and given up. */
	LATE(19, "5 a\n6 \0\0b\n7 a\n5 \0\0\0");
	ck_assert_uint_eq(lates.n, 1);
	expect(0, "a", 2);
	LATE(3, "5 a\n");
	ck_assert_uint_eq(lates.n, 0);
	/* More than there is. */
	LATE(UINT64_MAX, "5 a\n");
	expect(0, "a", 1);
	ck_assert_int_eq(lates.cut, 1);
	/* One long name, and one process that there cannot be. */
	memset(name, 'x', sizeof(name));
	memcpy(name, "5 ", 2);
	name[sizeof(name) - 1] = '\n';
	late(sizeof(name), name, sizeof(name), sizeof(name));
	ck_assert_uint_eq(strlen(lates.list[0].name), 200);
	LATE(40, "99999999999999999999999 b\n");
	expect(0, "b", 1);
}
END_TEST

START_TEST(test_late_of_any_size)
{
	size_t i;

	for (i = 0; i < 9; i++) {
		free(data);
		data = malloc(i + 1);
		memset(data, 0xff, i + 1);
		floor_lates_release(&lates);
		ck_assert_int_eq(floor_text_late(data, i, &lates), 0);
		ck_assert_uint_eq(lates.n, 0);
	}
	floor_lates_release(&lates);
	ck_assert_int_eq(floor_text_late(NULL, 0, &lates), 0);
	/* As many lines as there is room for, each another module. */
	free(data);
	data = malloc(FLOOR_LATE_BYTES);
	le_put((unsigned char *)data, FLOOR_LATE_BYTES - 8, 8);
	for (i = 8; i < FLOOR_LATE_BYTES; i++)
		data[i] = "1 a\n"[i % 4];
	for (i = 10; i < FLOOR_LATE_BYTES; i += 4)
		data[i] = (char)(1 + i / 4 % 9);
	floor_lates_release(&lates);
	ck_assert_int_eq(floor_text_late(data, FLOOR_LATE_BYTES, &lates), 0);
	ck_assert_uint_eq(lates.n, 9);
	for (i = 0; i < 2000; i++)
		snprintf(data + 8 + 10 * i, 11, "1 m%06zu\n", i);
	floor_lates_release(&lates);
	ck_assert_int_eq(floor_text_late(data, 8 + 20000, &lates), 0);
	ck_assert_uint_eq(lates.n, 1000);
	ck_assert_int_eq(lates.cut, 1);
	expect(0, "m000000", 1);
}
END_TEST

START_TEST(test_late_of_noise)
{
	unsigned int seed = 4711;
	size_t i, len = 4096, round;

	for (round = 0; round < 300; round++) {
		free(data);
		data = malloc(len);
		for (i = 0; i < len; i++)
			data[i] =
			    "1234567890 \n\n  ab\0\xff"[rand_r(&seed) % 19];
		le_put(
		    (unsigned char *)data, (uint64_t)rand_r(&seed) % 8192, 8);
		floor_lates_release(&lates);
		ck_assert_int_eq(floor_text_late(data, len, &lates), 0);
		for (i = 1; i < lates.n; i++)
			ck_assert_uint_ge(lates.list[i - 1].processes,
			    lates.list[i].processes);
	}
}
END_TEST

START_TEST(test_only_memory_is_read)
{
	struct buf out = {0};
	int pair[2], fd = sys_memfd("x");

	ck_assert_int_eq(write(fd, "abcdef", 6), 6);
	ck_assert_int_eq(floor_text_read(fd, 4, &out), 0);
	ck_assert_str_eq(out.data, "abcd");
	ck_assert_int_eq(floor_text_read(fd, 100, &out), 0);
	ck_assert_str_eq(out.data, "abcdabcdef");
	close(fd);
	ck_assert_int_eq(floor_text_read(-1, 4, &out), -1);
	ck_assert_int_eq(floor_text_read(fd, 4, &out), -1);
	/* Reading these would wait for ever. */
	ck_assert_int_eq(pipe(pair), 0);
	ck_assert_int_eq(floor_text_read(pair[0], 4, &out), -1);
	close(pair[0]);
	close(pair[1]);
	fd = open("/dev/zero", O_RDONLY);
	ck_assert_int_eq(floor_text_read(fd, 4, &out), -1);
	close(fd);
	buf_release(&out);
}
END_TEST

static void
tear_down(void)
{
	floor_lates_release(&lates);
	free(data);
	data = NULL;
}

int
main(void)
{
	Suite *s = suite_create("floor_text");
	TCase *t = tcase_create("floor_text");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, NULL, tear_down);
	tcase_add_test(t, test_load);
	tcase_add_test(t, test_load_that_is_nonsense);
	tcase_add_test(t, test_late_counts_processes);
	tcase_add_test(t, test_late_that_is_nonsense);
	tcase_add_test(t, test_late_of_any_size);
	tcase_add_test(t, test_late_of_noise);
	tcase_add_test(t, test_only_memory_is_read);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
