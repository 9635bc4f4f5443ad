/* proto_attach: frames of an attached connection. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/proto_attach.h"

static struct buf out;
static struct attach_frame f;

static void
tear_down(void)
{
	buf_release(&out);
}

START_TEST(a_frame_survives_the_way)
{
	static const enum attach_type types[] = {ATTACH_INPUT, ATTACH_WINDOW,
	    ATTACH_STDOUT, ATTACH_STDERR, ATTACH_GAP, ATTACH_TAKEN,
	    ATTACH_ENDED};
	static const char data[8] = "a\0b\ncd";
	size_t i, at = 0;
	long len;

	for (i = 0; i < sizeof(types) / sizeof(*types); i++)
		ck_assert_int_eq(attach_put(&out, types[i], data, i), 0);
	for (i = 0; i < sizeof(types) / sizeof(*types); i++) {
		len = attach_take(out.data + at, out.len - at, &f);
		ck_assert_int_eq(len, (long)(ATTACH_HEAD_BYTES + i));
		ck_assert_int_eq(f.type, types[i]);
		ck_assert_uint_eq(f.len, i);
		ck_assert_int_eq(memcmp(f.data, data, i), 0);
		at += (size_t)len;
	}
	ck_assert_uint_eq(at, out.len);
}
END_TEST

START_TEST(it_comes_byte_by_byte)
{
	size_t n;

	ck_assert_int_eq(
	    attach_put_output(&out, ATTACH_STDERR, "w:0/stderr@7.a", "x\0y", 3),
	    0);
	for (n = 0; n < out.len; n++)
		ck_assert_int_eq(attach_take(out.data, n, &f), 0);
	ck_assert_int_eq(attach_take(out.data, n, &f), (long)n);
	ck_assert_str_eq(f.data, "w:0/stderr@7.a");
	ck_assert_int_eq(memcmp(f.data + strlen(f.data) + 1, "x\0y", 3), 0);
	ck_assert_uint_eq(f.len, strlen(f.data) + 1 + 3);
}
END_TEST

START_TEST(numbers_are_there_or_0)
{
	ck_assert_int_eq(attach_put_window(&out, 50, 65535), 0);
	ck_assert_int_gt(attach_take(out.data, out.len, &f), 0);
	ck_assert_uint_eq(attach_number(&f, 0), 50);
	ck_assert_uint_eq(attach_number(&f, 1), 65535);
	ck_assert_uint_eq(attach_number(&f, 2), 0);
	f.len = 3;
	ck_assert_uint_eq(attach_number(&f, 1), 0);
}
END_TEST

START_TEST(the_longest_fits_and_no_longer_one)
{
	char *data = calloc(1, ATTACH_DATA_MAX + 1);

	ck_assert_ptr_nonnull(data);
	ck_assert_int_eq(
	    attach_put(&out, ATTACH_INPUT, data, ATTACH_DATA_MAX + 1), -1);
	ck_assert_uint_eq(out.len, 0);
	ck_assert_int_eq(
	    attach_put(&out, ATTACH_INPUT, data, ATTACH_DATA_MAX), 0);
	ck_assert_int_eq(attach_take(out.data, out.len, &f),
	    ATTACH_HEAD_BYTES + ATTACH_DATA_MAX);
	ck_assert_int_eq(attach_take(out.data, out.len - 1, &f), 0);
	free(data);
}
END_TEST

START_TEST(nonsense_is_refused)
{
	int type;

	for (type = 0; type < 256; type++) {
		char head[ATTACH_HEAD_BYTES] = {(char)type};
		int known = type != 0 && strchr("iworgax", type) != NULL;

		ck_assert_int_eq(attach_take(head, sizeof(head), &f),
		    known ? ATTACH_HEAD_BYTES : -1);
		head[1] = 1;
		ck_assert_int_eq(attach_take(head, sizeof(head), &f), -1);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("proto_attach");
	TCase *tc = tcase_create("proto_attach");
	SRunner *runner = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, NULL, tear_down);
	tcase_add_test(tc, a_frame_survives_the_way);
	tcase_add_test(tc, it_comes_byte_by_byte);
	tcase_add_test(tc, numbers_are_there_or_0);
	tcase_add_test(tc, the_longest_fits_and_no_longer_one);
	tcase_add_test(tc, nonsense_is_refused);
	suite_add_tcase(s, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
