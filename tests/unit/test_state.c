/* The journal: what was put is replayed, whatever has happened to it. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "core/crc.h"
#include "supervisor/state.h"
#include "fake_log.c"

#define EPOCH 7
#define REPLAYED_MAX 4096

static char dir[64], path[80];
static struct state st;
static uint64_t replayed[REPLAYED_MAX]; /* `deaths` of what was replayed */
static size_t nreplayed;
static int ngrown, nheld;

/* --- a journal of numbered records --- */

static void
put(struct state *to, uint64_t number)
{
	struct record r = {
	    .kind = RECORD_WORKER, .u.worker = {.name = "w", .deaths = number}};

	state_put(to, &r);
}

static void
replay_cb(const struct record *r, void *arg)
{
	ck_assert_ptr_eq(arg, &st);
	ck_assert_int_eq(r->kind, RECORD_WORKER);
	ck_assert_uint_lt(nreplayed, REPLAYED_MAX);
	replayed[nreplayed++] = r->u.worker.deaths;
}

/* Two records are all that matters: 1001 and 1002. */
static void
dump_cb(struct state *to, void *arg)
{
	(void)arg;
	put(to, 1001);
	put(to, 1002);
}

static void
changed_cb(struct state *s, void *arg)
{
	(void)s;
	(void)arg;
	nheld++;
}

static void
grown_cb(struct state *s, void *arg)
{
	(void)s;
	(void)arg;
	ngrown++;
}

static int
open_at(int held, const char *where, uint64_t epoch, struct err *e)
{
	struct fleet_record header = {
	    .schema = RECORD_SCHEMA, .epoch = epoch, .name = "f"};

	st = (struct state){
	    .fd = -1, .arg = &st, .changed_fd = changed_cb, .grown = grown_cb};
	nreplayed = 0;
	ngrown = nheld = 0;
	return state_open(&st, held, where, &header, replay_cb, e);
}

static void
open_new(void)
{
	struct err e;

	ck_assert_int_eq(open_at(-1, dir, EPOCH, &e), 0);
}

/* As a successor does, with the descriptor that the keeper holds. */
static void
open_again(void)
{
	struct err e;
	int held = dup(st.fd);

	state_close(&st);
	ck_assert_int_eq(open_at(held, dir, EPOCH, &e), 0);
}

static void
expect_replayed(size_t n, const uint64_t *numbers)
{
	size_t i;

	ck_assert_uint_eq(nreplayed, n);
	for (i = 0; i < n; i++)
		ck_assert_uint_eq(replayed[i], numbers[i]);
}

static off_t
journal_size(void)
{
	struct stat s;

	ck_assert_int_eq(fstat(st.fd, &s), 0);
	return s.st_size;
}

/* The file in the runtime directory says what the journal says. */
static void
expect_copy(void)
{
	size_t a_len, b_len;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *a, *b;

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(lseek(st.fd, 0, SEEK_SET), 0);
	a = fd_read_all(st.fd, SIZE_MAX / 2, &a_len);
	b = fd_read_all(fd, SIZE_MAX / 2, &b_len);
	ck_assert_uint_eq(a_len, b_len);
	ck_assert_mem_eq(a, b, a_len);
	free(a);
	free(b);
	close(fd);
}

static void
set_up(void)
{
	snprintf(dir, sizeof(dir), "/tmp/svd-state-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/state", dir);
	signal(SIGXFSZ, SIG_IGN);
}

static void
tear_down(void)
{
	state_close(&st);
	unlink(path);
	rmdir(dir);
}

/* --- opening --- */

START_TEST(a_new_journal_is_private_and_says_whose_it_is)
{
	struct stat s;
	struct record r;
	char line[RECORD_MAX];
	ssize_t n;

	open_new();
	ck_assert_int_eq(stat(path, &s), 0);
	ck_assert_int_eq(s.st_mode, S_IFREG | 0600);
	ck_assert_int_eq(nheld, 1);
	ck_assert_int_eq(nreplayed, 0);
	expect_copy();
	n = pread(st.fd, line, sizeof(line), 0);
	ck_assert_int_gt(n, 1);
	ck_assert_int_eq(line[n - 1], '\n');
	ck_assert_int_eq(record_parse(line, (size_t)n - 1, &r), 0);
	ck_assert_int_eq(r.kind, RECORD_FLEET);
	ck_assert_int_eq(r.u.fleet.schema, RECORD_SCHEMA);
	ck_assert_uint_eq(r.u.fleet.epoch, EPOCH);
	ck_assert_str_eq(r.u.fleet.name, "f");
}
END_TEST

START_TEST(what_was_put_is_replayed_in_order)
{
	static const uint64_t all[] = {3, 1, 2};

	open_new();
	put(&st, 3);
	put(&st, 1);
	put(&st, 2);
	open_again();
	expect_replayed(3, all);
	expect_copy();
	ck_assert_int_eq(nheld, 0);
}
END_TEST

START_TEST(a_successor_appends)
{
	static const uint64_t all[] = {1, 2, 3};

	open_new();
	put(&st, 1);
	open_again();
	put(&st, 2);
	open_again();
	put(&st, 3);
	open_again();
	expect_replayed(3, all);
}
END_TEST

START_TEST(a_journal_of_another_keeper_is_replaced)
{
	struct err e;
	int held;

	open_new();
	put(&st, 1);
	held = dup(st.fd);
	state_close(&st);
	ck_assert_int_eq(open_at(held, dir, EPOCH + 1, &e), 0);
	ck_assert_uint_eq(nreplayed, 0);
	ck_assert_int_eq(nheld, 1);
	held = dup(st.fd);
	state_close(&st);
	ck_assert_int_eq(open_at(held, dir, EPOCH + 1, &e), 0);
	ck_assert_uint_eq(nreplayed, 0);
}
END_TEST

START_TEST(a_file_that_nobody_holds_is_replaced)
{
	open_new();
	put(&st, 1);
	state_close(&st);
	open_new();
	ck_assert_uint_eq(nreplayed, 0);
	open_again();
	ck_assert_uint_eq(nreplayed, 0);
}
END_TEST

/* Its workers live: to forget them would be to start them twice. */
START_TEST(a_newer_schema_is_refused_clearly)
{
	struct record r = {.kind = RECORD_FLEET,
	    .u.fleet = {.schema = RECORD_SCHEMA + 1, .epoch = EPOCH}};
	int held = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	char line[RECORD_MAX];
	size_t len = record_format(&r, line);
	struct err e = {{0}};

	ck_assert_int_eq(write(held, line, len), (ssize_t)len);
	ck_assert_int_eq(open_at(held, dir, EPOCH, &e), -1);
	ck_assert_ptr_nonnull(strstr(e.text, "schema"));
}
END_TEST

START_TEST(what_is_held_goes_before_what_is_in_place)
{
	static const uint64_t held_one[] = {1};
	struct err e;
	int held;

	open_new();
	put(&st, 1);
	held = dup(st.fd);
	state_close(&st);
	open_new(); /* somebody else's, under the same name */
	put(&st, 2);
	state_close(&st);
	ck_assert_int_eq(open_at(held, dir, EPOCH, &e), 0);
	expect_replayed(1, held_one);
	expect_copy();
}
END_TEST

START_TEST(without_a_directory_it_has_no_copy)
{
	static const uint64_t one[] = {1};
	struct err e;
	int held;

	ck_assert_int_eq(open_at(-1, NULL, EPOCH, &e), 0);
	put(&st, 1);
	ck_assert_int_eq(state_degraded(&st), 0);
	held = dup(st.fd);
	state_close(&st);
	ck_assert_int_eq(open_at(held, NULL, EPOCH, &e), 0);
	expect_replayed(1, one);
	ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(a_directory_that_is_gone_costs_the_copy_only)
{
	static const uint64_t all[] = {1, 2};

	open_new();
	put(&st, 1);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(rmdir(dir), 0);
	open_again();
	ck_assert_int_eq(state_degraded(&st), 1);
	ck_assert_int_eq(ngrown, 1);
	put(&st, 2);
	open_again();
	expect_replayed(2, all);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	state_maintain(&st);
	ck_assert_int_eq(state_degraded(&st), 0);
	expect_copy();
}
END_TEST

/* --- damage --- */

START_TEST(a_last_line_cut_anywhere_costs_itself_only)
{
	static const uint64_t all[] = {1, 2, 3}, without[] = {1, 3};
	off_t begin, end, cut;

	for (cut = 0, end = 1; cut < end; cut++) {
		open_new();
		put(&st, 1);
		begin = journal_size();
		put(&st, 2);
		end = journal_size() - begin;
		ck_assert_int_eq(ftruncate(st.fd, begin + cut), 0);
		open_again();
		put(&st, 3);
		open_again();
		/* Without its newline alone, it is whole. */
		if (cut == end - 1)
			expect_replayed(3, all);
		else
			expect_replayed(2, without);
		state_close(&st);
	}
}
END_TEST

START_TEST(a_flipped_bit_costs_its_line_only)
{
	static const uint64_t all[] = {1, 3};
	off_t begin, end, i;
	char c;

	open_new();
	ck_assert_int_eq(fcntl(st.fd, F_SETFL, 0), 0); /* no O_APPEND */
	put(&st, 1);
	begin = journal_size();
	put(&st, 2);
	end = journal_size() - 1; /* its newline stands */
	put(&st, 3);
	for (i = begin; i < end; i++) {
		ck_assert_int_eq(pread(st.fd, &c, 1, i), 1);
		c ^= 1;
		ck_assert_int_eq(pwrite(st.fd, &c, 1, i), 1);
		open_again();
		expect_replayed(2, all);
		c ^= 1;
		ck_assert_int_eq(pwrite(st.fd, &c, 1, i), 1);
	}
}
END_TEST

/* Bytes as they are, behind what is there. */
static void
add_raw(const char *bytes, size_t len)
{
	ck_assert_int_eq(write(st.fd, bytes, len), (ssize_t)len);
}

static void
add_header(int schema, uint64_t epoch, const char *name)
{
	struct record r = {.kind = RECORD_FLEET,
	    .u.fleet = {.schema = schema, .epoch = epoch}};
	char line[RECORD_MAX];

	snprintf(r.u.fleet.name, sizeof(r.u.fleet.name), "%s", name);
	add_raw(line, record_format(&r, line));
}

/* What is no record, at its place among those that are. */
static void
expect_skipped(const char *bytes, size_t len)
{
	static const uint64_t all[] = {1, 2};

	open_new();
	put(&st, 1);
	add_raw(bytes, len);
	put(&st, 2);
	open_again();
	expect_replayed(2, all);
	state_close(&st);
}

/* A line of a kind that we do not know, its checksum right. */
static size_t
foreign_kind(char *line)
{
	static const char body[] = "supper name=w deaths=9";

	return (size_t)sprintf(
	    line, "%08x %s\n", crc_ieee(body, sizeof(body) - 1), body);
}

START_TEST(what_is_no_record_is_skipped_wherever_it_stands)
{
	char text[3 * RECORD_MAX];

	expect_skipped("torn\n", 5);
	expect_skipped("\n\n\n", 3);
	expect_skipped("\0\0\0\n", 4);
	expect_skipped(text, foreign_kind(text));
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\n';
	expect_skipped(text, sizeof(text));
	memset(text, '\0', sizeof(text) - 1);
	expect_skipped(text, sizeof(text));
}
END_TEST

/* As a page that was never written reads. */
START_TEST(zeros_at_the_end_cost_nothing_else)
{
	static const uint64_t all[] = {1, 2};
	static const char zeros[4096];

	open_new();
	put(&st, 1);
	add_raw(zeros, sizeof(zeros));
	open_again();
	put(&st, 2);
	open_again();
	expect_replayed(2, all);
}
END_TEST

START_TEST(what_stands_behind_anothers_header_is_anothers)
{
	static const uint64_t all[] = {1, 4};

	open_new();
	put(&st, 1);
	add_header(RECORD_SCHEMA, EPOCH + 1, "other");
	put(&st, 2);
	add_header(RECORD_SCHEMA + 1, EPOCH + 2, "newer");
	put(&st, 3);
	add_header(RECORD_SCHEMA, EPOCH, "f");
	put(&st, 4);
	open_again();
	expect_replayed(2, all);
	ck_assert_int_eq(nheld, 0);
}
END_TEST

START_TEST(an_empty_journal_is_begun_anew)
{
	struct err e;
	int held;

	open_new();
	put(&st, 1);
	ck_assert_int_eq(ftruncate(st.fd, 0), 0);
	held = dup(st.fd);
	state_close(&st);
	ck_assert_int_eq(open_at(held, dir, EPOCH, &e), 0);
	ck_assert_uint_eq(nreplayed, 0);
	ck_assert_int_eq(nheld, 1);
}
END_TEST

/* Sparse: its size is all there is. */
START_TEST(a_huge_journal_is_refused_and_not_forgotten)
{
	struct err e = {{0}};
	int held;

	open_new();
	held = dup(st.fd);
	state_close(&st);
	ck_assert_int_eq(ftruncate(held, (off_t)1 << 40), 0);
	ck_assert_int_eq(open_at(held, dir, EPOCH, &e), -1);
	ck_assert_str_eq(e.text, "cannot read state: File too large");
}
END_TEST

START_TEST(a_symbolic_link_in_its_place_is_not_followed)
{
	char target[96], next[96];
	struct stat s;

	snprintf(target, sizeof(target), "%s/target", dir);
	snprintf(next, sizeof(next), "%s.new", path);
	ck_assert_int_eq(symlink(target, path), 0);
	ck_assert_int_eq(symlink(target, next), 0);
	open_new();
	put(&st, 1);
	expect_copy();
	ck_assert_int_eq(lstat(path, &s), 0);
	ck_assert_int_eq(s.st_mode, S_IFREG | 0600);
	ck_assert_int_eq(lstat(target, &s), -1);
	ck_assert_int_eq(lstat(next, &s), -1);
}
END_TEST

/* --- schemas --- */

/* As an older svd has left it. */
static int
open_of_schema(int schema, struct err *e)
{
	int held = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	st.fd = held;
	add_header(schema, EPOCH, "f");
	put(&st, 1);
	return open_at(held, dir, EPOCH, e);
}

static int
schema_of(int fd)
{
	struct record_reader rd;
	struct record r;
	size_t len;
	char *text;

	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	text = fd_read_all(fd, SIZE_MAX / 2, &len);
	record_read(&rd, text, len);
	ck_assert_int_eq(record_next(&rd, &r), 1);
	free(text);
	return r.u.fleet.schema;
}

/* So that who wrote it can take it back. */
START_TEST(an_older_schema_stays_until_it_is_renewed)
{
	static const uint64_t kept[] = {1001, 1002};
	struct err e;
	uint64_t n = 0;

	ck_assert_int_eq(open_of_schema(RECORD_SCHEMA_OLDEST, &e), 0);
	ck_assert_uint_eq(nreplayed, 1);
	st.dump = dump_cb;
	while (st.size < STATE_REWRITE_BYTES)
		put(&st, n++);
	state_maintain(&st);
	ck_assert_int_eq(schema_of(st.fd), RECORD_SCHEMA_OLDEST);
	state_renew(&st);
	ck_assert_int_eq(schema_of(st.fd), RECORD_SCHEMA);
	expect_copy();
	open_again();
	expect_replayed(2, kept);
}
END_TEST

START_TEST(an_unknown_schema_is_named)
{
	struct err e = {{0}};
	char want[96];

	ck_assert_int_eq(open_of_schema(RECORD_SCHEMA_OLDEST - 1, &e), -1);
	snprintf(want, sizeof(want),
	    "state is of schema %d, this svd reads schema %d to %d",
	    RECORD_SCHEMA_OLDEST - 1, RECORD_SCHEMA_OLDEST, RECORD_SCHEMA);
	ck_assert_str_eq(e.text, want);
}
END_TEST

/* --- growth --- */

START_TEST(it_asks_to_be_written_anew_when_it_has_grown)
{
	uint64_t n = 0;

	open_new();
	st.dump = dump_cb;
	while (ngrown == 0)
		put(&st, n++);
	ck_assert_uint_ge(st.size, STATE_REWRITE_BYTES);
	ck_assert_uint_lt(st.size, STATE_REWRITE_BYTES + RECORD_MAX);
	ck_assert_int_eq((int)journal_size(), (int)st.size);
}
END_TEST

START_TEST(written_anew_it_says_what_matters)
{
	static const uint64_t kept[] = {1001, 1002, 5};
	uint64_t n = 0;

	open_new();
	st.dump = dump_cb;
	while (ngrown == 0)
		put(&st, n++);
	state_maintain(&st);
	ck_assert_int_eq(nheld, 2);
	ck_assert_int_eq((int)journal_size(), (int)st.size);
	ck_assert_uint_lt(st.size, STATE_REWRITE_BYTES);
	put(&st, 5);
	expect_copy();
	open_again();
	expect_replayed(3, kept);
	ck_assert_int_eq(nheld, 0);
}
END_TEST

START_TEST(it_is_left_alone_before)
{
	open_new();
	st.dump = dump_cb;
	put(&st, 1);
	state_maintain(&st);
	ck_assert_int_eq(nheld, 1);
	ck_assert_int_eq(ngrown, 0);
}
END_TEST

static void
dump_many(struct state *to, void *arg)
{
	uint64_t n;

	(void)arg;
	for (n = 0; n < 3000; n++)
		put(to, n);
}

START_TEST(what_matters_may_be_large)
{
	size_t live;
	uint64_t n = 0;

	open_new();
	st.dump = dump_many;
	while (ngrown == 0)
		put(&st, n++);
	state_maintain(&st);
	live = st.size;
	ck_assert_uint_gt(live, STATE_REWRITE_BYTES);
	ngrown = 0;
	while (ngrown == 0)
		put(&st, n++);
	ck_assert_uint_ge(st.size, 2 * live);
}
END_TEST

/* --- a full disk --- */

/* Files may not grow beyond this any more; Check's own neither. */
static void
limit_files(rlim_t bytes)
{
	struct rlimit l;

	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &l), 0);
	l.rlim_cur = bytes;
	if (setrlimit(RLIMIT_FSIZE, &l) == -1)
		abort();
}

START_TEST(a_failed_write_is_noted_and_mended)
{
	static const uint64_t kept[] = {1001, 1002};
	off_t size;

	open_new();
	st.dump = dump_cb;
	put(&st, 1);
	size = journal_size();
	limit_files((rlim_t)size);
	put(&st, 2);
	limit_files(RLIM_INFINITY);
	ck_assert_int_eq(state_degraded(&st), 1);
	ck_assert_int_eq(ngrown, 1);
	ck_assert_int_eq(journal_size(), size);
	state_maintain(&st);
	ck_assert_int_eq(state_degraded(&st), 0);
	ck_assert_int_eq(nheld, 2);
	expect_copy();
	open_again();
	expect_replayed(2, kept);
}
END_TEST

START_TEST(half_a_line_does_not_spoil_the_next)
{
	static const uint64_t all[] = {1, 3};
	off_t size;

	open_new();
	put(&st, 1);
	size = journal_size();
	limit_files((rlim_t)size + 10);
	put(&st, 2);
	limit_files(RLIM_INFINITY);
	ck_assert_int_eq(journal_size(), size + 10);
	ck_assert_int_eq(state_degraded(&st), 1);
	put(&st, 3);
	open_again();
	expect_replayed(2, all);
}
END_TEST

START_TEST(a_failed_rewrite_leaves_the_old_journal)
{
	static const uint64_t all[] = {1, 2};

	open_new();
	st.dump = dump_cb;
	put(&st, 1);
	st.failed = 1;
	limit_files(10);
	state_maintain(&st);
	limit_files(RLIM_INFINITY);
	ck_assert_int_eq(state_degraded(&st), 1);
	ck_assert_int_eq(nheld, 1);
	put(&st, 2);
	open_again();
	expect_replayed(2, all);
}
END_TEST

START_TEST(a_full_disk_costs_the_copy_only)
{
	static const uint64_t all[] = {1, 2, 3};
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	open_new();
	put(&st, 1);
	ck_assert_int_ne(dup2(full, st.file), -1);
	close(full);
	put(&st, 2);
	ck_assert_int_eq(st.failed, 0);
	ck_assert_int_eq(state_degraded(&st), 1);
	ck_assert_int_eq(ngrown, 1);
	put(&st, 3);
	state_maintain(&st);
	ck_assert_int_eq(state_degraded(&st), 0);
	ck_assert_int_eq(nheld, 1); /* the journal is the same */
	expect_copy();
	open_again();
	expect_replayed(3, all);
}
END_TEST

START_TEST(room_is_reserved_before_it_is_needed)
{
	struct stat s;
	uint64_t n;

	open_new();
	for (n = 0; n < 500; n++) {
		ck_assert_int_eq(state_reserve(&st), 0);
		ck_assert_int_eq(fstat(st.fd, &s), 0);
		ck_assert_int_ge(
		    s.st_blocks * 512, s.st_size + STATE_LIFE_BYTES);
		put(&st, n);
	}
	ck_assert_ptr_null(state_trouble(&st));
}
END_TEST

/* Room is had in large pieces: the last one lasts a while. */
START_TEST(without_room_nobody_is_born_and_it_is_mended)
{
	uint64_t n = 0;

	open_new();
	st.dump = dump_cb;
	ck_assert_int_eq(state_reserve(&st), 0);
	limit_files((rlim_t)st.room);
	while (state_reserve(&st) == 0)
		put(&st, n++);
	limit_files(RLIM_INFINITY);
	ck_assert_int_eq(errno, EFBIG);
	ck_assert_uint_gt(n, 100);
	ck_assert_str_eq(state_trouble(&st),
	    "no room to record what happens: File too large");
	/* Nothing is missing. */
	ck_assert_int_eq(state_behind(&st), 0);
	ck_assert_int_gt(ngrown, 0);
	state_maintain(&st);
	ck_assert_ptr_null(state_trouble(&st));
	ck_assert_int_eq(state_reserve(&st), 0);
}
END_TEST

START_TEST(what_is_wrong_is_told_the_worst_first)
{
	char want[STATE_TROUBLE_SIZE];
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	open_new();
	ck_assert_ptr_null(state_trouble(&st));
	ck_assert_int_ne(dup2(full, st.file), -1);
	put(&st, 1);
	snprintf(want, sizeof(want),
	    "cannot write '%s/state': No space left on device", dir);
	ck_assert_str_eq(state_trouble(&st), want);
	ck_assert_int_eq(state_behind(&st), 0);
	ck_assert_int_ne(dup2(full, st.fd), -1);
	put(&st, 2);
	close(full);
	ck_assert_str_eq(state_trouble(&st),
	    "cannot record what happens: No space left on device");
	ck_assert_int_eq(state_behind(&st), 1);
	ck_assert_int_eq(state_reserve(&st), -1);
	ck_assert_int_eq(errno, ENOSPC);
	st.dump = dump_cb;
	state_maintain(&st);
	ck_assert_ptr_null(state_trouble(&st));
	expect_copy();
}
END_TEST

START_TEST(the_header_is_of_this_boot_and_pid_namespace)
{
	struct fleet_record h;
	struct stat s;

	state_fill_header(&h, "fleet", 42);
	ck_assert_int_eq(h.schema, RECORD_SCHEMA);
	ck_assert_uint_eq(h.epoch, 42);
	ck_assert_str_eq(h.name, "fleet");
	ck_assert_uint_eq(strlen(h.boot_id), 36);
	ck_assert_int_eq(stat("/proc/self/ns/pid", &s), 0);
	ck_assert_uint_eq(h.pidns, s.st_ino);
}
END_TEST

static TCase *
opening(void)
{
	TCase *t = tcase_create("opening");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, a_new_journal_is_private_and_says_whose_it_is);
	tcase_add_test(t, what_was_put_is_replayed_in_order);
	tcase_add_test(t, a_successor_appends);
	tcase_add_test(t, a_journal_of_another_keeper_is_replaced);
	tcase_add_test(t, a_file_that_nobody_holds_is_replaced);
	tcase_add_test(t, a_newer_schema_is_refused_clearly);
	tcase_add_test(t, an_older_schema_stays_until_it_is_renewed);
	tcase_add_test(t, an_unknown_schema_is_named);
	tcase_add_test(t, what_is_held_goes_before_what_is_in_place);
	tcase_add_test(t, without_a_directory_it_has_no_copy);
	tcase_add_test(t, a_directory_that_is_gone_costs_the_copy_only);
	tcase_add_test(t, the_header_is_of_this_boot_and_pid_namespace);
	return t;
}

static TCase *
damage(void)
{
	TCase *t = tcase_create("damage");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, a_last_line_cut_anywhere_costs_itself_only);
	tcase_add_test(t, a_flipped_bit_costs_its_line_only);
	tcase_add_test(t, a_failed_write_is_noted_and_mended);
	tcase_add_test(t, half_a_line_does_not_spoil_the_next);
	tcase_add_test(t, a_failed_rewrite_leaves_the_old_journal);
	tcase_add_test(t, a_full_disk_costs_the_copy_only);
	tcase_add_test(t, what_is_no_record_is_skipped_wherever_it_stands);
	tcase_add_test(t, zeros_at_the_end_cost_nothing_else);
	tcase_add_test(t, what_stands_behind_anothers_header_is_anothers);
	tcase_add_test(t, an_empty_journal_is_begun_anew);
	tcase_add_test(t, a_huge_journal_is_refused_and_not_forgotten);
	tcase_add_test(t, a_symbolic_link_in_its_place_is_not_followed);
	tcase_add_test(t, room_is_reserved_before_it_is_needed);
	tcase_add_test(t, without_room_nobody_is_born_and_it_is_mended);
	tcase_add_test(t, what_is_wrong_is_told_the_worst_first);
	return t;
}

static TCase *
growth(void)
{
	TCase *t = tcase_create("growth");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, it_asks_to_be_written_anew_when_it_has_grown);
	tcase_add_test(t, written_anew_it_says_what_matters);
	tcase_add_test(t, it_is_left_alone_before);
	tcase_add_test(t, what_matters_may_be_large);
	return t;
}

int
main(void)
{
	Suite *s = suite_create("state");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, opening());
	suite_add_tcase(s, damage());
	suite_add_tcase(s, growth());
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
