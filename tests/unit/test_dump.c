/* dump: what is made of texts that /proc could have, right and wrong ones. */
#include <check.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/procfs.h"
#include "supervisor/dump_proc.h"
#include "supervisor/dump_syscall.h"

static char root[] = "/tmp/svd-dump-XXXXXX";
static struct dump_proc proc;
static int out[2];

static void
set_up(void)
{
	strcpy(strrchr(root, '-'), "-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	proc = (struct dump_proc){.pid = 10, .is_main = 1, .name = "fake"};
	proc.dir = open(root, O_RDONLY | O_DIRECTORY);
	ck_assert_int_eq(pipe(out), 0);
}

static void
tear_down(void)
{
	char command[64];

	close(proc.dir);
	close(out[0]);
	close(out[1]);
	snprintf(command, sizeof(command), "rm -r %s", root);
	ck_assert_int_eq(system(command), 0);
}

static void
make_directories(const char *path)
{
	char part[128];
	const char *at = path;

	while ((at = strchr(at, '/')) != NULL) {
		snprintf(part, sizeof(part), "%.*s", (int)(at - path), path);
		mkdirat(proc.dir, part, 0700);
		at++;
	}
}

static void
put(const char *path, const char *text)
{
	int fd;

	make_directories(path);
	fd = openat(proc.dir, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(write(fd, text, strlen(text)), (int)strlen(text));
	close(fd);
}

static void
put_link(const char *path, const char *to)
{
	make_directories(path);
	ck_assert_int_eq(symlinkat(to, proc.dir, path), 0);
}

/* What a part says. */
static const char *
say(void (*part)(struct dump_out *o, const struct dump_proc *p))
{
	static char text[16384];
	struct dump_out o = {.fd = out[1]};
	ssize_t n;

	part(&o, &proc);
	dump_say(&o, ".");
	dump_flush(&o);
	buf_release(&o.text);
	n = read(out[0], text, sizeof(text) - 1);
	ck_assert_int_ge(n, 1);
	text[n - 1] = '\0';
	return text;
}

START_TEST(test_lines_of_system_calls)
{
	struct syscall_line s;

	dump_syscall_parse("running\n", &s);
	ck_assert_int_eq(s.kind, SYSCALL_RUNNING);
	dump_syscall_parse("-1 0x7ffc 0x7f12\n", &s);
	ck_assert_int_eq(s.kind, SYSCALL_NONE);
	dump_syscall_parse(
	    "202 0x1 0x2 0xffffffffffffffff 0x4 0x5 0x6 0x7ffc 0x7f", &s);
	ck_assert_int_eq(s.kind, SYSCALL_CALL);
	ck_assert_int_eq(s.number, 202);
	ck_assert_uint_eq(s.args[2], UINT64_MAX);
	ck_assert_uint_eq(s.args[5], 6);
	dump_syscall_parse("202 0x1 0x2", &s);
	ck_assert_int_eq(s.kind, SYSCALL_UNKNOWN);
	dump_syscall_parse("", &s);
	ck_assert_int_eq(s.kind, SYSCALL_UNKNOWN);
	dump_syscall_parse("what is this", &s);
	ck_assert_int_eq(s.kind, SYSCALL_UNKNOWN);
}
END_TEST

START_TEST(test_names_of_system_calls)
{
	ck_assert_str_eq(dump_syscall_name(SYS_read), "read");
	ck_assert_str_eq(dump_syscall_name(SYS_futex), "futex");
	ck_assert_str_eq(dump_syscall_name(SYS_pidfd_open), "pidfd_open");
	ck_assert_ptr_null(dump_syscall_name(-1));
	ck_assert_ptr_null(dump_syscall_name(1000000));
	ck_assert_int_eq(dump_syscall_args("read")[0], ARG_FD);
	ck_assert_int_eq(dump_syscall_args("")[0], ARG_POINTER);
	ck_assert(dump_syscall_futex_waits(
	    FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME));
	ck_assert(!dump_syscall_futex_waits(FUTEX_WAKE_PRIVATE));
}
END_TEST

static void
quote(struct dump_out *o, const struct dump_proc *p)
{
	static const char text[] = "a\nb\0c\x1b[1m\x7f\\\xc3\xa4";

	(void)p;
	dump_quote(o, text, sizeof(text) - 1);
	dump_say(o, "|");
	dump_lines(o, "> ", "one\n\n\ttwo\nthree");
}

START_TEST(test_what_somebody_chose_is_escaped)
{
	ck_assert_str_eq(say(quote), "a\\x0ab\\x00c\\x1b[1m\\x7f\\x5c\xc3\xa4|"
				     "> one\n> \n> \\x09two\n> three\n");
}
END_TEST

START_TEST(test_threads)
{
	char line[128];

	put("task/10/comm", "a)\nb (\n");
	put("task/10/status", "Name:\tx\nState:\tS (sleeping)\n");
	put("task/10/wchan", "pipe_write");
	snprintf(line, sizeof(line),
	    "%d 0x5 0x7f00 0x10 0x0 0x0 0x0 0x7ffc 0x7f00\n", (int)SYS_write);
	put("task/10/syscall", line);
	put("task/10/stack", "[<0>] pipe_write+0x1/0x2\n[<0>] x\n");
	put_link("fd/5", "pipe:[77]");
	ck_assert_str_eq(say(dump_threads),
	    "process 10 (fake): threads\n"
	    "    10 (a)\\x0ab (): S (sleeping), in pipe_write, "
	    "write(5 <pipe:[77]>, 0x7f00, 16)\n"
	    "        [<0>] pipe_write+0x1/0x2\n        [<0>] x\n");
}
END_TEST

START_TEST(test_a_thread_of_which_little_is_known)
{
	put("task/10/comm", "x\n");
	ck_assert_str_eq(say(dump_threads),
	    "process 10 (fake): threads\n    10 (x): gone\n");
	put("task/10/status", "State:\tR (running)");
	put("task/10/wchan", "0");
	put("task/10/syscall", "running\n");
	ck_assert_str_eq(say(dump_threads),
	    "process 10 (fake): threads\n    10 (x): R (running), running\n");
}
END_TEST

START_TEST(test_a_process_as_a_whole)
{
	put("status", "State:\tT (stopped)\nTracerPid:\t12\nThreads:\t3\n"
		      "ShdPnd:\t0000000000000001\nSigPnd:\t0\n"
		      "SigBlk:\tffffffff00000000\nSigIgn:\t0000000000001000\n"
		      "SigCgt:\tnonsense\nVmSwap:\t0 kB\nVmRSS:\t\x1b 5 kB\n");
	put("stat", "10 (a) b) S 1 1 1 0 -1 0 0 0 0 0 100 50 0 0");
	put("schedstat", "2500000000 1500000 7\n");
	ck_assert_str_eq(say(dump_status),
	    "process 10 (fake): as a whole\n"
	    "    state: T (stopped)\n    traced by: 12\n    threads: 3\n"
	    "    signals pending: HUP; blocked by its first thread: 33 "
	    "RTMIN-RTMIN+30; ignored: PIPE\n"
	    "    processor time: 1s user, 500ms system; its first thread has "
	    "run 2.5s, and been ready to run, but waited for a processor, "
	    "1ms\n"
	    "    resident memory: \\x1b 5 kB\n");
}
END_TEST

START_TEST(test_a_process_that_is_gone)
{
	ck_assert_str_eq(say(dump_status), "process 10 (fake): gone\n");
	ck_assert_str_eq(say(dump_fds),
	    "process 10 (fake): descriptors\n    they may not be seen\n");
	ck_assert_str_eq(say(dump_sockets), "");
	ck_assert_str_eq(say(dump_python), "");
}
END_TEST

START_TEST(test_descriptors)
{
	put_link("fd/10", "/a\nb");
	put_link("fd/2", "/dev/null");
	put_link("fd/x", "no number");
	put("fdinfo/10", "pos:\t17\nflags:\t0106001\n");
	put("fdinfo/2", "garbage");
	ck_assert_str_eq(say(dump_fds),
	    "process 10 (fake): descriptors\n"
	    "    2: /dev/null\n"
	    "    10: /a\\x0ab, write, appending, non-blocking, at byte 17\n");
}
END_TEST

START_TEST(test_sockets)
{
	put_link("fd/3", "socket:[101]");
	put_link("fd/4", "socket:[102]");
	put_link("fd/5", "socket:[103]");
	put_link("fd/6", "socket:[nonsense");
	put("net/tcp",
	    "  sl  local_address rem_address   st tx_queue rx_queue\n"
	    "   0: 0100007F:1F90 0200007F:0050 01 00000010:00000002 "
	    "00:00000000 "
	    "00000000     0        0 101 1\n"
	    "   1: 0100007F:1F91 00000000:0000 0A 00000000:00000000 "
	    "00:00000000 "
	    "00000000     0        0 999 1\n"
	    "   2: short\n");
	put("net/tcp6",
	    "   0: 00000000000000000000000001000000:0016 "
	    "00000000000000000000000000000000:0000 0A 00000000:00000000 "
	    "00:00000000 00000000     0        0 102 1\n");
	put("net/unix",
	    "Num       RefCount Protocol Flags    Type St Inode Path\n"
	    "0000000000000000: 00000002 00000000 00010000 0001 01 103 "
	    "/a\x1b/b\n"
	    "0000000000000000: 00000002 00000000\n");
	ck_assert_str_eq(say(dump_sockets),
	    "process 10 (fake): sockets\n"
	    "    3: tcp 127.0.0.1:8080 to 127.0.0.2:80, ESTABLISHED, 16 to be "
	    "sent, 2 to be read\n"
	    "    4: tcp6 [::1]:22 to [::]:0, LISTEN, 0 to be sent, 0 to be "
	    "read\n"
	    "    5: unix stream, listens /a\\x1b/b\n");
}
END_TEST

START_TEST(test_no_file_but_a_memfd_is_an_offer)
{
	put("real", "secret");
	put_link("fd/3", "/memfd:svd-dump:60 (deleted)");
	put_link("fd/4", "/memfd:svd-dump:0 (deleted)");
	put_link("fd/5", "/memfd:svd-dump:65 (deleted)");
	put_link("fd/6", "/memfd:svd-dump:");
	put_link("fd/7", "/memfd:svd-dump:12");
	ck_assert_str_eq(say(dump_python), "");
}
END_TEST

START_TEST(test_values_of_proc)
{
	static const char text[] = "A:\t1\nAB: 2\n x:3\nA:9";

	ck_assert_int_eq(*procfs_value(text, "A"), '1');
	ck_assert_int_eq(*procfs_value(text, "AB"), '2');
	ck_assert_ptr_null(procfs_value(text, "x"));
	ck_assert_ptr_null(procfs_value("", "A"));
	ck_assert_ptr_null(procfs_value("A", "A"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("dump");
	TCase *t = tcase_create("dump");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, test_lines_of_system_calls);
	tcase_add_test(t, test_names_of_system_calls);
	tcase_add_test(t, test_what_somebody_chose_is_escaped);
	tcase_add_test(t, test_threads);
	tcase_add_test(t, test_a_thread_of_which_little_is_known);
	tcase_add_test(t, test_a_process_as_a_whole);
	tcase_add_test(t, test_a_process_that_is_gone);
	tcase_add_test(t, test_descriptors);
	tcase_add_test(t, test_sockets);
	tcase_add_test(t, test_no_file_but_a_memfd_is_an_offer);
	tcase_add_test(t, test_values_of_proc);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
