/* What svd and its floors say to each other: all that fits survives the way,
 * what does not is left out whole, and what is torn is not taken. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/proto_floor.h"

#define ROUNDS 100000
#define LONG_TEXT 1000

static char data[FLOOR_PACKET_MAX + 1];

static void
parse(const struct floor_packet *p, struct floor_msg *m)
{
	ck_assert_uint_le(p->len, p->size);
	ck_assert_int_eq(floor_parse(p->data, p->len, m), 0);
}

START_TEST(fields_survive_the_way_in_order)
{
	const char *at = NULL, *value;
	struct floor_packet p;
	struct floor_msg m;

	floor_begin(&p, data, sizeof(data), "LOADED");
	floor_add_number(&p, "ms", UINT64_MAX);
	floor_add(&p, "module", "a");
	floor_add(&p, "module", "");
	floor_add(&p, "mod", "no");
	floor_add(&p, "module", "K=V=\n");
	ck_assert_int_eq(p.full, 0);
	parse(&p, &m);
	ck_assert_str_eq(m.verb, "LOADED");
	ck_assert_uint_eq(floor_get_number(&m, "ms"), UINT64_MAX);
	ck_assert_str_eq(floor_get(&m, "module"), "a");
	value = floor_next(&m, "module", &at);
	ck_assert_ptr_eq(value, floor_get(&m, "module"));
	ck_assert_str_eq(floor_next(&m, "module", &at), "");
	ck_assert_str_eq(floor_next(&m, "module", &at), "K=V=\n");
	ck_assert_ptr_null(floor_next(&m, "module", &at));
	ck_assert_ptr_null(floor_next(&m, "module", &at));
	ck_assert_ptr_null(floor_get(&m, "modul"));
	ck_assert_ptr_null(floor_get(&m, "LOADED"));
	ck_assert_uint_eq(floor_get_number(&m, "none"), 0);
	ck_assert_uint_eq(floor_get_number(&m, "mod"), 0);
}
END_TEST

START_TEST(a_verb_alone_is_a_packet)
{
	struct floor_packet p;
	struct floor_msg m;

	floor_begin(&p, data, sizeof(data), "RETIRE");
	ck_assert_uint_eq(p.len, 7);
	parse(&p, &m);
	ck_assert_str_eq(m.verb, "RETIRE");
	ck_assert_ptr_eq(m.fields, m.end);
	ck_assert_ptr_null(floor_get(&m, "x"));
}
END_TEST

START_TEST(descriptors_have_their_places)
{
	struct floor_packet p;
	struct floor_msg m;

	floor_begin(&p, data, sizeof(data), "START");
	floor_add(&p, "fd", "fields");
	floor_add(&p, "fdx", "0");
	floor_add(&p, "fd", "1");
	floor_add(&p, "fd", "0");
	parse(&p, &m);
	ck_assert_int_eq(floor_get_fd(&m, "fields"), 0);
	ck_assert_int_eq(floor_get_fd(&m, "1"), 1);
	ck_assert_int_eq(floor_get_fd(&m, "0"), 2);
	ck_assert_int_eq(floor_get_fd(&m, "2"), -1);
	ck_assert_int_eq(floor_get_fd(&m, ""), -1);
}
END_TEST

START_TEST(what_is_torn_is_no_packet)
{
	static const char whole[] = "FORK\0token=12\0";
	struct floor_msg m;
	size_t len;

	for (len = 0; len < sizeof(whole); len++) {
		int rc = floor_parse(whole, len, &m);

		ck_assert_int_eq(
		    rc, len > 0 && whole[len - 1] == '\0' ? 0 : -1);
	}
	ck_assert_int_eq(floor_parse_fields(whole, 3, &m), -1);
	ck_assert_int_eq(floor_parse_fields(whole, 0, &m), 0);
	ck_assert_ptr_null(floor_get(&m, "token"));
	ck_assert_int_eq(floor_parse_fields(whole, 14, &m), 0);
	ck_assert_str_eq(m.verb, "");
	ck_assert_str_eq(floor_get(&m, "token"), "12");
}
END_TEST

/* Of every size: what is in it is whole, and `full` says that some is not. */
START_TEST(what_does_not_fit_is_left_out_whole)
{
	struct floor_packet p;
	struct floor_msg m;
	char *small;
	size_t size;

	for (size = 0; size < 64; size++) {
		small = malloc(size > 0 ? size : 1);
		floor_begin(&p, small, size, "FORKFAIL");
		floor_add(&p, "token", "4711");
		floor_add_text(&p, "what", "cannot", 100);
		floor_add(&p, "x", "");
		ck_assert_uint_le(p.len, size);
		ck_assert_int_eq(p.full, size < 9 + 11 + 12 + 3);
		if (p.len == 0) {
			free(small);
			continue;
		}
		parse(&p, &m);
		if (floor_get(&m, "token") != NULL)
			ck_assert_str_eq(floor_get(&m, "token"), "4711");
		free(small);
	}
}
END_TEST

START_TEST(a_text_keeps_its_ends)
{
	char text[LONG_TEXT + 1];
	struct floor_packet p;
	struct floor_msg m;
	const char *got;
	size_t len, at;

	for (at = 0; at < LONG_TEXT; at++)
		text[at] = (char)('a' + at % 26);
	text[LONG_TEXT] = '\0';
	for (len = 0; len <= LONG_TEXT + 1; len++) {
		floor_begin(&p, data, sizeof(data), "EXCEPTION");
		floor_add_text(&p, "traceback", text, len);
		parse(&p, &m);
		got = floor_get(&m, "traceback");
		ck_assert_int_eq(p.full, len < LONG_TEXT);
		if (len >= LONG_TEXT) {
			ck_assert_str_eq(got, text);
			continue;
		}
		if (got == NULL) {
			ck_assert_uint_lt(len, 20);
			continue;
		}
		ck_assert_uint_le(strlen(got), len);
		at = (size_t)(strchr(got, '\n') - got);
		ck_assert_int_eq(memcmp(got, text, at), 0);
		ck_assert_int_eq(memcmp(got + at, "\n[...]\n", 7), 0);
		got += at + 7;
		ck_assert_uint_gt(strlen(got), at);
		ck_assert_str_eq(got, text + LONG_TEXT - strlen(got));
	}
}
END_TEST

START_TEST(a_text_takes_no_more_than_there_is_room)
{
	char text[LONG_TEXT + 1], *small;
	struct floor_packet p;
	struct floor_msg m;
	size_t size;

	memset(text, 't', LONG_TEXT);
	text[LONG_TEXT] = '\0';
	for (size = 4; size < LONG_TEXT + 20; size++) {
		small = malloc(size);
		floor_begin(&p, small, size, "E");
		floor_add_text(&p, "w", text, sizeof(text));
		parse(&p, &m);
		ck_assert_int_eq(p.full, size < 2 + 3 + LONG_TEXT);
		free(small);
	}
}
END_TEST

/* Whatever comes, nothing behind its end is read (ASan looks), and no field
 * goes on for ever. */
START_TEST(nonsense_is_bounded)
{
	static const char bytes[] = "\0\0\0=fdtoken19\n\xff";
	struct floor_msg m;
	const char *at;
	char *packet;
	size_t len, i, fields;
	int round;

	srand(4711);
	for (round = 0; round < ROUNDS; round++) {
		len = (size_t)rand() % 24;
		packet = malloc(len + 1);
		for (i = 0; i < len; i++)
			packet[i] = bytes[(size_t)rand() % sizeof(bytes)];
		if (floor_parse(packet, len, &m) == 0) {
			fields = 0;
			for (at = NULL; floor_next(&m, "fd", &at) != NULL;)
				fields++;
			ck_assert_uint_le(fields, len);
			floor_get_number(&m, "token");
			floor_get_fd(&m, "1");
		}
		free(packet);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("proto_floor");
	TCase *tc = tcase_create("proto_floor");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, fields_survive_the_way_in_order);
	tcase_add_test(tc, a_verb_alone_is_a_packet);
	tcase_add_test(tc, descriptors_have_their_places);
	tcase_add_test(tc, what_is_torn_is_no_packet);
	tcase_add_test(tc, what_does_not_fit_is_left_out_whole);
	tcase_add_test(tc, a_text_keeps_its_ends);
	tcase_add_test(tc, a_text_takes_no_more_than_there_is_room);
	tcase_add_test(tc, nonsense_is_bounded);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
