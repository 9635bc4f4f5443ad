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

/* Of a zombie, and of one that was reaped; by whom, is all the same. */
static void
check_status(int pidfd, int reaped, int expected)
{
	int status = -7, rc = sys_pidfd_status(pidfd, &status);

	ck_assert_int_eq(sys_pidfd_is_dead(pidfd), 1);
	/* Before Linux 6.15 nobody is told of who is reaped. */
	if (reaped && rc == -1)
		return;
	ck_assert_int_eq(rc, 1);
	ck_assert_int_eq(status, expected);
}

START_TEST(a_status_is_known_of_whoever_has_a_pidfd)
{
	int fd, status, code = _i == 0 ? 42 : 0;
	siginfo_t si;
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(99);
	}
	fd = sys_pidfd_open(pid);
	ck_assert_int_eq(sys_pidfd_is_dead(fd), 0);
	ck_assert_int_eq(sys_pidfd_status(fd, &status), 0);
	close(fd);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	pid = fork();
	if (pid == 0)
		_exit(code);
	fd = sys_pidfd_open(pid);
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
	check_status(fd, 0, code << 8);
	waitpid(pid, &status, 0);
	check_status(fd, 1, code << 8);
	close(fd);
}
END_TEST

START_TEST(a_signal_that_killed_is_known)
{
	siginfo_t si;

	kill(a, SIGUSR1);
	ck_assert_int_eq(waitid(P_PID, (id_t)a, &si, WEXITED | WNOWAIT), 0);
	check_status(a_fd, 0, SIGUSR1);
	waitpid(a, NULL, 0);
	check_status(a_fd, 1, SIGUSR1);
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
	tcase_add_loop_test(t, a_status_is_known_of_whoever_has_a_pidfd, 0, 2);
	tcase_add_test(t, a_signal_that_killed_is_known);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
