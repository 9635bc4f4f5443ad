/*
 * lastkill: kills what the journal proves, and nothing else.
 */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/sys.h"
#include "core/record.h"
#include "ctl/exits.h"
#include "ctl/journal.h"
#include "ctl/lastkill.h"

#define DEADLINE_MS 20000
#define NOBODY 65534

static char dir[] = "/tmp/svd-lastkill-XXXXXX", sock[64], state[64];
static struct buf journal;
static json_t *results;
static pid_t victim;

static void
add(const struct record *r)
{
	char line[RECORD_MAX];

	ck_assert_int_eq(buf_add(&journal, line, record_format(r, line)), 0);
}

/* Of here and now. */
static struct record
fleet(void)
{
	struct record r = {.kind = RECORD_FLEET};
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY);
	struct stat st;

	r.u.fleet.schema = RECORD_SCHEMA;
	ck_assert_int_eq(read(fd, r.u.fleet.boot_id, 36), 36);
	close(fd);
	ck_assert_int_eq(stat("/proc/self/ns/pid", &st), 0);
	r.u.fleet.pidns = st.st_ino;
	return r;
}

static void
add_fleet(void)
{
	struct record r = fleet();

	add(&r);
}

static struct record
worker(const char *name, pid_t pid)
{
	struct record r = {.kind = RECORD_WORKER};
	int fd = sys_pidfd_open(pid);

	strcpy(r.u.worker.name, name);
	r.u.worker.state = WS_RUNNING;
	r.u.worker.pid = pid;
	r.u.worker.id.start_time = sys_start_time(pid);
	if (fd != -1)
		r.u.worker.id.pidfd_ino = sys_pidfd_inode(fd);
	fd_close(&fd);
	return r;
}

static void
add_worker(const char *name, pid_t pid)
{
	struct record r = worker(name, pid);

	add(&r);
}

static pid_t
new_process(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	return pid;
}

static void
set_up(void)
{
	memset(&journal, 0, sizeof(journal));
	results = NULL;
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(sock, sizeof(sock), "%s/control.sock", dir);
	snprintf(state, sizeof(state), "%s/state", dir);
	/* What is said to people is not the test's. */
	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
	victim = new_process();
}

static void
tear_down(void)
{
	kill(victim, SIGKILL);
	waitpid(victim, NULL, 0);
	buf_release(&journal);
	json_decref(results);
	unlink(state);
	rmdir(dir);
}

static int
run(const char *name)
{
	char *names[] = {(char *)name};
	struct lastkill k = {
	    .socket = sock, .names = names, .nnames = 1, .wait_ms = 5000};

	json_decref(results);
	return lastkill_run(&k, &results);
}

/* Writes the journal first. */
static int
run_with_journal(const char *name)
{
	int fd = open(state, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_eq(fd_write_all(fd, journal.data, journal.len), 0);
	close(fd);
	return run(name);
}

static void
expect_killed(pid_t pid)
{
	int64_t deadline = sys_now_ms() + DEADLINE_MS;
	siginfo_t si = {0};

	while (si.si_pid == 0) {
		ck_assert_int_lt(sys_now_ms(), deadline);
		ck_assert_int_eq(
		    waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT | WNOHANG),
		    0);
		usleep(1000);
	}
	ck_assert_int_eq(si.si_code, CLD_KILLED);
	ck_assert_int_eq(si.si_status, SIGKILL);
}

static void
expect_alive(pid_t pid)
{
	siginfo_t si = {0};

	usleep(20000);
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &si,
			     WEXITED | WSTOPPED | WNOWAIT | WNOHANG),
	    0);
	ck_assert_int_eq(si.si_pid, 0);
}

START_TEST(test_kills_what_is_proven)
{
	json_t *result;

	add_fleet();
	add_worker("web:0", 1);
	add_worker("web:0", victim); /* the last word counts */
	add_worker("job", getpid());
	ck_assert_int_eq(run_with_journal("web"), EXIT_DONE);
	expect_killed(victim);
	ck_assert_uint_eq(json_array_size(results), 1);
	result = json_array_get(results, 0);
	ck_assert_str_eq(
	    json_string_value(json_object_get(result, "name")), "web");
	ck_assert(json_is_true(json_object_get(result, "done")));
}
END_TEST

START_TEST(test_names_are_the_supervisors)
{
	pid_t other = new_process();

	add_fleet();
	add_worker("web:0", victim);
	add_worker("web:1", other);
	ck_assert_int_eq(run_with_journal("we"), EXIT_NO_SUCH_NAME);
	ck_assert_int_eq(run("web:"), EXIT_NO_SUCH_NAME);
	ck_assert_int_eq(run(""), EXIT_NO_SUCH_NAME);
	ck_assert_int_eq(run("job:1"), EXIT_NO_SUCH_NAME);
	ck_assert_int_eq(run("web:1"), EXIT_DONE);
	expect_killed(other);
	expect_alive(victim);
	ck_assert_int_eq(waitpid(other, NULL, 0), other);
	ck_assert_int_eq(run("all"), EXIT_DONE);
	expect_killed(victim);
}
END_TEST

/* The pid was recycled: another start time, another pidfd. */
/* What left the fleet is nobody's, until there is one by its id again. */
START_TEST(test_who_has_left_is_nobody)
{
	struct record gone = {.kind = RECORD_GONE};

	add_fleet();
	add_worker("web:0", victim);
	add_worker("web:1", victim);
	strcpy(gone.u.gone.name, "web:1");
	add(&gone);
	ck_assert_int_eq(run_with_journal("web:1"), EXIT_NO_SUCH_NAME);
	expect_alive(victim);
	strcpy(gone.u.gone.name, "web:0");
	add(&gone);
	ck_assert_int_eq(run_with_journal("web"), EXIT_NO_SUCH_NAME);
	ck_assert_int_eq(run_with_journal("all"), EXIT_NO_SUCH_NAME);
	expect_alive(victim);
	add_worker("web:0", victim);
	ck_assert_int_eq(run_with_journal("all"), EXIT_DONE);
	expect_killed(victim);
	ck_assert_uint_eq(json_array_size(results), 1);
}
END_TEST

START_TEST(test_another_process_by_that_pid)
{
	struct record r = worker("web", victim);

	r.u.worker.id.start_time++;
	r.u.worker.id.pidfd_ino += r.u.worker.id.pidfd_ino != 0;
	add_fleet();
	add(&r);
	ck_assert_int_eq(run_with_journal("web"), EXIT_FAILED);
	expect_alive(victim);
}
END_TEST

START_TEST(test_nothing_proves_it)
{
	struct record r = worker("web", victim);

	r.u.worker.id = (struct identity){0, 0};
	add_fleet();
	add(&r);
	ck_assert_int_eq(run_with_journal("web"), EXIT_FAILED);
	expect_alive(victim);
}
END_TEST

START_TEST(test_start_time_will_do)
{
	struct record r = worker("web", victim);

	r.u.worker.id.pidfd_ino = 0;
	add_fleet();
	add(&r);
	ck_assert_int_eq(run_with_journal("web"), EXIT_DONE);
	expect_killed(victim);
}
END_TEST

START_TEST(test_no_process_is_no_failure)
{
	pid_t gone = new_process();
	struct record r = worker("job", gone);

	kill(gone, SIGKILL);
	ck_assert_int_eq(waitpid(gone, NULL, 0), gone);
	add_fleet();
	add_worker("web", 0);
	add(&r);
	ck_assert_int_eq(run_with_journal("web"), EXIT_DONE);
	ck_assert_int_eq(run("job"), EXIT_DONE);
}
END_TEST

START_TEST(test_journal_of_elsewhere)
{
	struct record r = fleet();

	add_worker("web", victim);
	ck_assert_int_eq(run_with_journal("web"), EXIT_FAILED); /* no fleet */
	r.u.fleet.boot_id[0] ^= 1;
	add(&r);
	ck_assert_int_eq(run_with_journal("web"), EXIT_FAILED);
	r.u.fleet.boot_id[0] ^= 1;
	r.u.fleet.pidns++;
	add(&r);
	ck_assert_int_eq(run_with_journal("web"), EXIT_FAILED);
	r.u.fleet.pidns--;
	r.u.fleet.schema++;
	add(&r);
	ck_assert_int_eq(run_with_journal("web"), EXIT_FAILED);
	expect_alive(victim);
	r.u.fleet.schema--;
	add(&r);
	ck_assert_int_eq(buf_adds(&journal, "torn"), 0);
	ck_assert_int_eq(run_with_journal("web"), EXIT_DONE);
	expect_killed(victim);
}
END_TEST

START_TEST(test_symbolic_link_and_fifo_are_not_followed)
{
	char real[80];

	add_fleet();
	add_worker("web", victim);
	ck_assert_int_eq(journal_exists(sock), 0);
	ck_assert_int_eq(run("web"), EXIT_FAILED);
	run_with_journal("web:9");
	ck_assert_int_eq(journal_exists(sock), 1);
	snprintf(real, sizeof(real), "%s/real", dir);
	ck_assert_int_eq(rename(state, real), 0);
	ck_assert_int_eq(symlink("real", state), 0);
	ck_assert_int_eq(run("web"), EXIT_FAILED);
	unlink(state);
	unlink(real);
	ck_assert_int_eq(mkfifo(state, 0600), 0);
	ck_assert_int_eq(run("web"), EXIT_FAILED);
	expect_alive(victim);
}
END_TEST

/* Another user's journal, beside his own socket or beside none. */
START_TEST(test_root_kills_only_what_the_owner_could)
{
	int status;
	pid_t pid;

	if (geteuid() != 0)
		return;
	add_fleet();
	add_worker("web", victim);
	run_with_journal("web:9");
	ck_assert_int_eq(chown(state, NOBODY, NOBODY), 0);
	ck_assert_int_eq(run("web"), EXIT_FAILED);
	ck_assert_int_eq(mknod(sock, S_IFREG | 0600, 0), 0);
	ck_assert_int_eq(chown(sock, NOBODY, NOBODY), 0);
	pid = fork();
	if (pid == 0)
		_exit(run("web")); /* becomes that user for good */
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(WEXITSTATUS(status), EXIT_FAILED);
	unlink(sock);
	expect_alive(victim);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("lastkill");
	TCase *t = tcase_create("lastkill");

	tcase_set_timeout(t, 50);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, test_kills_what_is_proven);
	tcase_add_test(t, test_names_are_the_supervisors);
	tcase_add_test(t, test_who_has_left_is_nobody);
	tcase_add_test(t, test_another_process_by_that_pid);
	tcase_add_test(t, test_nothing_proves_it);
	tcase_add_test(t, test_start_time_will_do);
	tcase_add_test(t, test_no_process_is_no_failure);
	tcase_add_test(t, test_journal_of_elsewhere);
	tcase_add_test(t, test_symbolic_link_and_fifo_are_not_followed);
	tcase_add_test(t, test_root_kills_only_what_the_owner_could);
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
