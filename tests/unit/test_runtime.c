/*
 * runtime: which directory a fleet gets, by whose word.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/runtime.h"

#define NOBODY 65534

static char dir[256];
static struct err e;

static void
clean_environment(void)
{
	unsetenv("RUNTIME_DIRECTORY");
	unsetenv("XDG_RUNTIME_DIR");
}

/* Runs the rest as a user who is not root, where it was root. */
static void
become_nobody(void)
{
	if (geteuid() == 0)
		ck_assert_int_eq(seteuid(NOBODY), 0);
}

static void
become_root_again(void)
{
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
}

START_TEST(test_option_beats_all)
{
	setenv("RUNTIME_DIRECTORY", "/env", 1);
	ck_assert_int_eq(
	    runtime_dir(dir, sizeof(dir), "/opt", "/conf", "n", &e), 0);
	ck_assert_str_eq(dir, "/opt");
	ck_assert_int_eq(
	    runtime_dir(dir, sizeof(dir), NULL, "/conf", "n", &e), 0);
	ck_assert_str_eq(dir, "/conf");
	ck_assert_int_eq(runtime_dir(dir, sizeof(dir), NULL, NULL, "n", &e), 0);
	ck_assert_str_eq(dir, "/env");
}
END_TEST

START_TEST(test_first_of_systemds_list)
{
	setenv("RUNTIME_DIRECTORY", "/run/a:/run/b", 1);
	ck_assert_int_eq(runtime_dir(dir, sizeof(dir), NULL, NULL, "n", &e), 0);
	ck_assert_str_eq(dir, "/run/a");
}
END_TEST

START_TEST(test_relative_becomes_absolute)
{
	char cwd[128], want[160];

	ck_assert_ptr_nonnull(getcwd(cwd, sizeof(cwd)));
	snprintf(want, sizeof(want), "%s/sub/run", cwd);
	ck_assert_int_eq(
	    runtime_dir(dir, sizeof(dir), "sub/run//", NULL, "n", &e), 0);
	ck_assert_str_eq(dir, want);
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(
	    runtime_dir(dir, sizeof(dir), "run", NULL, "n", &e), 0);
	ck_assert_int_eq(chdir(cwd), 0);
	ck_assert_str_eq(dir, "/run");
	ck_assert_int_eq(runtime_dir(dir, sizeof(dir), "/", NULL, "n", &e), 0);
	ck_assert_str_eq(dir, "/");
}
END_TEST

START_TEST(test_empty_name_is_refused)
{
	ck_assert_int_eq(runtime_dir(dir, sizeof(dir), "", NULL, "n", &e), -1);
	ck_assert_str_eq(e.text, "the runtime directory's name is empty");
}
END_TEST

START_TEST(test_default_of_a_user)
{
	become_nobody();
	ck_assert_int_eq(
	    runtime_dir(dir, sizeof(dir), NULL, NULL, "n", &e), -1);
	ck_assert_ptr_nonnull(strstr(e.text, "XDG_RUNTIME_DIR"));
	setenv("XDG_RUNTIME_DIR", "relative", 1);
	ck_assert_int_eq(runtime_parent(dir, sizeof(dir), &e), -1);
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	ck_assert_int_eq(runtime_dir(dir, sizeof(dir), NULL, NULL, "n", &e), 0);
	ck_assert_str_eq(dir, "/run/user/7/svd/n");
	become_root_again();
}
END_TEST

START_TEST(test_default_of_root)
{
	if (geteuid() != 0)
		return;
	setenv("XDG_RUNTIME_DIR", "/run/user/0", 1);
	ck_assert_int_eq(runtime_dir(dir, sizeof(dir), NULL, NULL, "n", &e), 0);
	ck_assert_str_eq(dir, "/run/svd/n");
}
END_TEST

START_TEST(test_no_buffer_is_overrun)
{
	char small[8];
	size_t size;

	for (size = 1; size <= sizeof(small); size++) {
		memset(small, 'x', sizeof(small));
		ck_assert_int_eq(
		    runtime_dir(small, size, "/1234567", NULL, "n", &e), -1);
		ck_assert_int_eq(
		    runtime_dir(small, size, "1234567", NULL, "n", &e), -1);
		ck_assert(size == sizeof(small) || small[size] == 'x');
	}
	setenv("RUNTIME_DIRECTORY", "/12345678", 1);
	ck_assert_int_eq(
	    runtime_dir(small, sizeof(small), NULL, NULL, "n", &e), -1);
}
END_TEST

/* sun_path holds 107 bytes and a NUL. */
START_TEST(test_path_fits_a_socket)
{
	char long_dir[128], path[256];
	size_t len = 107 - strlen("/" RUNTIME_CONTROL);

	memset(long_dir, 'd', sizeof(long_dir));
	long_dir[0] = '/';
	long_dir[len] = '\0';
	ck_assert_int_eq(
	    runtime_path(path, sizeof(path), long_dir, RUNTIME_CONTROL, &e), 0);
	ck_assert_uint_eq(strlen(path), 107);
	long_dir[len] = 'd';
	long_dir[len + 1] = '\0';
	ck_assert_int_eq(
	    runtime_path(path, sizeof(path), long_dir, RUNTIME_CONTROL, &e),
	    -1);
	ck_assert_int_eq(runtime_path(path, 4, "/run", "x", &e), -1);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("runtime");
	TCase *t = tcase_create("runtime");

	tcase_add_checked_fixture(t, clean_environment, clean_environment);
	tcase_add_test(t, test_option_beats_all);
	tcase_add_test(t, test_first_of_systemds_list);
	tcase_add_test(t, test_relative_becomes_absolute);
	tcase_add_test(t, test_empty_name_is_refused);
	tcase_add_test(t, test_default_of_a_user);
	tcase_add_test(t, test_default_of_root);
	tcase_add_test(t, test_no_buffer_is_overrun);
	tcase_add_test(t, test_path_fits_a_socket);
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
