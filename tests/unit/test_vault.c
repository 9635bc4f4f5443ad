/* Descriptors that outlast every supervisor. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/chan.h"
#include "keeper/vault.h"

static struct vault v;

static int
new_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	ck_assert_int_ne(fd, -1);
	return fd;
}

static int
is_open(int fd)
{
	return fcntl(fd, F_GETFD) != -1;
}

static void
set_up(void)
{
	memset(&v, 0, sizeof(v));
}

static void
tear_down(void)
{
	while (v.n > 0)
		vault_drop(&v, v.entries[0].name);
}

START_TEST(what_is_held_is_had_by_name)
{
	int a = new_fd(), b = new_fd();

	ck_assert_int_eq(vault_hold(&v, "a", a), 0);
	ck_assert_int_eq(vault_hold(&v, "b", b), 0);
	ck_assert_int_eq(vault_get(&v, "a"), a);
	ck_assert_int_eq(vault_get(&v, "b"), b);
	ck_assert_int_eq(vault_get(&v, "c"), -1);
	ck_assert_int_eq(vault_get(&v, ""), -1);
}
END_TEST

START_TEST(a_name_held_again_replaces_and_closes)
{
	int old = new_fd(), new = new_fd();

	ck_assert_int_eq(vault_hold(&v, "a", old), 0);
	ck_assert_int_eq(vault_hold(&v, "a", new), 0);
	ck_assert_uint_eq(v.n, 1);
	ck_assert_int_eq(vault_get(&v, "a"), new);
	ck_assert(!is_open(old) && is_open(new));
}
END_TEST

START_TEST(what_is_dropped_is_closed_and_others_stay)
{
	int a = new_fd(), b = new_fd(), c = new_fd();

	vault_hold(&v, "a", a);
	vault_hold(&v, "b", b);
	vault_hold(&v, "c", c);
	ck_assert_int_eq(vault_drop(&v, "a"), 0);
	ck_assert(!is_open(a) && is_open(b) && is_open(c));
	ck_assert_int_eq(vault_get(&v, "a"), -1);
	ck_assert_int_eq(vault_get(&v, "b"), b);
	ck_assert_int_eq(vault_get(&v, "c"), c);
	ck_assert_int_eq(vault_drop(&v, "a"), -1);
	ck_assert_uint_eq(v.n, 2);
}
END_TEST

START_TEST(a_name_too_long_or_empty_is_refused_and_closed)
{
	char name[KEEPER_NAME_MAX + 2];
	int fd = new_fd();

	memset(name, 'n', sizeof(name));
	name[KEEPER_NAME_MAX + 1] = '\0';
	ck_assert_int_eq(vault_hold(&v, name, fd), -1);
	ck_assert(!is_open(fd));
	fd = new_fd();
	ck_assert_int_eq(vault_hold(&v, "", fd), -1);
	ck_assert(!is_open(fd));
	ck_assert_uint_eq(v.n, 0);
	name[KEEPER_NAME_MAX] = '\0';
	ck_assert_int_eq(vault_hold(&v, name, new_fd()), 0);
	ck_assert_int_ne(vault_get(&v, name), -1);
}
END_TEST

START_TEST(a_full_vault_refuses_and_still_replaces)
{
	int fd = new_fd(), new = new_fd();

	vault_hold(&v, "a", new_fd());
	v.n = VAULT_MAX; /* the others have no name */
	ck_assert_int_eq(vault_hold(&v, "b", fd), -1);
	ck_assert(!is_open(fd));
	ck_assert_uint_eq(v.n, VAULT_MAX);
	ck_assert_int_eq(vault_hold(&v, "a", new), 0);
	ck_assert_int_eq(vault_get(&v, "a"), new);
	v.n = 1;
}
END_TEST

/* Holds the reading end of a new pair; its writing end. */
static int
hold_socket(const char *name)
{
	int pair[2];

	ck_assert_int_eq(chan_pair(pair), 0);
	ck_assert_int_eq(vault_hold(&v, name, pair[0]), 0);
	return pair[1];
}

START_TEST(only_what_is_read_to_its_end_is_drained)
{
	int ended = hold_socket("births:1"), full = hold_socket("births:2"),
	    open_end = hold_socket("births:3"), other = hold_socket("other"),
	    also_ended = hold_socket("births:4");

	ck_assert_int_eq(chan_send(full, "x", 1, NULL, 0, 0), 0);
	close(ended);
	close(full);
	close(other);
	close(also_ended);
	vault_drop_drained(&v, "births:");
	ck_assert_int_eq(vault_get(&v, "births:1"), -1);
	ck_assert_int_ne(vault_get(&v, "births:2"), -1);
	ck_assert_int_ne(vault_get(&v, "births:3"), -1);
	ck_assert_int_eq(vault_get(&v, "births:4"), -1);
	ck_assert_int_ne(vault_get(&v, "other"), -1);
	ck_assert_uint_eq(v.n, 3);
	close(open_end);
}
END_TEST

START_TEST(looking_for_the_end_takes_nothing)
{
	int end = hold_socket("births:1");
	char c = '\0';

	ck_assert_int_eq(chan_send(end, "x", 1, NULL, 0, 0), 0);
	vault_drop_drained(&v, "births:");
	ck_assert_int_eq(
	    chan_recv(vault_get(&v, "births:1"), &c, 1, NULL, NULL, 0), 1);
	ck_assert_int_eq(c, 'x');
	close(end);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("vault");
	TCase *t = tcase_create("vault");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, what_is_held_is_had_by_name);
	tcase_add_test(t, a_name_held_again_replaces_and_closes);
	tcase_add_test(t, what_is_dropped_is_closed_and_others_stay);
	tcase_add_test(t, a_name_too_long_or_empty_is_refused_and_closed);
	tcase_add_test(t, a_full_vault_refuses_and_still_replaces);
	tcase_add_test(t, only_what_is_read_to_its_end_is_drained);
	tcase_add_test(t, looking_for_the_end_takes_nothing);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
