/* Descriptors. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

/* In a child: which of 0, 1 and 2 are closed is bits of closed. */
static int
fills_standard(int closed)
{
	struct stat null, st;
	struct err e;
	int fd, next = dup(0);

	close(next);
	if (stat("/dev/null", &null) == -1)
		return 0;
	for (fd = 0; fd <= 2; fd++)
		if (closed & 1 << fd)
			close(fd);
	if (fd_fill_standard(&e) == -1)
		return 0;
	for (fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) != 0) /* open, and kept by exec */
			return 0;
		if ((closed & 1 << fd) &&
		    (fstat(fd, &st) == -1 || st.st_rdev != null.st_rdev))
			return 0;
	}
	/* It leaves nothing else behind. */
	return fcntl(next, F_GETFD) == -1;
}

START_TEST(what_is_closed_of_0_1_and_2_is_filled)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fills_standard(_i) ? 7 : 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}
END_TEST

START_TEST(a_close_is_done_once_and_keeps_errno)
{
	int fd = dup(0), number = fd;

	errno = EILSEQ;
	fd_close(&fd);
	ck_assert_int_eq(fd, -1);
	ck_assert_int_eq(errno, EILSEQ);
	ck_assert_int_eq(fcntl(number, F_GETFD), -1);
	errno = EILSEQ;
	fd_close(&fd);
	ck_assert_int_eq(errno, EILSEQ);
}
END_TEST

START_TEST(close_on_exec_is_set_and_cleared)
{
	int fd = dup(0);

	ck_assert_int_eq(fd_set_cloexec(fd, 1), 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fd_set_cloexec(fd, 0), 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), 0);
	close(fd);
	ck_assert_int_eq(fd_set_cloexec(fd, 1), -1);
	ck_assert_int_eq(errno, EBADF);
}
END_TEST

/* A new file without a name, which holds text. */
static int
file_of(const char *text, size_t len)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(fd_write_all(fd, text, len), 0);
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

START_TEST(all_that_is_written_is_read)
{
	static char text[10000];
	size_t len = 0;
	char *got;
	int fd;

	memset(text, 'x', sizeof(text));
	text[5000] = '\0';
	fd = file_of(text, sizeof(text));
	got = fd_read_all(fd, sizeof(text), &len);
	ck_assert_ptr_nonnull(got);
	ck_assert_uint_eq(len, sizeof(text));
	ck_assert_mem_eq(got, text, len);
	ck_assert_int_eq(got[len], '\0');
	free(got);
	close(fd);
}
END_TEST

START_TEST(nothing_is_read_as_an_empty_text)
{
	int fd = file_of("", 0);
	size_t len = 1;
	char *got = fd_read_all(fd, 0, &len);

	ck_assert_ptr_nonnull(got);
	ck_assert_uint_eq(len, 0);
	ck_assert_str_eq(got, "");
	free(got);
	close(fd);
}
END_TEST

START_TEST(more_than_allowed_is_an_error)
{
	int fd = file_of("abc", 3);
	size_t len;

	errno = 0;
	ck_assert_ptr_null(fd_read_all(fd, 2, &len));
	ck_assert_int_eq(errno, EFBIG);
	close(fd);
}
END_TEST

START_TEST(failures_are_told)
{
	int ends[2];
	size_t len;

	ck_assert_int_eq(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	ck_assert_ptr_null(fd_read_all(ends[0], 10, &len));
	ck_assert_int_eq(errno, EAGAIN);
	while (write(ends[1], "x", 1) == 1)
		;
	ck_assert_int_eq(fd_write_all(ends[1], "x", 1), -1);
	ck_assert_int_eq(errno, EAGAIN);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("fd");
	TCase *t = tcase_create("fd");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_loop_test(t, what_is_closed_of_0_1_and_2_is_filled, 0, 8);
	tcase_add_test(t, a_close_is_done_once_and_keeps_errno);
	tcase_add_test(t, close_on_exec_is_set_and_cleared);
	tcase_add_test(t, all_that_is_written_is_read);
	tcase_add_test(t, nothing_is_read_as_an_empty_text);
	tcase_add_test(t, more_than_allowed_is_an_error);
	tcase_add_test(t, failures_are_told);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
