/* The log: it never blocks, never lies about what it left out, and nobody can
 * forge a line. Each test logs in a child, whose standard error is a pipe. */
#include <check.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

#define LINE_BYTES 1024
#define LINES_MANY 5000

static char said[128 * 1024];
static int child_status;

/* Runs fn in a child; what it said is in said. The child may read its own
 * standard error by the descriptor it is given. */
static void
listen_to(void (*fn)(int reading_end))
{
	int ends[2];
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDERR_FILENO);
		close(ends[1]);
		alarm(10);
		fn(ends[0]);
		_exit(0);
	}
	close(ends[1]);
	/* A child that fills the pipe must end all the same. */
	ck_assert_int_eq(waitpid(pid, &child_status, 0), pid);
	while ((n = read(ends[0], said + len, sizeof(said) - 1 - len)) > 0)
		len += (size_t)n;
	said[len] = '\0';
	close(ends[0]);
}

/* What a line says after its time stamp and "svd[PID] ". */
static const char *
text_of(const char *line)
{
	const char *text = strstr(line, "] ");

	return text == NULL ? line : text + 2;
}

static size_t
count_lines(void)
{
	size_t n = 0;
	const char *s;

	for (s = said; *s != '\0'; s++)
		n += *s == '\n';
	return n;
}

static void
say_each_level(int fd)
{
	(void)fd;
	log_init("keeper", LOG_LEVEL_WARN);
	errno = EILSEQ;
	log_debug("one");
	log_info("two");
	log_warn("three %d", 3);
	log_error("four");
	_exit(errno == EILSEQ ? 0 : 1);
}

START_TEST(a_line_says_when_who_and_what)
{
	static const char shape[] = "0000-00-00T00:00:00.000Z svd[";
	size_t i;

	listen_to(say_each_level);
	ck_assert_int_eq(child_status, 0); /* errno was kept */
	ck_assert_uint_eq(count_lines(), 2);
	for (i = 0; i < strlen(shape); i++)
		ck_assert(shape[i] == '0' ? isdigit((unsigned char)said[i])
					  : said[i] == shape[i]);
	ck_assert_str_eq(text_of(strchr(said, '\n')), "keeper: error: four\n");
	*strchr(said, '\n') = '\0';
	ck_assert_str_eq(text_of(said), "keeper: warning: three 3");
}
END_TEST

static void
say_everything(int fd)
{
	(void)fd;
	log_init("x", LOG_LEVEL_DEBUG);
	log_debug("one");
	log_info("two");
}

START_TEST(the_level_says_how_much_is_said)
{
	listen_to(say_everything);
	ck_assert_uint_eq(count_lines(), 2);
	ck_assert_ptr_nonnull(strstr(said, "x: debug: one\n"));
	ck_assert_ptr_nonnull(strstr(said, "x: two\n"));
}
END_TEST

static void
say_control_characters(int fd)
{
	(void)fd;
	log_init("x", LOG_LEVEL_INFO);
	log_info("%s", "a\nb\r\t\033[1m\177 \xc3\xa9");
}

START_TEST(nobody_can_forge_a_line)
{
	listen_to(say_control_characters);
	ck_assert_str_eq(text_of(said), "x: a?b???[1m? \xc3\xa9\n");
}
END_TEST

static void
say_a_long_line(int fd)
{
	static char text[3 * LINE_BYTES];

	(void)fd;
	memset(text, 'y', sizeof(text) - 1);
	log_init("x", LOG_LEVEL_INFO);
	log_info("%s", text);
	log_info("after");
}

START_TEST(a_long_line_is_cut_and_ends)
{
	size_t len;

	listen_to(say_a_long_line);
	ck_assert_uint_eq(count_lines(), 2);
	len = (size_t)(strchr(said, '\n') - said) + 1;
	ck_assert_uint_le(len, LINE_BYTES);
	ck_assert_uint_ge(len, LINE_BYTES - 2);
	ck_assert_str_eq(text_of(said + len), "x: after\n");
}
END_TEST

static void
fill_the_pipe(int fd)
{
	char c[4096];
	int i;

	log_init("x", LOG_LEVEL_INFO);
	for (i = 0; i < LINES_MANY; i++)
		log_info("line %d", i);
	/* Somebody reads again: all that is there. */
	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (read(fd, c, sizeof(c)) > 0)
		;
	log_info("again");
	log_info("and again");
}

START_TEST(a_pipe_that_nobody_reads_blocks_nobody_and_is_told_of)
{
	unsigned long dropped;
	const char *rest;

	listen_to(fill_the_pipe);
	ck_assert_int_eq(child_status, 0);
	ck_assert_uint_eq(count_lines(), 3);
	ck_assert_int_eq(sscanf(text_of(said), "x: %lu lines", &dropped), 1);
	/* A pipe takes 64 KiB, a line is some 45 bytes. */
	ck_assert_uint_gt(dropped, LINES_MANY / 2);
	ck_assert_uint_lt(dropped, LINES_MANY);
	rest = strchr(said, '\n') + 1;
	ck_assert_int_eq(strncmp(text_of(rest), "x: again\n", 9), 0);
}
END_TEST

static void
leave_the_flags_alone(int fd)
{
	(void)fd;
	log_init("x", LOG_LEVEL_INFO);
	_exit((fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK) == 0 ? 0 : 1);
}

START_TEST(what_is_shared_with_others_stays_blocking)
{
	listen_to(leave_the_flags_alone);
	ck_assert_int_eq(child_status, 0);
}
END_TEST

static void
have_a_bug(int fd)
{
	(void)fd;
	log_init("x", LOG_LEVEL_ERROR);
	BUG("two and two are five");
}

START_TEST(a_bug_says_where_and_aborts)
{
	listen_to(have_a_bug);
	ck_assert(WIFSIGNALED(child_status));
	ck_assert_int_eq(WTERMSIG(child_status), SIGABRT);
	ck_assert_ptr_nonnull(strstr(said, "test_log.c:"));
	ck_assert_ptr_nonnull(strstr(said, ": two and two are five\n"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("log");
	TCase *t = tcase_create("log");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_set_timeout(t, 15);
	tcase_add_test(t, a_line_says_when_who_and_what);
	tcase_add_test(t, the_level_says_how_much_is_said);
	tcase_add_test(t, nobody_can_forge_a_line);
	tcase_add_test(t, a_long_line_is_cut_and_ends);
	tcase_add_test(
	    t, a_pipe_that_nobody_reads_blocks_nobody_and_is_told_of);
	tcase_add_test(t, what_is_shared_with_others_stays_blocking);
	tcase_add_test(t, a_bug_says_where_and_aborts);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
