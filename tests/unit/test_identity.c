/* Is a pid still the process it was? */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/identity.h"
#include "base/sys.h"

static pid_t a, b;
static int a_fd, b_fd;

static pid_t
new_process(int *pidfd)
{
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	*pidfd = sys_pidfd_open(pid);
	return pid;
}

static void
set_up(void)
{
	a = new_process(&a_fd);
	b = new_process(&b_fd);
}

static void
tear_down(void)
{
	kill(a, SIGKILL);
	kill(b, SIGKILL);
	waitpid(a, NULL, 0);
	waitpid(b, NULL, 0);
	close(a_fd);
	close(b_fd);
}

START_TEST(this_boot_has_an_id)
{
	char one[IDENTITY_BOOT_SIZE], two[IDENTITY_BOOT_SIZE];

	memset(one, 'x', sizeof(one));
	memset(two, 'y', sizeof(two));
	identity_boot(one);
	identity_boot(two);
	ck_assert_uint_eq(strlen(one), 36);
	ck_assert_str_eq(one, two);
	ck_assert_ptr_null(strchr(one, '\n'));
}
END_TEST

START_TEST(this_pid_namespace_has_a_number)
{
	struct stat st;

	ck_assert_int_eq(stat("/proc/self/ns/pid", &st), 0);
	ck_assert_uint_eq(identity_pidns(), st.st_ino);
	ck_assert_uint_ne(identity_pidns(), 0);
}
END_TEST

START_TEST(a_process_is_itself)
{
	struct identity id;

	identity_take(a, a_fd, &id);
	ck_assert_int_eq(identity_holds(&id, a, a_fd), 1);
}
END_TEST

/* Both made in one tick of the clock, most likely: only the inode tells. */
START_TEST(a_process_is_no_other)
{
	struct identity id;

	identity_take(a, a_fd, &id);
	if (id.pidfd_ino == 0)
		id.start_time = 1; /* an old kernel: the tick is all it has */
	ck_assert_int_eq(identity_holds(&id, b, b_fd), 0);
}
END_TEST

START_TEST(without_a_pidfd_the_start_time_tells)
{
	struct identity id;

	identity_take(a, -1, &id);
	ck_assert_uint_eq(id.pidfd_ino, 0);
	ck_assert_uint_ne(id.start_time, 0);
	ck_assert_int_eq(identity_holds(&id, a, a_fd), 1);
	id.start_time++;
	ck_assert_int_eq(identity_holds(&id, a, a_fd), 0);
}
END_TEST

START_TEST(a_process_that_is_gone_is_not_itself)
{
	struct identity id;
	int fd;
	pid_t pid = new_process(&fd);

	identity_take(pid, -1, &id);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(identity_holds(&id, pid, fd), 0);
	close(fd);
}
END_TEST

START_TEST(of_nothing_known_nothing_is_proven)
{
	struct identity id = {0, 0};

	ck_assert_int_eq(identity_holds(&id, a, a_fd), -1);
	ck_assert_int_eq(identity_holds(&id, a, -1), -1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("identity");
	TCase *t = tcase_create("identity");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, this_boot_has_an_id);
	tcase_add_test(t, this_pid_namespace_has_a_number);
	tcase_add_test(t, a_process_is_itself);
	tcase_add_test(t, a_process_is_no_other);
	tcase_add_test(t, without_a_pidfd_the_start_time_tells);
	tcase_add_test(t, a_process_that_is_gone_is_not_itself);
	tcase_add_test(t, of_nothing_known_nothing_is_proven);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
