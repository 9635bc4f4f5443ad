/*
 * record: every field comes back as it was written; whatever was torn, flipped
 * or made up is refused.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/crc.h"
#include "core/record.h"

static uint64_t seed = 88172645463325252u;

static uint64_t
next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Often an extreme. */
static uint64_t
random_u64(void)
{
	static const uint64_t extremes[] = {
	    0, 1, UINT32_MAX, INT64_MAX, (uint64_t)INT64_MIN, UINT64_MAX};

	if (next_random() % 3 == 0)
		return extremes[next_random() % 6];
	return next_random() >> (next_random() % 64);
}

static int
random_int(void)
{
	return (int)(uint32_t)random_u64();
}

/* Any bytes but NUL, up to all that fits. */
static void
random_string(char *out, size_t size, size_t min)
{
	size_t len = next_random() % (size - min) + min, i;

	if (next_random() % 4 == 0)
		len = size - 1;
	memset(out, 0, size);
	for (i = 0; i < len; i++)
		out[i] = (char)(next_random() % 255 + 1);
}

static void
random_death(struct death *d)
{
	d->at = (int64_t)random_u64();
	d->at_rt = (int64_t)random_u64();
	d->uptime = (int64_t)random_u64();
	d->generation = random_u64();
	d->pid = random_int();
	d->code = random_int();
	d->signal = random_int();
	d->core = random_int();
	random_string(d->fault, sizeof(d->fault), 0);
}

static void
random_worker(struct worker_record *w)
{
	random_string(w->name, sizeof(w->name), 1);
	w->state = (enum worker_state)(next_random() % WS_COUNT);
	w->want_up = random_int();
	w->token = random_u64();
	w->pid = random_int();
	w->id.pidfd_ino = random_u64();
	w->id.start_time = random_u64();
	w->stop_token = random_u64();
	w->stop_pid = random_int();
	w->generation = random_u64();
	w->restarts = random_u64();
	w->automatic = random_int();
	w->deaths = random_u64();
	w->run = (uint32_t)random_u64();
	w->interrupted = (uint32_t)random_u64();
	w->fresh = (uint32_t)random_u64();
	w->told = random_int();
	w->since = (int64_t)random_u64();
	w->since_rt = (int64_t)random_u64();
	w->born = (int64_t)random_u64();
	w->deadline = (int64_t)random_u64();
	w->conf = random_u64();
	w->leaving = random_int();
	w->overdue = random_int();
	w->watchdog = (int64_t)random_u64();
	random_string(w->fault, sizeof(w->fault), 0);
	random_death(&w->last);
}

static void
random_record(struct record *r)
{
	memset(r, 0, sizeof(*r));
	r->kind = (enum record_kind)(next_random() % 4);
	switch (r->kind) {
	case RECORD_FLEET:
		r->u.fleet.schema = random_int();
		r->u.fleet.epoch = random_u64();
		random_string(r->u.fleet.boot_id, 40, 0);
		r->u.fleet.pidns = random_u64();
		random_string(r->u.fleet.name, sizeof(r->u.fleet.name), 0);
		break;
	case RECORD_WORKER:
		random_worker(&r->u.worker);
		break;
	case RECORD_DEATH:
		random_string(r->u.history.name, sizeof(r->u.history.name), 1);
		random_death(&r->u.history.death);
		break;
	case RECORD_GONE:
		random_string(r->u.gone.name, sizeof(r->u.gone.name), 1);
		break;
	}
}

START_TEST(test_crc_is_ieee)
{
	ck_assert_uint_eq(crc_ieee("123456789", 9), 0xcbf43926);
	ck_assert_uint_eq(crc_ieee("", 0), 0);
}
END_TEST

/* What is on disk is a format: it must not change by accident. */
START_TEST(test_line_reads_as_documented)
{
	static const char body[] = "worker name=web:0 state=RUNNING want_up=1 "
				   "pid=42 last_at=-7 last_fault=no%20%25%0a";
	struct record r = {.kind = RECORD_WORKER};
	char line[RECORD_MAX];
	size_t len;

	strcpy(r.u.worker.name, "web:0");
	r.u.worker.state = WS_RUNNING;
	r.u.worker.want_up = 1;
	r.u.worker.pid = 42;
	r.u.worker.last.at = -7;
	strcpy(r.u.worker.last.fault, "no %\n");
	len = record_format(&r, line);
	ck_assert_uint_eq(len, strlen(line));
	line[len - 1] = '\0';
	ck_assert_str_eq(line + 9, body);
	ck_assert_uint_eq(
	    strtoul(line, NULL, 16), crc_ieee(body, strlen(body)));
}
END_TEST

START_TEST(test_random_records_round_trip)
{
	char line[RECORD_MAX], again[RECORD_MAX];
	struct record r, back;
	size_t len;
	int i;

	for (i = 0; i < 5000; i++) {
		random_record(&r);
		len = record_format(&r, line);
		ck_assert_uint_lt(len, RECORD_MAX);
		ck_assert_ptr_eq(memchr(line, '\n', len), line + len - 1);
		ck_assert_int_eq(record_parse(line, len - 1, &back), 0);
		ck_assert_mem_eq(&r, &back, sizeof(r));
		record_format(&back, again);
		ck_assert_str_eq(line, again);
	}
}
END_TEST

/* Each field at its longest, each byte of the strings escaped. */
START_TEST(test_longest_record_fits)
{
	struct record r, back;
	char line[RECORD_MAX];
	struct worker_record *w = &r.u.worker;
	size_t len;

	memset(&r, 0, sizeof(r));
	memset(w, 0xff, sizeof(*w));
	r.kind = RECORD_WORKER;
	w->state = WS_STARTING;
	memset(w->name, ' ', sizeof(w->name) - 1);
	w->name[sizeof(w->name) - 1] = '\0';
	memset(w->fault, ' ', sizeof(w->fault) - 1);
	w->fault[sizeof(w->fault) - 1] = '\0';
	memset(w->status, ' ', sizeof(w->status) - 1);
	w->status[sizeof(w->status) - 1] = '\0';
	memset(w->last.fault, ' ', sizeof(w->last.fault) - 1);
	w->last.fault[sizeof(w->last.fault) - 1] = '\0';
	w->since = w->since_rt = w->born = w->deadline = INT64_MIN;
	w->last.at = w->last.at_rt = w->last.uptime = INT64_MIN;
	w->want_up = w->pid = w->stop_pid = w->told = INT32_MIN;
	w->last.pid = w->last.code = w->last.signal = INT32_MIN;
	w->last.core = INT32_MIN;
	len = record_format(&r, line);
	ck_assert_uint_lt(len, RECORD_MAX);
	ck_assert_int_eq(record_parse(line, len - 1, &back), 0);
	ck_assert_str_eq(back.u.worker.last.fault, w->last.fault);
	ck_assert_int_eq(back.u.worker.deadline, INT64_MIN);
}
END_TEST

START_TEST(test_any_flipped_bit_is_refused)
{
	char line[RECORD_MAX];
	struct record r, back;
	size_t len, bit;
	int i;

	for (i = 0; i < 20; i++) {
		random_record(&r);
		len = record_format(&r, line) - 1;
		for (bit = 0; bit < len * 8; bit++) {
			line[bit / 8] ^= (char)(1 << bit % 8);
			ck_assert_int_eq(record_parse(line, len, &back), -1);
			line[bit / 8] ^= (char)(1 << bit % 8);
		}
	}
}
END_TEST

START_TEST(test_any_cut_is_refused)
{
	char line[RECORD_MAX];
	struct record r, back;
	size_t len, cut;
	int i;

	for (i = 0; i < 50; i++) {
		random_record(&r);
		len = record_format(&r, line) - 1;
		for (cut = 0; cut < len; cut++)
			ck_assert_int_eq(record_parse(line, cut, &back), -1);
		/* Two lines run together, as after a torn newline. */
		ck_assert_int_eq(record_parse(line + 1, len - 1, &back), -1);
	}
}
END_TEST

/* A line of this body, with the checksum that it needs. */
static int
parse_body(const char *body, struct record *r)
{
	char line[2 * RECORD_MAX];
	int len = snprintf(
	    line, sizeof(line), "%08x %s", crc_ieee(body, strlen(body)), body);

	return record_parse(line, (size_t)len, r);
}

START_TEST(test_unknown_keys_are_skipped)
{
	struct record r;

	ck_assert_int_eq(
	    parse_body("worker name=w pid=7 colour=blue run=3", &r), 0);
	ck_assert_int_eq(r.u.worker.pid, 7);
	ck_assert_uint_eq(r.u.worker.run, 3);
	ck_assert_int_eq(parse_body("fleet schema=99 name=f", &r), 0);
	ck_assert_int_eq(r.u.fleet.schema, 99);
}
END_TEST

static const char *const bad_bodies[] = {
    "",
    "worker",
    "worker ",
    "workers name=w",
    "Worker name=w",
    "worker pid=7",
    "worker name=",
    "worker name=w pid",
    "worker name=w  pid=7",
    "worker name=w pid=7 ",
    "worker name=w pid=",
    "worker name=w pid=+7",
    "worker name=w pid=0x7",
    "worker name=w pid=7x",
    "worker name=w pid=--7",
    "worker name=w pid=2147483648",
    "worker name=w pid=-2147483649",
    "worker name=w token=-1",
    "worker name=w token=18446744073709551616",
    "worker name=w run=4294967296",
    "worker name=w since=9223372036854775808",
    "worker name=w state=running",
    "worker name=w state=",
    "worker name=w%",
    "worker name=w%2",
    "worker name=w%2g",
    "worker name=w%2A",
    "worker name=w%00",
    "worker name=@0123456789012345678901234567890123456789:999999999999",
    "death at=5",
};

START_TEST(test_bad_body_is_refused)
{
	struct record r;

	ck_assert_int_eq(parse_body(bad_bodies[_i], &r), -1);
}
END_TEST

START_TEST(test_overlong_and_nul_are_refused)
{
	char body[2 * RECORD_MAX - 20], line[64];
	struct record r;
	int len;

	len = snprintf(body, sizeof(body), "worker name=w x=");
	memset(body + len, 'y', sizeof(body) - (size_t)len);
	body[sizeof(body) - 1] = '\0';
	ck_assert_int_eq(parse_body(body, &r), -1);
	len = snprintf(line, sizeof(line), "%08x worker name=w%c",
	    crc_ieee("worker name=w\0", 14), '\0');
	ck_assert_int_eq(record_parse(line, (size_t)len, &r), -1);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("record");
	TCase *t = tcase_create("record");

	tcase_set_timeout(t, 50);
	tcase_add_test(t, test_crc_is_ieee);
	tcase_add_test(t, test_line_reads_as_documented);
	tcase_add_test(t, test_random_records_round_trip);
	tcase_add_test(t, test_longest_record_fits);
	tcase_add_test(t, test_any_flipped_bit_is_refused);
	tcase_add_test(t, test_any_cut_is_refused);
	tcase_add_test(t, test_unknown_keys_are_skipped);
	tcase_add_loop_test(t, test_bad_body_is_refused, 0,
	    (int)(sizeof(bad_bodies) / sizeof(*bad_bodies)));
	tcase_add_test(t, test_overlong_and_nul_are_refused);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *sr = srunner_create(suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
