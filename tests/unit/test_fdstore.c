/*
 * What the keeper leaves in systemd's store, over a real datagram socket: which
 * of what is held, under which names, and in which order where it is full.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/fdname.h"
#include "keeper/keeper.h"
#include "fake_log.c"
#include "fake_systemd.c"

static int64_t now;

static void
set_up(void)
{
	now = 1000;
	listen_here();
	memset(&k, 0, sizeof(k));
	notify_init(&k.notify, address, NULL, NULL);
	fdstore_init(&k, "100");
}

static void
tear_down(void)
{
	while (k.vault.n > 0)
		vault_drop(&k.vault, k.vault.entries[0].name);
	stop_listening();
}

/* As role.c does. Its inode. */
static ino_t
hold(const char *name)
{
	int ends[2];
	struct stat st;

	ck_assert_int_eq(pipe(ends), 0);
	fstat(ends[0], &st);
	close(ends[1]);
	fdstore_forget(&k, name);
	ck_assert_int_eq(vault_hold(&k.vault, name, ends[0]), 0);
	fdstore_changed(&k);
	return st.st_ino;
}

static void
drop(const char *name)
{
	fdstore_forget(&k, name);
	vault_drop(&k.vault, name);
}

/* --- tests --- */

START_TEST(what_is_the_workers_own_is_stored_once)
{
	ino_t inode = hold("out:web:0");

	hold("state");
	hold("births:1");
	hold("own");
	hold("ring:file:8:1");
	hold("sink:file:8:1");
	hold("cursors");
	fdstore_flush(&k, now);
	ck_assert_str_eq(hear(), "FDSTORE=1\nFDPOLL=0\nFDNAME=out%3Aweb%3A0\n");
	ck_assert_uint_eq(got, inode);
	ck_assert_str_eq(hear(), "");
	hold("tty:web:0:7");
	hold("rest:w:0:1");
	fdstore_flush(&k, now);
	ck_assert_ptr_nonnull(strstr(hear(), "FDNAME=tty%3Aweb%3A0%3A7\n"));
	ck_assert_ptr_nonnull(strstr(hear(), "FDNAME=rest%3Aw%3A0%3A1\n"));
	fdstore_flush(&k, now);
	ck_assert_str_eq(hear(), "");
}
END_TEST

START_TEST(what_is_dropped_is_removed_and_nothing_else)
{
	hold("err:web:0");
	hold("state");
	fdstore_flush(&k, now);
	hear();
	drop("err:web:0");
	drop("state");
	drop("out:web:0"); /* was never held */
	fdstore_flush(&k, now);
	ck_assert_str_eq(hear(), "FDSTOREREMOVE=1\nFDNAME=err%3Aweb%3A0\n");
	ck_assert_str_eq(hear(), "");
}
END_TEST

START_TEST(what_takes_a_place_is_stored_after_the_removal)
{
	ino_t second;
	int i;

	hold("rest:w:0:1");
	fdstore_flush(&k, now);
	hear();
	second = hold("rest:w:0:1");
	fdstore_flush(&k, now);
	ck_assert_str_eq(hear(), "FDSTOREREMOVE=1\nFDNAME=rest%3Aw%3A0%3A1\n");
	ck_assert_int_eq(strncmp(hear(), "FDSTORE=1\n", 10), 0);
	ck_assert_uint_eq(got, second);
	/* Also if all of that has to wait. */
	fill();
	for (i = 0; i < 3; i++) {
		second = hold("rest:w:0:1");
		fdstore_flush(&k, now);
	}
	ck_assert_int_eq(fdstore_deadline(&k), now + NOTIFY_AGAIN_MS);
	drain();
	now += NOTIFY_AGAIN_MS;
	fdstore_flush(&k, now);
	for (i = 0; i < 3; i++)
		ck_assert_str_eq(
		    hear(), "FDSTOREREMOVE=1\nFDNAME=rest%3Aw%3A0%3A1\n");
	ck_assert_int_eq(strncmp(hear(), "FDSTORE=1\n", 10), 0);
	ck_assert_uint_eq(got, second);
	ck_assert_str_eq(hear(), "");
	ck_assert_int_eq(fdstore_deadline(&k), 0);
}
END_TEST

START_TEST(without_a_promise_nothing_is_stored)
{
	static const char *const sizes[] = {NULL, "", "0", "no"};
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		fdstore_init(&k, sizes[i]);
		hold("rest:w:0:1");
		drop("rest:w:0:1");
		fdstore_flush(&k, now);
		ck_assert_str_eq(hear(), "");
	}
}
END_TEST

START_TEST(more_removals_than_are_kept_do_no_harm)
{
	char name[32];
	int i;

	fill();
	for (i = 0; i < FDSTORE_GONE_MAX + 10; i++) {
		snprintf(name, sizeof(name), "out:w:%d", i);
		hold(name);
		drop(name);
	}
	ck_assert_uint_eq(k.fdstore.ngone, FDSTORE_GONE_MAX);
}
END_TEST

START_TEST(no_more_names_than_a_variable_takes_are_stored)
{
	char name[KEEPER_NAME_MAX + 1];
	size_t bytes = 0, n = 0;
	int i;

	for (i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "out:%080d:%d", i, i);
		ck_assert_int_eq(vault_hold(&k.vault, name, dup(0)), 0);
	}
	/* The socket takes a few at a time. */
	fdstore_changed(&k);
	do {
		fdstore_flush(&k, now);
		for (; *hear() != '\0'; n++)
			bytes +=
			    strcspn(strstr(heard, "FDNAME=") + 7, "\n") + 1;
		now += NOTIFY_AGAIN_MS;
	} while (fdstore_deadline(&k) != 0);
	ck_assert_uint_gt(n, 900);
	ck_assert_uint_lt(bytes, 100000);
	/* Where one goes another is stored. */
	drop(k.vault.entries[0].name);
	fdstore_changed(&k);
	fdstore_flush(&k, now);
	ck_assert_int_eq(strncmp(hear(), "FDSTOREREMOVE=1\n", 16), 0);
	ck_assert_int_eq(strncmp(hear(), "FDSTORE=1\n", 10), 0);
	ck_assert_str_eq(hear(), "");
}
END_TEST

START_TEST(a_name_survives_the_way)
{
	static const char *const names[] = {"out:web:0", "cursors", "a%b",
	    "sink:file:/var/log/a b\xc3\xa9.log", ":", "%", "%%3A"};
	char there[FDNAME_SIZE], back[KEEPER_NAME_MAX + 1];
	char longest[KEEPER_NAME_MAX + 1];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		fdname_encode(names[i], there);
		ck_assert_ptr_null(strchr(there, ':'));
		ck_assert_int_eq(fdname_decode(there, strlen(there), back), 0);
		ck_assert_str_eq(back, names[i]);
	}
	memset(longest, ':', KEEPER_NAME_MAX);
	longest[KEEPER_NAME_MAX] = '\0';
	fdname_encode(longest, there);
	ck_assert_uint_eq(strlen(there), FDNAME_SIZE - 1);
	ck_assert_int_eq(fdname_decode(there, strlen(there), back), 0);
	ck_assert_str_eq(back, longest);
}
END_TEST

START_TEST(what_is_no_name_is_refused)
{
	static const char *const wrong[] = {
	    "", "%", "%3", "%zz", "%3a", "%00", "a:b", "a b", "a\xc3"};
	char back[KEEPER_NAME_MAX + 1], longer[KEEPER_NAME_MAX + 1];
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		ck_assert_int_eq(
		    fdname_decode(wrong[i], strlen(wrong[i]), back), -1);
	memset(longer, 'a', sizeof(longer));
	ck_assert_int_eq(fdname_decode(longer, sizeof(longer), back), -1);
	ck_assert_int_eq(fdname_decode(longer, KEEPER_NAME_MAX, back), 0);
	/* No further than it was told to. */
	ck_assert_int_eq(fdname_decode("out%3Aw", 4, back), -1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("fdstore");
	TCase *t = tcase_create("fdstore");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, what_is_the_workers_own_is_stored_once);
	tcase_add_test(t, what_is_dropped_is_removed_and_nothing_else);
	tcase_add_test(t, what_takes_a_place_is_stored_after_the_removal);
	tcase_add_test(t, without_a_promise_nothing_is_stored);
	tcase_add_test(t, more_removals_than_are_kept_do_no_harm);
	tcase_add_test(t, no_more_names_than_a_variable_takes_are_stored);
	tcase_add_test(t, a_name_survives_the_way);
	tcase_add_test(t, what_is_no_name_is_refused);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
