/* Several streams that end in one ring: each line is whole, whoever is killed
 * in the middle of one, and nobody waits for ever for another's. */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"
#include "logger/ring.h"
#include "logger/rings.h"
#include "logger/shared.h"
#include "logger/streams.h"
#include "fake_link.c"

#define RING_KEY "file:1"
#define LONG 150000 /* more than a FIFO holds */
#define LATE_MS 1000
#define NAMES 3

static const char *const keys[NAMES] = {"out:a:0", "out:b:0", "out:c:0"};
static struct logger *lg;
static struct ring *r;
static struct stream *streams[NAMES];
static int fifos[NAMES], held = -1; /* what the keeper holds */
static uint64_t at;                 /* looked at so far */
static int64_t now;
static char seen[4 * LONG];

void
link_hold(struct link *l, const char *name, int fd)
{
	(void)l;
	ck_assert_str_eq(name, "ring:" RING_KEY);
	held = dup(fd);
}

int
link_open(struct link *l, int sock, struct err *e)
{
	(void)l;
	(void)sock;
	(void)e;
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

/* A logger begins; cursors: those of the one before, or -1. */
static void
begin(int cursors)
{
	static struct logger *lives[16];
	static size_t nlives;
	struct err e;

	/* Those that were killed: nobody has freed what they had. */
	ck_assert_uint_lt(nlives, sizeof(lives) / sizeof(*lives));
	lg = lives[nlives++] = calloc(1, sizeof(*lg));
	TAILQ_INIT(&lg->all_rings);
	TAILQ_INIT(&lg->uncopied);
	TAILQ_INIT(&lg->all_streams);
	TAILQ_INIT(&lg->unused_streams);
	TAILQ_INIT(&lg->terminals);
	TAILQ_INIT(&lg->ready);
	TAILQ_INIT(&lg->blocked);
	TAILQ_INIT(&lg->pieces);
	lg->store.dir = lg->pair = -1;
	lg->epoll = epoll_create1(EPOLL_CLOEXEC);
	ck_assert_int_eq(pipe2(lg->scratch, O_NONBLOCK), 0);
	ck_assert_int_eq(cursors_open(&lg->cursors, cursors, &e), 0);
}

static void
join(int i)
{
	struct ring_conf conf = {.path = "/nowhere/log", .kind = OUTPUT_FILE};

	r = rings_get(lg, RING_KEY, &conf);
	ck_assert_ptr_nonnull(r);
	streams[i] = streams_get(lg, keys[i]);
	streams_handed(lg, keys[i], dup(fifos[i]));
	streams_direct(lg, streams[i], r, now);
}

static void
set_up(void)
{
	char name[] = "/tmp/test_shared.XXXXXX", fifo[64];
	int i;

	ck_assert_ptr_nonnull(mkdtemp(name));
	for (i = 0; i < NAMES; i++) {
		snprintf(fifo, sizeof(fifo), "%s/%d", name, i);
		ck_assert_int_eq(mkfifo(fifo, 0600), 0);
		fifos[i] = open(fifo, O_RDWR | O_NONBLOCK);
		ck_assert_int_ne(fifos[i], -1);
		unlink(fifo);
	}
	rmdir(name);
	sys_sigmask(SIG_BIT(SIGIO));
	at = 0;
	now = 1000;
	begin(-1);
}

/* The next one has what the keeper holds. */
static void
killed(void)
{
	int cursors = dup(lg->cursors.fd), i;
	struct cursor *c = r->c;

	begin(cursors);
	c = &lg->cursors.list[0];
	ck_assert_str_eq(c->key, RING_KEY);
	names_put(&lg->entries, RING_KEY, (intptr_t)c);
	names_put(&lg->held, "ring:" RING_KEY, dup(held));
	for (i = NAMES - 1; i >= 0; i--)
		if (streams[i] != NULL)
			join(i);
}

static void
turns(int n)
{
	while (n-- > 0) {
		streams_end_lines(lg, now);
		streams_turn(lg, now);
		r->c->done = r->c->pos;
	}
}

static void
put(int i, const char *text)
{
	ck_assert_int_eq(
	    write(fifos[i], text, strlen(text)), (ssize_t)strlen(text));
	streams_ready(lg, streams[i]);
}

/* What was added to the ring since it was last looked at. */
static const char *
look(void)
{
	size_t len = 0;
	ssize_t n;

	while (at < r->c->pos) {
		n = ring_read(
		    r->fd, r->c->window, at, seen + len, r->c->pos - at);
		ck_assert_int_gt(n, 0);
		len += (size_t)n;
		at += (uint64_t)n;
	}
	seen[len] = '\0';
	return seen;
}

#define expect(text) ck_assert_str_eq(look(), text)

/* --- tests ---------------------------------------------------------------- */

START_TEST(pieces_of_lines_wait_for_their_ends)
{
	join(0);
	join(1);
	put(0, "one\ntw");
	put(1, "1\n2");
	turns(2);
	expect("one\n1\n");
	put(0, "o\n");
	turns(2);
	expect("two\n");
	put(1, "\n");
	turns(1);
	expect("2\n");
}
END_TEST

/* It comes as its worker gets on with it. */
START_TEST(a_line_longer_than_its_fifo_is_whole)
{
	static char line[LONG + 1];
	size_t put_bytes = 0;
	ssize_t n;

	join(0);
	join(1);
	memset(line, 'x', LONG - 1);
	line[LONG - 1] = '\n';
	while (put_bytes < LONG) {
		n = write(fifos[0], line + put_bytes, LONG - put_bytes);
		ck_assert_int_gt(n, 0);
		put_bytes += (size_t)n;
		put(1, "b\n");
		streams_ready(lg, streams[0]);
		turns(1);
	}
	turns(2);
	look();
	ck_assert_mem_eq(seen, line, LONG);
	ck_assert_str_eq(seen + LONG, "b\nb\nb\n");
}
END_TEST

/* New pipes of a user who has many are of two pages, and one of these may be
 * all there is in it. */
START_TEST(a_line_in_a_small_pipe_is_whole)
{
	char first[5001] = "", second[1001] = "";

	memset(first, 'x', 5000);
	memset(second, 'y', 1000);
	second[999] = '\n';
	ck_assert_int_eq(fcntl(fifos[0], F_SETPIPE_SZ, 8192), 8192);
	join(0);
	join(1);
	put(0, first);
	put(1, "b\n");
	turns(2);
	put(0, second);
	put(1, "b\n");
	turns(3);
	look();
	ck_assert_mem_eq(seen, first, 5000);
	ck_assert_mem_eq(seen + 5000, second, 1000);
	ck_assert_str_eq(seen + 6000, "b\nb\n");
}
END_TEST

/* So may the one be that is looked into. */
START_TEST(more_than_can_be_looked_at_is_moved_line_by_line)
{
	char text[20001] = "";

	memset(text, 'x', 20000);
	text[12000] = text[19999] = '\n';
	ck_assert_int_eq(fcntl(lg->scratch[0], F_SETPIPE_SZ, 4096), 4096);
	join(0);
	join(1);
	put(0, text);
	while (write(fifos[0], text, 4096) > 0)
		;
	put(1, "b\n");
	turns(5);
	/* Up to the end of a line, not one more. */
	look();
	ck_assert_ptr_eq(strstr(seen, "b\n"), seen + 12001);
}
END_TEST

/* Once, twice, and each time at another place. */
START_TEST(who_was_killed_in_a_line_goes_on_with_it)
{
	struct cursor *c;

	join(0);
	join(1);
	put(0, "one and more\n");
	put(1, "b\n");
	c = r->c;
	shared_begin(streams[0]);
	ck_assert_int_eq(
	    splice(fifos[0], NULL, r->fd, (off_t *)&c->off, 3, 0), 3);
	killed();
	c = r->c;
	ck_assert_uint_eq(c->pos, 3);
	killed();
	c = r->c;
	ck_assert_int_eq(
	    splice(fifos[0], NULL, r->fd, (off_t *)&c->off, 4, 0), 4);
	killed();
	put(1, "c\n");
	turns(2);
	expect("one and more\nb\nc\n");
	/* At the end of a line: it is anybody's turn. */
	put(0, "one\ntwo\n");
	put(1, "b\n");
	c = r->c;
	shared_begin(streams[0]);
	ck_assert_int_eq(
	    splice(fifos[0], NULL, r->fd, (off_t *)&c->off, 4, 0), 4);
	killed();
	turns(2);
	ck_assert_ptr_nonnull(strstr(look(), "b\n"));
	ck_assert_uint_eq(strlen(seen), 10);
}
END_TEST

START_TEST(who_was_alone_ends_its_line_before_others)
{
	join(0);
	put(0, "on");
	turns(1);
	expect("on");
	join(1);
	put(1, "b\n");
	turns(1);
	expect("");
	killed();
	turns(2);
	expect("");
	put(0, "e\n");
	turns(2);
	expect("e\nb\n");
}
END_TEST

START_TEST(who_does_not_end_its_line_is_not_waited_for_long)
{
	join(0);
	put(0, "on");
	turns(1);
	join(1);
	join(2);
	put(1, "b\n");
	put(2, "c\n");
	turns(1);
	expect("on");
	now += LATE_MS - 1;
	turns(2);
	expect("");
	now++;
	turns(2);
	ck_assert_uint_eq(strlen(look()), 4);
	/* Just in time is in time: its end lies there, not yet looked at. */
	put(0, "e\n");
	put(1, "b");
	turns(2);
	expect("e\n");
}
END_TEST

START_TEST(a_line_that_has_come_while_nobody_looked_is_whole)
{
	join(0);
	put(0, "on");
	turns(1);
	join(1);
	put(1, "b\n");
	turns(1);
	now += 10 * LATE_MS;
	ck_assert_int_eq(write(fifos[0], "e\n", 2), 2);
	turns(2);
	expect("one\nb\n");
}
END_TEST

/* One that never ends its lines holds up the others once. */
START_TEST(a_flood_without_lines_holds_up_nobody)
{
	static char flood[65536];
	int i;

	memset(flood, 'x', sizeof(flood));
	join(0);
	join(1);
	for (i = 0; i < 3; i++) {
		while (write(fifos[0], flood, sizeof(flood)) > 0)
			;
		streams_ready(lg, streams[0]);
		put(1, "b\n");
		turns(2);
		look();
		ck_assert_uint_ge(strlen(seen), sizeof(flood));
		if (i > 0)
			ck_assert_ptr_nonnull(strstr(seen, "b\n"));
		now += LATE_MS;
	}
}
END_TEST

/* Nor does one that ends a line only to begin another. */
START_TEST(who_dawdles_again_and_again_is_waited_for_ever_less)
{
	int64_t start;
	int i;

	join(0);
	ck_assert_int_eq(fcntl(fifos[0], F_SETPIPE_SZ, 4096), 4096);
	join(1);
	for (i = 0; i < 10; i++) {
		put(0, "\nfull");
		turns(3);
		put(1, "b\n");
		for (start = now; strstr(look(), "b\n") == NULL; now++)
			turns(2);
		ck_assert_int_le(now - start, (LATE_MS >> (i < 7 ? i : 7)) + 1);
		if (i < 8)
			ck_assert_int_ge(now - start, LATE_MS >> i);
	}
	ck_assert_int_lt(now - start, 10);
}
END_TEST

/* A full disk: for the end of the line there is no room. */
START_TEST(a_line_is_not_given_up_while_there_is_no_room)
{
	join(0);
	put(0, "on");
	turns(1);
	join(1);
	r->c->pos += RING_MAX;
	put(0, "e\n");
	put(1, "b\n");
	streams_end_lines(lg, now);
	streams_turn(lg, now);
	now += 2 * LATE_MS;
	streams_end_lines(lg, now);
	streams_turn(lg, now);
	r->c->pos -= RING_MAX;
	turns(2);
	expect("one\nb\n");
}
END_TEST

START_TEST(who_leaves_is_waited_for_no_more)
{
	join(0);
	put(0, "on");
	turns(1);
	join(1);
	join(2);
	put(0, "e and a half");
	put(1, "b\n");
	put(2, "c\n");
	streams[0]->leaving = 1;
	turns(3);
	look();
	ck_assert_mem_eq(seen, "one and a half", 14);
	ck_assert_uint_eq(strlen(seen), 18);
}
END_TEST

START_TEST(at_the_end_all_is_moved_line_by_line)
{
	join(0);
	put(0, "on");
	turns(1);
	join(1);
	join(2);
	/* The last one comes first in the list of a new logger. */
	killed();
	put(2, "c\n");
	put(1, "b\nend");
	put(0, "e\nand");
	streams_begin_to_drain(lg);
	ck_assert_int_eq(streams_drain(lg, now), 1);
	look();
	ck_assert_mem_eq(seen, "one\n", 4);
	ck_assert_uint_eq(strlen(seen), 14);
	ck_assert_ptr_nonnull(strstr(seen, "\nb\nend"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("shared");
	TCase *t = tcase_create("shared");
	SRunner *runner = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, set_up, NULL);
	tcase_add_test(t, pieces_of_lines_wait_for_their_ends);
	tcase_add_test(t, a_line_longer_than_its_fifo_is_whole);
	tcase_add_test(t, a_line_in_a_small_pipe_is_whole);
	tcase_add_test(t, more_than_can_be_looked_at_is_moved_line_by_line);
	tcase_add_test(t, who_was_killed_in_a_line_goes_on_with_it);
	tcase_add_test(t, who_was_alone_ends_its_line_before_others);
	tcase_add_test(t, who_does_not_end_its_line_is_not_waited_for_long);
	tcase_add_test(t, a_line_that_has_come_while_nobody_looked_is_whole);
	tcase_add_test(t, a_flood_without_lines_holds_up_nobody);
	tcase_add_test(t, who_dawdles_again_and_again_is_waited_for_ever_less);
	tcase_add_test(t, a_line_is_not_given_up_while_there_is_no_room);
	tcase_add_test(t, who_leaves_is_waited_for_no_more);
	tcase_add_test(t, at_the_end_all_is_moved_line_by_line);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
