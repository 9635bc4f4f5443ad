/* terminals: what they show comes into the worker's FIFO, each byte once and in
 * order, and none is let go before it is empty. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"
#include "logger/readers.h"
#include "logger/streams.h"
#include "logger/terminals.h"
#include "fake_link.c"
#include "fake_log.c"

static struct logger lg;
static struct stream web;
static struct ring own_ring;
static char dropped[256], over[256];
static int ready, cannot_splice;

/* --- what is around it ---------------------------------------------------- */

int
link_open(struct link *l, int sock, struct err *e)
{
	(void)l;
	(void)sock;
	return err_set(e, "none");
}

int
link_take(struct link *l, const char *name)
{
	(void)l;
	(void)name;
	return -1;
}

void
link_hold(struct link *l, const char *name, int fd)
{
	(void)l;
	(void)name;
	(void)fd;
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
	size_t len = strlen(dropped);

	(void)l;
	snprintf(dropped + len, sizeof(dropped) - len, "%s ", name);
}

void
readers_start(struct logger *l, const struct pl_msg *m, const int *fds,
    size_t nfds, int64_t now)
{
	(void)l;
	(void)m;
	(void)fds;
	(void)nfds;
	(void)now;
}

int
readers_reaped(struct logger *l, pid_t pid)
{
	(void)l;
	(void)pid;
	return 0;
}

void
readers_look(struct logger *l)
{
	(void)l;
}

/* What is in the FIFO then is all that this life has shown. */
void
readers_life_over(
    struct logger *l, const char *id, unsigned long long generation)
{
	size_t len = strlen(over);

	(void)l;
	snprintf(over + len, sizeof(over) - len, "%s:%llu ", id, generation);
}

void
readers_finish(struct logger *l)
{
	(void)l;
}

size_t
readers_count(const struct logger *l)
{
	(void)l;
	return 0;
}

void
streams_handed(struct logger *l, const char *name, int fd)
{
	(void)l;
	(void)name;
	(void)fd;
}

struct stream *
streams_get(struct logger *l, const char *key)
{
	(void)l;
	(void)key;
	return NULL;
}

void
streams_direct(struct logger *l, struct stream *s, struct ring *r, int64_t now)
{
	(void)l;
	(void)s;
	(void)r;
	(void)now;
}

void
streams_ready(struct logger *l, struct stream *s)
{
	(void)l;
	ready += s == &web;
}

int
streams_turn(struct logger *l, int64_t now)
{
	(void)l;
	(void)now;
	return 0;
}

int
streams_can_go_on(const struct logger *l)
{
	(void)l;
	return 0;
}

void
streams_look_at_all(struct logger *l, int64_t now)
{
	(void)l;
	(void)now;
}

void
streams_end_lines(struct logger *l, int64_t now)
{
	(void)l;
	(void)now;
}

void
streams_look_at_pieces(struct logger *l)
{
	(void)l;
}

void
streams_leave(struct logger *l)
{
	(void)l;
}

void
streams_begin_to_drain(struct logger *l)
{
	(void)l;
}

int
streams_drain(struct logger *l, int64_t now)
{
	(void)l;
	(void)now;
	return 1;
}

/* The kernel's, or that of one that cannot. */
ssize_t
splice(int from, off64_t *from_at, int to, off64_t *to_at, size_t len,
    unsigned int flags)
{
	if (!cannot_splice)
		return syscall(
		    SYS_splice, from, from_at, to, to_at, len, flags);
	errno = EINVAL;
	return -1;
}

static int
make_fifo(void)
{
	char path[32];
	int ends[2], fd;

	ck_assert_int_eq(pipe(ends), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
	fd = open(path, O_RDWR | O_NONBLOCK);
	ck_assert_int_ne(fd, -1);
	close(ends[0]);
	close(ends[1]);
	return fd;
}

static void
set_up(void)
{
	lg = (struct logger){.epoll = epoll_create1(0)};
	TAILQ_INIT(&lg.terminals);
	ck_assert_int_ne(lg.epoll, -1);
	web = (struct stream){.key = "out:web:0", .fd = make_fifo()};
	ck_assert_int_eq(names_put(&lg.streams, web.key, (intptr_t)&web), 0);
	lg.own = &own_ring;
	dropped[0] = over[0] = '\0';
	ready = cannot_splice = 0;
}

static void
tear_down(void)
{
	terminals_leave(&lg);
	names_release(&lg.streams);
	fd_close(&web.fd);
	fd_close(&lg.epoll);
}

/* One that is held under name; what is returned is the worker's end. */
static int
have(const char *name)
{
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
	int locked = 0, slave;
	struct termios t;

	ck_assert_int_ne(master, -1);
	ck_assert_int_eq(ioctl(master, TIOCSPTLCK, &locked), 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	ck_assert_int_ne(slave, -1);
	ck_assert_int_eq(tcgetattr(slave, &t), 0);
	cfmakeraw(&t);
	ck_assert_int_eq(tcsetattr(slave, TCSANOW, &t), 0);
	ck_assert_int_eq(terminals_handed(&lg, name, master), 1);
	return slave;
}

static void
show(int slave, const char *text)
{
	ck_assert_int_eq(
	    (int)write(slave, text, strlen(text)), (int)strlen(text));
}

/* All that can be moved now, as it is then in the FIFO. */
static const char *
moved(void)
{
	static char text[65536];
	ssize_t n;

	while (terminals_pump(&lg, &web) > 0)
		;
	n = read(web.fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* --- the tests ------------------------------------------------------------ */

START_TEST(what_it_shows_is_moved)
{
	int slave = have("tty:web:0:1");

	cannot_splice = _i;
	ck_assert_int_gt(ready, 0);
	ck_assert_str_eq(moved(), "");
	show(slave, "a prompt ");
	ck_assert_str_eq(moved(), "a prompt ");
	show(slave, "more");
	/* Nobody has it open: it may be opened again. */
	close(slave);
	ck_assert_str_eq(moved(), "more");
	ck_assert_str_eq(dropped, "");
}
END_TEST

START_TEST(what_is_something_else_is_not_taken)
{
	static const char *const names[] = {"out:web:0", "tty", "tty:1",
	    "rest:", "tty:web:0:x", "in:web:0:1",
	    "tty:0123456789012345678901234567890123456789012345678901234567:0:"
	    "1"};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		ck_assert_int_eq(terminals_handed(&lg, names[i], -1), 0);
	ck_assert(TAILQ_EMPTY(&lg.terminals));
}
END_TEST

START_TEST(an_older_life_comes_first_and_is_let_go_when_empty)
{
	int next = have("tty:web:0:10"), old = have("tty:web:0:9");

	show(next, "new");
	show(old, "old ");
	/* More may come of it: it is not known to be over. */
	ck_assert_str_eq(moved(), "old ");
	ck_assert_int_eq(terminals_handed(&lg, "rest:web:0:9", dup(old)), 1);
	show(old, "last words ");
	ck_assert_str_eq(moved(), "last words new");
	ck_assert_str_eq(dropped, "rest:web:0:9 ");
	close(old);
	close(next);
}
END_TEST

START_TEST(one_that_is_left_over_is_emptied_too)
{
	/* As a new logger is given them. */
	int next = have("tty:web:0:2"), old = have("rest:web:0:1");

	show(old, "1");
	show(next, "2");
	ck_assert_str_eq(moved(), "12");
	ck_assert_str_eq(dropped, "rest:web:0:1 ");
	ck_assert_str_eq(over, "web:0:1 ");
	close(old);
	close(next);
}
END_TEST

START_TEST(a_full_fifo_lets_nothing_go)
{
	static char fill[4096];
	int old = have("rest:web:0:1");

	cannot_splice = _i;
	while (write(web.fd, fill, sizeof(fill)) > 0)
		;
	show(old, "kept");
	ck_assert_uint_eq(terminals_pump(&lg, &web), 0);
	ck_assert_str_eq(dropped, "");
	while (read(web.fd, fill, sizeof(fill)) > 0)
		;
	ck_assert_str_eq(moved(), "kept");
	ck_assert_str_eq(dropped, "rest:web:0:1 ");
	ck_assert_str_eq(over, "web:0:1 ");
	close(old);
}
END_TEST

START_TEST(it_waits_for_its_fifo)
{
	int slave;

	names_take(&lg.streams, web.key, 0);
	slave = have("tty:web:0:1");
	show(slave, "early");
	ck_assert_int_eq(ready, 0);
	ck_assert_uint_eq(terminals_pump(&lg, &web), 0);
	terminals_join(&lg, &web);
	ck_assert_int_gt(ready, 0);
	ck_assert_str_eq(moved(), "early");
	close(slave);
}
END_TEST

START_TEST(a_worker_that_leaves_takes_it_along)
{
	int slave = have("tty:web:0:1");

	terminals_part(&lg, &web);
	names_take(&lg.streams, web.key, 0);
	ck_assert_str_eq(dropped, "");
	ck_assert_int_eq(terminals_handed(&lg, "rest:web:0:1", dup(slave)), 1);
	ck_assert_str_eq(dropped, "rest:web:0:1 ");
	ck_assert_str_eq(over, "web:0:1 ");
	ck_assert(TAILQ_EMPTY(&lg.terminals));
	close(slave);
}
END_TEST

START_TEST(what_is_nobodys_at_the_start_is_dropped)
{
	int slave;

	names_take(&lg.streams, web.key, 0);
	lg.own = NULL; /* no table has come yet */
	slave = have("rest:web:0:1");
	close(have("tty:web:0:2"));
	ck_assert_str_eq(dropped, "");
	terminals_drop_left_over(&lg);
	ck_assert_str_eq(dropped, "rest:web:0:1 ");
	ck_assert_str_eq(over, "web:0:1 ");
	close(slave);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("terminals");
	TCase *tc = tcase_create("terminals");
	SRunner *runner = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, what_it_shows_is_moved, 0, 2);
	tcase_add_test(tc, what_is_something_else_is_not_taken);
	tcase_add_test(tc, an_older_life_comes_first_and_is_let_go_when_empty);
	tcase_add_test(tc, one_that_is_left_over_is_emptied_too);
	tcase_add_loop_test(tc, a_full_fifo_lets_nothing_go, 0, 2);
	tcase_add_test(tc, it_waits_for_its_fifo);
	tcase_add_test(tc, a_worker_that_leaves_takes_it_along);
	tcase_add_test(tc, what_is_nobodys_at_the_start_is_dropped);
	suite_add_tcase(s, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
