/* What svd's processes say to each other: every message survives the way, and
 * nothing else is taken for one. */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/proto_birth.h"
#include "ipc/proto_keeper.h"

static unsigned char packet[KEEPER_PACKET_MAX + 1];

/* Each type at its extremes. */
static const struct keeper_msg messages[] = {
    {.type = KM_HELLO,
	.version = UINT32_MAX,
	.epoch = UINT64_MAX,
	.life = UINT32_MAX,
	.pid = INT32_MAX,
	.code = OBITUARY_HUNG,
	.status = INT32_MIN},
    {.type = KM_HELLO},
    {.type = KM_FD, .text = "a\0bc\0", .text_len = 5},
    {.type = KM_EXIT,
	.pid = INT32_MAX,
	.code = -1,
	.status = 255,
	.us = UINT64_MAX},
    {.type = KM_SIGNAL, .mask = UINT64_MAX},
    {.type = KM_SIGNAL, .mask = 1},
    {.type = KM_HANDED},
    {.type = KM_PING},
    {.type = KM_READY},
    {.type = KM_HOLD, .text = "births:1", .text_len = 9},
    {.type = KM_DROP, .text = "x", .text_len = 2},
    {.type = KM_BORN, .pids = {INT32_MIN, INT32_MAX}, .npids = 2},
    {.type = KM_ACK,
	.pids = {1, [KEEPER_PIDS_MAX - 1] = -1},
	.npids = KEEPER_PIDS_MAX},
    {.type = KM_SIGNALLED, .mask = UINT64_C(1) << 63},
    {.type = KM_PONG},
    {.type = KM_LIMITS, .ms = UINT64_MAX, .ms2 = 1},
    {.type = KM_STOPPING, .code = -1},
    {.type = KM_QUIT},
    {.type = KM_DETACH},
    {.type = KM_NOTIFY, .code = NOTIFY_READY, .text = "", .text_len = 1},
    {.type = KM_UPGRADE, .text = "/usr/sbin/svd", .text_len = 14},
    {.type = KM_UPGRADED,
	.version = 1,
	.life = 7,
	.code = UPGRADED_FAILED,
	.text = "no",
	.text_len = 3},
};

#define NMESSAGES ((int)(sizeof(messages) / sizeof(*messages)))

static void
expect_equal(const struct keeper_msg *a, const struct keeper_msg *b)
{
	ck_assert_int_eq(a->type, b->type);
	ck_assert_uint_eq(a->version, b->version);
	ck_assert_uint_eq(a->life, b->life);
	ck_assert_int_eq(a->pid, b->pid);
	ck_assert_int_eq(a->code, b->code);
	ck_assert_int_eq(a->status, b->status);
	ck_assert_uint_eq(a->epoch, b->epoch);
	ck_assert_uint_eq(a->mask, b->mask);
	ck_assert_uint_eq(a->ms, b->ms);
	ck_assert_uint_eq(a->ms2, b->ms2);
	ck_assert_uint_eq(a->us, b->us);
	ck_assert_uint_eq(a->npids, b->npids);
	ck_assert_mem_eq(a->pids, b->pids, sizeof(a->pids));
	ck_assert_uint_eq(a->text_len, b->text_len);
	if (a->text_len > 0)
		ck_assert_mem_eq(a->text, b->text, a->text_len);
}

START_TEST(a_message_survives_the_way)
{
	struct keeper_msg m;
	size_t len = keeper_msg_encode(&messages[_i], packet);

	ck_assert_uint_gt(len, 0);
	memset(&m, 0xff, sizeof(m));
	ck_assert_int_eq(keeper_msg_decode(packet, len, &m), 0);
	expect_equal(&m, &messages[_i]);
}
END_TEST

START_TEST(every_type_was_tried)
{
	int type, i, n;

	for (type = KM_HELLO; type < KM_TYPES; type++) {
		for (i = n = 0; i < NMESSAGES; i++)
			n += (int)messages[i].type == type;
		ck_assert_int_gt(n, 0);
	}
}
END_TEST

/* A list that is cut between two of its members is a list. */
static int
is_whole_list(const struct keeper_msg *m, size_t len)
{
	if (m->type == KM_BORN || m->type == KM_ACK)
		return len > 1 && (len - 1) % 4 == 0;
	return m->type == KM_FD && len == 3;
}

START_TEST(a_message_cut_anywhere_is_none)
{
	const struct keeper_msg *sent = &messages[_i];
	size_t len = keeper_msg_encode(sent, packet), cut;
	unsigned char *exact;
	struct keeper_msg m;

	for (cut = 0; cut < len; cut++) {
		/* On the heap, so that a read too far is noticed. */
		exact = malloc(cut + (cut == 0));
		memcpy(exact, packet, cut);
		ck_assert_int_eq(keeper_msg_decode(exact, cut, &m),
		    is_whole_list(sent, cut) ? 0 : -1);
		free(exact);
	}
}
END_TEST

START_TEST(a_message_with_more_behind_it_is_none)
{
	size_t len = keeper_msg_encode(&messages[_i], packet);
	struct keeper_msg m;

	packet[len] = 'x';
	ck_assert_int_eq(keeper_msg_decode(packet, len + 1, &m), -1);
}
END_TEST

START_TEST(an_unknown_type_is_no_message)
{
	struct keeper_msg m;
	int type;

	memset(packet, 0, sizeof(packet));
	for (type = 0; type <= 255; type++) {
		if (type >= KM_HELLO && type < KM_TYPES)
			continue;
		packet[0] = (unsigned char)type;
		ck_assert_int_eq(keeper_msg_decode(packet, 1, &m), -1);
		ck_assert_int_eq(keeper_msg_decode(packet, 64, &m), -1);
	}
}
END_TEST

START_TEST(text_without_its_nul_is_none)
{
	static const unsigned char hold[] = {KM_HOLD, 'x', 'y'};
	struct keeper_msg m;

	ck_assert_int_eq(keeper_msg_decode(hold, sizeof(hold), &m), -1);
}
END_TEST

START_TEST(the_longest_text_fits_and_no_longer_one)
{
	static char text[KEEPER_TEXT_MAX + 1];
	struct keeper_msg m = {
	    .type = KM_FD, .text = text, .text_len = KEEPER_TEXT_MAX};
	struct keeper_msg got;
	size_t len;

	memset(text, 'n', KEEPER_TEXT_MAX - 1);
	len = keeper_msg_encode(&m, packet);
	ck_assert_uint_eq(len, 1 + KEEPER_TEXT_MAX);
	ck_assert_int_eq(keeper_msg_decode(packet, len, &got), 0);
	ck_assert_uint_eq(got.text_len, KEEPER_TEXT_MAX);
	m.text_len++;
	ck_assert_uint_eq(keeper_msg_encode(&m, packet), 0);
	m.text_len = 0;
	ck_assert_uint_eq(keeper_msg_encode(&m, packet), 0);
}
END_TEST

START_TEST(a_list_of_pids_has_its_bounds)
{
	struct keeper_msg m = {.type = KM_ACK}, got;
	size_t len;

	ck_assert_uint_eq(keeper_msg_encode(&m, packet), 0);
	m.npids = KEEPER_PIDS_MAX + 1;
	ck_assert_uint_eq(keeper_msg_encode(&m, packet), 0);
	m.npids = KEEPER_PIDS_MAX;
	len = keeper_msg_encode(&m, packet);
	ck_assert_uint_eq(len, 1 + 4 * KEEPER_PIDS_MAX);
	memset(packet + len, 0, 4);
	ck_assert_int_eq(keeper_msg_decode(packet, len + 4, &got), -1);
}
END_TEST

START_TEST(numbers_are_little_endian)
{
	static const unsigned char wire[] = {KM_BORN, 4, 3, 2, 1};
	struct keeper_msg m = {
	    .type = KM_BORN, .pids = {0x01020304}, .npids = 1};

	ck_assert_uint_eq(keeper_msg_encode(&m, packet), sizeof(wire));
	ck_assert_mem_eq(packet, wire, sizeof(wire));
}
END_TEST

/* --- births --- */

static const struct birth births[] = {
    {0},
    {.token = UINT64_MAX,
	.pid = INT32_MAX,
	.parent = INT32_MIN,
	.stage = BIRTH_STAGE_COUNT - 1,
	.detail = UINT16_MAX,
	.error = INT32_MAX},
    {.token = 1,
	.pid = 2,
	.parent = 3,
	.stage = BIRTH_LIMITS,
	.detail = 4,
	.error = -1},
};

START_TEST(a_birth_survives_the_way)
{
	struct birth b;

	memset(&b, 0xff, sizeof(b));
	birth_encode(&births[_i], packet);
	ck_assert_int_eq(birth_decode(packet, BIRTH_PACKET_BYTES, &b), 0);
	ck_assert_mem_eq(&b, &births[_i], sizeof(b));
}
END_TEST

START_TEST(a_birth_of_another_length_is_none)
{
	struct birth b;
	size_t len;

	birth_encode(&births[2], packet);
	for (len = 0; len <= 2 * BIRTH_PACKET_BYTES; len++)
		ck_assert_int_eq(birth_decode(packet, len, &b),
		    len == BIRTH_PACKET_BYTES ? 0 : -1);
}
END_TEST

START_TEST(a_stage_that_is_none_makes_no_birth)
{
	struct birth b = births[2];

	b.stage = BIRTH_STAGE_COUNT;
	birth_encode(&b, packet);
	ck_assert_int_eq(birth_decode(packet, BIRTH_PACKET_BYTES, &b), -1);
	b.stage = UINT16_MAX;
	birth_encode(&b, packet);
	ck_assert_int_eq(birth_decode(packet, BIRTH_PACKET_BYTES, &b), -1);
}
END_TEST

START_TEST(each_stage_has_a_name_of_its_own)
{
	unsigned int a, b;

	for (a = 0; a < BIRTH_STAGE_COUNT; a++) {
		ck_assert_str_ne(birth_stage_name(a), "?");
		for (b = 0; b < a; b++)
			ck_assert_str_ne(
			    birth_stage_name(a), birth_stage_name(b));
	}
	ck_assert_str_eq(birth_stage_name(BIRTH_STAGE_COUNT), "?");
}
END_TEST

static TCase *
keeper_case(void)
{
	TCase *t = tcase_create("keeper");

	tcase_add_loop_test(t, a_message_survives_the_way, 0, NMESSAGES);
	tcase_add_test(t, every_type_was_tried);
	tcase_add_loop_test(t, a_message_cut_anywhere_is_none, 0, NMESSAGES);
	tcase_add_loop_test(
	    t, a_message_with_more_behind_it_is_none, 0, NMESSAGES);
	tcase_add_test(t, an_unknown_type_is_no_message);
	tcase_add_test(t, text_without_its_nul_is_none);
	tcase_add_test(t, the_longest_text_fits_and_no_longer_one);
	tcase_add_test(t, a_list_of_pids_has_its_bounds);
	tcase_add_test(t, numbers_are_little_endian);
	return t;
}

static TCase *
birth_case(void)
{
	TCase *t = tcase_create("birth");

	tcase_add_loop_test(t, a_birth_survives_the_way, 0, 3);
	tcase_add_test(t, a_birth_of_another_length_is_none);
	tcase_add_test(t, a_stage_that_is_none_makes_no_birth);
	tcase_add_test(t, each_stage_has_a_name_of_its_own);
	return t;
}

int
main(void)
{
	Suite *s = suite_create("proto");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, keeper_case());
	suite_add_tcase(s, birth_case());
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
