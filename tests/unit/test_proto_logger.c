/* What supervisor and logger say to each other: every message survives the
 * way, and nothing else is taken for one. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/proto_logger.h"

#define ROUNDS 100000

static unsigned char packet[PL_PACKET_MAX + 1];
static char long_text[PL_TEXT_MAX + 2], long_data[PL_DATA_MAX + 1];

static const struct pl_msg messages[] = {
    {.type = PL_HELLO},
    {.type = PL_LOGS, .text = "{}", .data = "a\0b", .data_len = 3},
    {.type = PL_LOGS, .text = "{\"names\":[\"web\"]}"},
    {.type = PL_ATTACH,
	.text = "{\"id\":\"web:0\"}",
	.data = "i",
	.data_len = 1},
    {.type = PL_REOPEN},
    {.type = PL_HERE, .pid = INT32_MAX},
    {.type = PL_CLIENT, .data = "\0\n", .data_len = 2},
    {.type = PL_CLIENT},
    {.type = PL_PROBLEM,
	.text = "out:web:0",
	.data = "cannot open '/x'",
	.data_len = 16},
    {.type = PL_PROBLEM, .text = "err:web:0"},
};

#define NMESSAGES ((int)(sizeof(messages) / sizeof(*messages)))

START_TEST(a_message_survives_the_way)
{
	const struct pl_msg *m = &messages[_i];
	struct pl_msg back;
	size_t len = pl_encode(m, packet);

	ck_assert_uint_gt(len, 0);
	ck_assert_int_eq(pl_decode(packet, len, &back), 0);
	ck_assert_int_eq(back.type, m->type);
	ck_assert_int_eq(back.pid, m->pid);
	ck_assert_str_eq(back.text, m->text == NULL ? "" : m->text);
	ck_assert_uint_eq(back.data_len, m->data_len);
	ck_assert_int_eq(
	    memcmp(back.data, m->data == NULL ? "" : m->data, m->data_len), 0);
}
END_TEST

START_TEST(every_type_was_tried)
{
	int tried[PL_TYPES] = {0}, i;

	for (i = 0; i < NMESSAGES; i++)
		tried[messages[i].type] = 1;
	for (i = 1; i < PL_TYPES; i++)
		ck_assert_int_eq(tried[i], 1);
}
END_TEST

START_TEST(clients_come_with_their_socket)
{
	int type;

	for (type = 1; type < PL_TYPES; type++)
		ck_assert_int_eq(pl_carries_fd((enum pl_type)type),
		    type == PL_LOGS || type == PL_CLIENT || type == PL_ATTACH);
}
END_TEST

START_TEST(the_longest_fits_and_no_longer_one)
{
	struct pl_msg m = {.type = PL_LOGS,
			  .text = long_text,
			  .data = long_data,
			  .data_len = PL_DATA_MAX},
		      back;
	size_t len;

	memset(long_text, 'x', PL_TEXT_MAX);
	len = pl_encode(&m, packet);
	ck_assert_uint_gt(len, PL_TEXT_MAX + PL_DATA_MAX);
	ck_assert_uint_le(len, PL_PACKET_MAX);
	ck_assert_int_eq(pl_decode(packet, len, &back), 0);
	ck_assert_int_eq(pl_decode(packet, len + 1, &back), -1);
	m.data_len++;
	ck_assert_uint_eq(pl_encode(&m, packet), 0);
	m.data_len--;
	long_text[PL_TEXT_MAX] = 'x';
	ck_assert_uint_eq(pl_encode(&m, packet), 0);
	long_text[PL_TEXT_MAX] = '\0';
}
END_TEST

START_TEST(what_its_type_does_not_have_is_refused)
{
	struct pl_msg m, back;
	int type;

	for (type = 1; type < PL_TYPES; type++) {
		m = (struct pl_msg){.type = (enum pl_type)type, .pid = 1};
		ck_assert_int_eq(
		    pl_decode(packet, pl_encode(&m, packet), &back),
		    type == PL_HERE ? 0 : -1);
		m = (struct pl_msg){.type = (enum pl_type)type, .text = "x"};
		ck_assert_int_eq(
		    pl_decode(packet, pl_encode(&m, packet), &back),
		    type == PL_LOGS || type == PL_ATTACH || type == PL_PROBLEM
			? 0
			: -1);
	}
	packet[0] = PL_TYPES;
	ck_assert_int_eq(pl_decode(packet, 6, &back), -1);
	packet[0] = 0;
	ck_assert_int_eq(pl_decode(packet, 6, &back), -1);
}
END_TEST

/* Any bytes: what is decoded lies within the packet. */
START_TEST(noise_is_harmless)
{
	struct pl_msg m;
	size_t i, len;
	int round;

	srand(3);
	for (round = 0; round < ROUNDS; round++) {
		len = (size_t)rand() % 64;
		for (i = 0; i < len; i++)
			packet[i] = (unsigned char)(rand() % 12);
		if (pl_decode(packet, len, &m) == -1)
			continue;
		ck_assert_ptr_eq(m.data + m.data_len, (char *)packet + len);
		ck_assert_ptr_eq(m.text + strlen(m.text) + 1, m.data);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("proto_logger");
	TCase *t = tcase_create("proto_logger");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_set_timeout(t, 30);
	tcase_add_loop_test(t, a_message_survives_the_way, 0, NMESSAGES);
	tcase_add_test(t, every_type_was_tried);
	tcase_add_test(t, clients_come_with_their_socket);
	tcase_add_test(t, the_longest_fits_and_no_longer_one);
	tcase_add_test(t, what_its_type_does_not_have_is_refused);
	tcase_add_test(t, noise_is_harmless);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
