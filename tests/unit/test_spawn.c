/*
 * Real processes: the test is the keeper, a child of it the supervisor, and
 * what that one spawns reports how it finds itself. Each is done both ways, by
 * clone(CLONE_PARENT) and by a double vfork.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"
#include "ipc/chan.h"
#include "ipc/proto_birth.h"
#include "supervisor/child.h"
#include "supervisor/spawn.h"

#define TOKEN 4711
#define NOBODY 54321 /* a user that no system knows */
#define PACKETS_MAX 8
#define SPAWNS_MANY 200

static char self[256], dir[64], out[96], prog[96];
static char *no_environment[] = {NULL};

/* What the supervisor found; shared with it. */
static struct result {
	int rc;
	pid_t pid;
	struct identity id;
	struct err e;
	int fds_before, fds_after, dumpable, mask_is_empty;
} * result;

static struct birth births[PACKETS_MAX];
static size_t nbirths;
static int was_ours, exit_status; /* the worker's end, as we saw it */
static char report[16384];

/* --- the worker: this program, executed with an argument --- */

static void
print_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;

	printf("fds");
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.' && atoi(e->d_name) != dirfd(d))
			printf(" %s", e->d_name);
	printf("\n");
	closedir(d);
}

static void
print_file(const char *path)
{
	char line[256];
	FILE *f = fopen(path, "r");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		fputs(line, stdout);
	if (f != NULL)
		fclose(f);
}

static void
print_limit(const char *name, int resource)
{
	struct rlimit l;

	getrlimit(resource, &l);
	printf("%s %llu:%llu\n", name, (unsigned long long)l.rlim_cur,
	    (unsigned long long)l.rlim_max);
}

static int
report_main(void)
{
	struct stat a, b, null;
	char cwd[256];
	char **v;

	print_descriptors();
	printf("leads %s\n", getsid(0) == getpid()   ? "session"
			     : getpgrp() == getpid() ? "group"
						     : "nothing");
	printf("cwd %s\numask %03o\nnice %d\n", getcwd(cwd, sizeof(cwd)),
	    (unsigned int)umask(0), getpriority(PRIO_PROCESS, 0));
	fstat(0, &a);
	stat("/dev/null", &null);
	printf("stdin %s\n", a.st_rdev == null.st_rdev ? "null" : "other");
	fstat(1, &a);
	fstat(2, &b);
	printf("stderr %s\n", a.st_ino == b.st_ino ? "stdout" : "other");
	print_limit("nofile", RLIMIT_NOFILE);
	print_limit("memlock", RLIMIT_MEMLOCK);
	printf("oom ");
	fflush(stdout);
	print_file("/proc/self/oom_score_adj");
	print_file("/proc/self/status");
	for (v = environ; *v != NULL; v++)
		printf("env %s\n", *v);
	return 0;
}

/* --- the supervisor --- */

static int
count_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

/* Gone as far as a supervisor goes; and variables that are svd's own. */
static void
be_a_supervisor(void)
{
	/* Whoever runs the tests may ignore some. */
	sys_signals_default(SIG_ALL);
	sys_signals_ignore(CHILD_SIGNALS_UNDONE);
	sys_sigmask(0);
	/* What Check has open is not svd's. */
	close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	setenv("NOTIFY_SOCKET", "/run/svd", 1);
	setenv("SVD_SOCKET", "/run/svd", 1);
	setenv("COLOUR", "svd's", 1);
	setenv("TASTE", "svd's", 1);
}

static int
mask_is_empty(void)
{
	sigset_t set;
	int sig;

	sigprocmask(SIG_BLOCK, NULL, &set);
	for (sig = 1; sig < NSIG; sig++)
		if (sigismember(&set, sig) == 1)
			return 0;
	return 1;
}

struct request {
	struct worker_conf conf;
	uid_t as;     /* 0: as we are */
	rlim_t nproc; /* of the supervisor's user, 0: any */
	rlim_t core;  /* hard limit of the supervisor, 0: any */
	int init_mode, times;
	pid_t main_pid;
};

static void
lower(int resource, rlim_t value)
{
	struct rlimit l = {value, value};

	if (value != 0)
		setrlimit(resource, &l);
}

static _Noreturn void
supervisor(const struct request *q, const int birth[2])
{
	struct spawner sp = {.init_mode = q->init_mode, .fleet_name = "f"};
	struct spawn_request r = {.token = TOKEN,
	    .conf = &q->conf,
	    .argv = q->conf.argv,
	    .generation = 3,
	    .main_pid = q->main_pid};
	int i;

	be_a_supervisor();
	lower(RLIMIT_CORE, q->core);
	if (q->as != 0 &&
	    (setgroups(0, NULL) == -1 || setresgid(q->as, q->as, q->as) == -1 ||
		setresuid(q->as, q->as, q->as) == -1))
		_exit(1);
	prctl(PR_SET_DUMPABLE, 1);
	getrlimit(RLIMIT_NOFILE, &sp.nofile);
	sp.nofile.rlim_cur = 256;
	if (spawner_init(&sp, getppid(), birth[0], birth[1], &result->e) == -1)
		_exit(1);
	sp.terminal = -1;
	lower(RLIMIT_NPROC, q->nproc);
	result->fds_before = count_descriptors();
	for (i = 0; i < q->times; i++)
		result->rc = spawn_process(
		    &sp, &r, &result->pid, &result->id, &result->e);
	result->fds_after = count_descriptors();
	result->dumpable = prctl(PR_GET_DUMPABLE);
	result->mask_is_empty = mask_is_empty();
	_exit(0);
}

/* --- the keeper --- */

static struct request
request(void)
{
	static char *argv[] = {self, (char *)"--report", NULL};

	return (struct request){.times = 1,
	    .conf = {.name = "w:2",
		.group_name = "w",
		.instance = 2,
		.argv = argv,
		.environment = no_environment,
		.directory = (char *)"/",
		.umask = 022,
		.std_out = {STREAM_FILE, out},
		.std_err = {STREAM_STDOUT, NULL}}};
}

static void
read_births(int fd)
{
	unsigned char packet[BIRTH_PACKET_BYTES];
	ssize_t n;

	nbirths = 0;
	while ((n = recv(fd, packet, sizeof(packet), MSG_DONTWAIT)) > 0) {
		ck_assert_int_eq(
		    birth_decode(packet, (size_t)n, &births[nbirths]), 0);
		/* The probe's has no token; of many, some are enough. */
		if (births[nbirths].token == TOKEN && nbirths < PACKETS_MAX - 1)
			nbirths++;
	}
}

static void
read_report(void)
{
	int fd = open(out, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd == -1 ? 0 : read(fd, report, sizeof(report) - 1);

	report[n < 0 ? 0 : n] = '\0';
	fd_close(&fd);
}

/* A supervisor spawns, and ends; then the worker ends. */
static void
run(const struct request *q)
{
	int birth[2], status;
	pid_t pid, p;

	memset(result, 0, sizeof(*result));
	was_ours = 0;
	ck_assert_int_eq(chan_pair(birth), 0);
	pid = fork();
	if (pid == 0)
		supervisor(q, birth);
	close(birth[1]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	/* The probe is our child too. */
	while ((p = waitpid(-1, &status, 0)) != -1)
		if (p == result->pid) {
			was_ours = 1;
			exit_status = status;
		}
	ck_assert_int_eq(errno, ECHILD);
	read_births(birth[0]);
	close(birth[0]);
	read_report();
}

static void
expect_line(const char *line)
{
	char with_ends[256];

	snprintf(with_ends, sizeof(with_ends), "\n%s\n", line);
	ck_assert_msg(strstr(report, with_ends) != NULL, "no line '%s' in:\n%s",
	    line, report);
}

static void
set_up(void)
{
	snprintf(dir, sizeof(dir), "/tmp/svd-spawn-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chmod(dir, 0755), 0);
	snprintf(out, sizeof(out), "%s/out", dir);
	snprintf(prog, sizeof(prog), "%s/prog", dir);
	result = mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(result, MAP_FAILED);
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
}

static void
tear_down(void)
{
	munmap(result, sizeof(*result));
	unlink(prog);
	unlink(out);
	rmdir(dir);
}

static void
by_clone(void)
{
	unsetenv("SVD_SPAWN");
	/* It has no clone with a stack of one's own. */
	if (getenv("SVD_VALGRIND") != NULL)
		setenv("SVD_SPAWN", "vfork", 1);
}

static void
by_vfork(void)
{
	setenv("SVD_SPAWN", "vfork", 1);
}

/* --- how a worker finds itself --- */

START_TEST(it_is_the_keepers_child)
{
	struct request q = request();

	run(&q);
	ck_assert_int_eq(result->rc, 0);
	ck_assert_int_eq(was_ours, 1);
	ck_assert_int_eq(exit_status, 0);
}
END_TEST

START_TEST(its_birth_is_the_one_packet_of_a_usual_set_up)
{
	struct request q = request();

	run(&q);
	ck_assert_uint_eq(nbirths, 1);
	ck_assert_int_eq(births[0].stage, BIRTH_BORN);
	ck_assert_int_eq(births[0].error, 0);
	ck_assert_int_eq(births[0].pid, result->pid);
}
END_TEST

START_TEST(it_has_no_signal_blocked_or_ignored)
{
	struct request q = request();

	run(&q);
	expect_line("SigBlk:\t0000000000000000");
	expect_line("SigIgn:\t0000000000000000");
	ck_assert_int_eq(result->mask_is_empty, 1);
}
END_TEST

START_TEST(it_has_the_standard_descriptors_only)
{
	struct request q = request();

	run(&q);
	ck_assert_int_eq(
	    strncmp(report, "fds 0 1 2\n", strlen("fds 0 1 2\n")), 0);
	expect_line("stdin null");
	expect_line("stderr stdout");
}
END_TEST

START_TEST(it_leads_its_session)
{
	struct request q = request();

	run(&q);
	expect_line("leads session");
}
END_TEST

START_TEST(in_init_mode_it_leads_a_group_in_svds_session)
{
	struct request q = request();

	q.init_mode = 1;
	run(&q);
	expect_line("leads group");
	expect_line("env NOTIFY_SOCKET=/run/svd");
}
END_TEST

START_TEST(it_is_set_up_as_configured)
{
	struct request q = request();

	q.conf.umask = 027;
	q.conf.directory = dir;
	q.conf.nice = 5;
	q.conf.nice_set = 1;
	q.conf.oom_score_adj = 500;
	q.conf.oom_score_adj_set = 1;
	q.conf.limits[LIMIT_MEMLOCK] = (struct limit_conf){1, 4096, 8192};
	run(&q);
	expect_line("umask 027");
	expect_line("nice 5");
	expect_line("oom 500");
	expect_line("memlock 4096:8192");
	ck_assert_ptr_nonnull(strstr(report, dir));
}
END_TEST

START_TEST(it_gets_back_the_limit_that_svd_was_started_with)
{
	struct request q = request();

	run(&q);
	ck_assert_ptr_nonnull(strstr(report, "\nnofile 256:"));
}
END_TEST

START_TEST(a_directory_is_announced_before_it_is_entered)
{
	struct request q = request();

	q.conf.directory = dir;
	run(&q);
	ck_assert_uint_eq(nbirths, 3);
	ck_assert_int_eq(births[1].stage, BIRTH_DIRECTORY);
	ck_assert_int_eq(births[2].stage, BIRTH_EXEC);
	ck_assert_int_eq(births[1].error + births[2].error, 0);
}
END_TEST

START_TEST(its_environment_is_svds_and_its_own)
{
	static char *own[] = {(char *)"COLOUR=red", NULL};
	struct request q = request();

	q.conf.environment = own;
	run(&q);
	expect_line("env COLOUR=red");
	expect_line("env TASTE=svd's");
	expect_line("env SVD_FLEET=f");
	expect_line("env SVD_WORKER=w:2");
	expect_line("env SVD_INSTANCE=2");
	expect_line("env SVD_GENERATION=3");
	ck_assert_ptr_null(strstr(report, "COLOUR=svd's"));
	ck_assert_ptr_null(strstr(report, "NOTIFY_SOCKET"));
	ck_assert_ptr_null(strstr(report, "SVD_SOCKET"));
	ck_assert_ptr_null(strstr(report, "SVD_MAINPID"));
}
END_TEST

START_TEST(a_stop_command_knows_whom_to_stop)
{
	struct request q = request();

	q.main_pid = 99;
	run(&q);
	expect_line("env SVD_MAINPID=99");
}
END_TEST

START_TEST(its_identity_is_known)
{
	struct request q = request();

	run(&q);
	ck_assert(result->id.pidfd_ino != 0 || result->id.start_time != 0);
}
END_TEST

START_TEST(many_births_leave_no_descriptor)
{
	struct request q = request();
	static char *argv[] = {(char *)"/bin/true", NULL};

	q.conf.argv = argv;
	q.times = getenv("SVD_VALGRIND") == NULL ? SPAWNS_MANY : 5;
	run(&q);
	ck_assert_int_eq(result->rc, 0);
	ck_assert_int_eq(result->fds_after, result->fds_before);
}
END_TEST

/* --- users; for root only --- */

static void
expect_ids(const char *kind, unsigned int id)
{
	char line[64];

	snprintf(
	    line, sizeof(line), "%s:\t%u\t%u\t%u\t%u", kind, id, id, id, id);
	expect_line(line);
}

START_TEST(it_runs_as_its_user_with_its_groups)
{
	struct request q = request();
	struct passwd *pw = getpwnam("nobody");

	q.conf.user = (char *)"nobody";
	run(&q);
	expect_ids("Uid", pw->pw_uid);
	expect_ids("Gid", pw->pw_gid);
	ck_assert_int_eq(result->dumpable, 1);
}
END_TEST

START_TEST(a_user_that_is_a_number_need_not_be_known)
{
	struct request q = request();

	q.conf.user = (char *)"54321";
	run(&q);
	expect_ids("Uid", NOBODY);
	expect_ids("Gid", NOBODY);
	expect_line("Groups:\t ");
}
END_TEST

START_TEST(a_group_goes_before_the_users_own)
{
	struct request q = request();
	struct group *gr = getgrnam("daemon");

	q.conf.user = (char *)"nobody";
	q.conf.group = (char *)"daemon";
	run(&q);
	expect_ids("Uid", getpwnam("nobody")->pw_uid);
	expect_ids("Gid", gr->gr_gid);
}
END_TEST

/* --- how a birth fails --- */

static void
expect_fault(int stage, int error, int status)
{
	ck_assert_int_eq(result->rc, 0);
	ck_assert_uint_gt(nbirths, 1);
	ck_assert_int_eq(births[0].stage, BIRTH_BORN);
	ck_assert_int_eq(births[nbirths - 1].stage, stage);
	ck_assert_int_eq(births[nbirths - 1].error, error);
	ck_assert_int_eq(WEXITSTATUS(exit_status), status);
}

static void
make_program(const char *text, mode_t mode)
{
	int fd = open(prog, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	ck_assert_int_eq(fd_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

static struct request
request_program(void)
{
	static char *argv[] = {prog, NULL};
	struct request q = request();

	q.conf.argv = argv;
	return q;
}

START_TEST(a_command_that_does_not_exist)
{
	struct request q = request_program();

	run(&q);
	expect_fault(BIRTH_EXEC, ENOENT, 127);
}
END_TEST

START_TEST(a_command_that_is_not_executable)
{
	struct request q = request_program();

	make_program("#!/bin/sh\n", 0644);
	run(&q);
	expect_fault(BIRTH_EXEC, EACCES, 126);
}
END_TEST

START_TEST(a_command_without_its_interpreter)
{
	struct request q = request_program();

	make_program("#!/no/such/interpreter\n", 0755);
	run(&q);
	expect_fault(BIRTH_INTERPRETER, ENOENT, 126);
}
END_TEST

START_TEST(a_command_in_no_format)
{
	struct request q = request_program();

	make_program("exit 0\n", 0755);
	run(&q);
	expect_fault(BIRTH_EXEC, ENOEXEC, 126);
}
END_TEST

START_TEST(a_directory_that_does_not_exist)
{
	struct request q = request();

	q.conf.directory = (char *)"/no/such/directory";
	run(&q);
	expect_fault(BIRTH_DIRECTORY, ENOENT, 126);
}
END_TEST

START_TEST(a_limit_beyond_the_hard_one)
{
	struct request q = request();

	q.conf.std_out.kind = STREAM_NULL;
	q.as = NOBODY;
	q.core = 1000;
	q.conf.limits[LIMIT_CORE] = (struct limit_conf){1, 10, 2000};
	run(&q);
	expect_fault(BIRTH_LIMITS, EPERM, 126);
	ck_assert_int_eq(births[nbirths - 1].detail, LIMIT_CORE);
}
END_TEST

START_TEST(a_priority_that_is_not_allowed)
{
	struct request q = request();

	q.conf.std_out.kind = STREAM_NULL;
	q.as = NOBODY;
	q.conf.nice = -5;
	q.conf.nice_set = 1;
	run(&q);
	expect_fault(BIRTH_NICE, EACCES, 126);
}
END_TEST

START_TEST(a_full_process_table)
{
	struct request q = request();

	q.conf.std_out.kind = STREAM_NULL;
	q.as = NOBODY;
	q.nproc = 1;
	run(&q);
	ck_assert_int_eq(result->rc, -1);
	ck_assert_str_eq(
	    result->e.text, "fork: Resource temporarily unavailable");
	ck_assert_uint_eq(nbirths, 0);
	ck_assert_int_eq(result->fds_after, result->fds_before);
}
END_TEST

/* --- what fails before there is a process --- */

static void
expect_unborn(const struct request *q, const char *text)
{
	run(q);
	ck_assert_int_eq(result->rc, -1);
	ck_assert_str_eq(result->e.text, text);
	ck_assert_uint_eq(nbirths, 0);
	ck_assert_int_eq(result->fds_after, result->fds_before);
}

START_TEST(an_unknown_user_or_group)
{
	struct request q = request();

	q.conf.user = (char *)"no-such-user";
	expect_unborn(&q, "user: unknown user 'no-such-user'");
	q.conf.user = NULL;
	q.conf.group = (char *)"no-such-group";
	expect_unborn(&q, "user: unknown group 'no-such-group'");
}
END_TEST

START_TEST(a_stream_that_cannot_be_opened)
{
	struct request q = request();

	q.conf.std_in =
	    (struct stream_conf){STREAM_FILE, (char *)"/no/such/file"};
	expect_unborn(&q, "streams: cannot open '/no/such/file': No such "
			  "file or directory");
	q = request();
	q.conf.std_out.path = (char *)"/no/such/file";
	expect_unborn(&q, "streams: cannot open '/no/such/file': No such "
			  "file or directory");
}
END_TEST

START_TEST(a_fifo_without_a_writer_hangs_nobody)
{
	struct request q = request();

	ck_assert_int_eq(mkfifo(prog, 0644), 0);
	q.conf.std_in = (struct stream_conf){STREAM_FILE, prog};
	run(&q);
	ck_assert_int_eq(result->rc, 0);
	expect_line("stdin other");
}
END_TEST

/* --- where a command is looked for --- */

static struct request
request_by_name(char *path)
{
	static char *argv[] = {(char *)"prog", NULL};
	static char *environment[2];
	struct request q = request();

	environment[0] = path;
	q.conf.argv = argv;
	q.conf.environment = environment;
	return q;
}

START_TEST(a_command_is_found_along_its_own_path)
{
	char path[128];
	struct request q = request_by_name(path);

	snprintf(path, sizeof(path), "PATH=/no/such:%s:/bin", dir);
	make_program("#!/bin/sh\nexit 7\n", 0755);
	run(&q);
	ck_assert_int_eq(result->rc, 0);
	ck_assert_int_eq(WEXITSTATUS(exit_status), 7);
}
END_TEST

START_TEST(a_command_that_is_nowhere_along_it)
{
	char path[] = "PATH=/no/such:/dev/null";
	struct request q = request_by_name(path);

	run(&q);
	expect_fault(BIRTH_EXEC, ENOENT, 127);
}
END_TEST

START_TEST(what_is_not_executable_along_it_is_said_if_nothing_else_is)
{
	char path[128];
	struct request q = request_by_name(path);

	snprintf(path, sizeof(path), "PATH=%s:/no/such", dir);
	make_program("", 0644);
	run(&q);
	expect_fault(BIRTH_EXEC, EACCES, 126);
}
END_TEST

/* Its vfork() is a fork(), its limits are its own, and it dies where execve()
 * finds no interpreter. */
static void
add_what_valgrind_spoils(TCase *t)
{
	tcase_add_test(t, it_is_the_keepers_child);
	tcase_add_test(t, it_has_the_standard_descriptors_only);
	tcase_add_test(t, it_gets_back_the_limit_that_svd_was_started_with);
	tcase_add_test(t, a_command_without_its_interpreter);
	if (geteuid() != 0)
		return;
	tcase_add_test(t, a_limit_beyond_the_hard_one);
	tcase_add_test(t, a_priority_that_is_not_allowed);
	tcase_add_test(t, a_full_process_table);
}

/* Only root can become another. */
static void
add_what_root_can_do(TCase *t)
{
	tcase_add_test(t, it_runs_as_its_user_with_its_groups);
	tcase_add_test(t, a_user_that_is_a_number_need_not_be_known);
	tcase_add_test(t, a_group_goes_before_the_users_own);
}

static TCase *
make_case(const char *name, void (*way)(void))
{
	TCase *t = tcase_create(name);

	tcase_add_checked_fixture(t, way, NULL);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, its_birth_is_the_one_packet_of_a_usual_set_up);
	tcase_add_test(t, it_has_no_signal_blocked_or_ignored);
	tcase_add_test(t, it_leads_its_session);
	tcase_add_test(t, in_init_mode_it_leads_a_group_in_svds_session);
	tcase_add_test(t, it_is_set_up_as_configured);
	tcase_add_test(t, a_directory_is_announced_before_it_is_entered);
	tcase_add_test(t, its_environment_is_svds_and_its_own);
	tcase_add_test(t, a_stop_command_knows_whom_to_stop);
	tcase_add_test(t, its_identity_is_known);
	tcase_add_test(t, many_births_leave_no_descriptor);
	tcase_add_test(t, a_command_that_does_not_exist);
	tcase_add_test(t, a_command_that_is_not_executable);
	tcase_add_test(t, a_command_in_no_format);
	tcase_add_test(t, a_directory_that_does_not_exist);
	tcase_add_test(t, an_unknown_user_or_group);
	tcase_add_test(t, a_stream_that_cannot_be_opened);
	tcase_add_test(t, a_fifo_without_a_writer_hangs_nobody);
	tcase_add_test(t, a_command_is_found_along_its_own_path);
	tcase_add_test(t, a_command_that_is_nowhere_along_it);
	tcase_add_test(
	    t, what_is_not_executable_along_it_is_said_if_nothing_else_is);
	if (getenv("SVD_VALGRIND") == NULL)
		add_what_valgrind_spoils(t);
	if (geteuid() == 0)
		add_what_root_can_do(t);
	return t;
}

int
main(int argc, char **argv)
{
	Suite *s = suite_create("spawn");
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	SRunner *r;
	int failed;

	if (argc > 1 && strcmp(argv[1], "--report") == 0)
		return report_main();
	self[n > 0 ? n : 0] = '\0';
	suite_add_tcase(s, make_case("clone", by_clone));
	suite_add_tcase(s, make_case("vfork", by_vfork));
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
