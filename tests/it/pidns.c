/*
 * pidns [-p] [-r] [-d] [-c] [-f FILE] COMMAND [ARG...]: runs COMMAND as PID 1
 * of a PID namespace and ends exactly as it did, by the same signal if by one
 * (util-linux 2.38 loses a death by signal). Forwards nothing; COMMAND dies
 * with it.
 *
 *	-p  no /proc: an empty folder      -r  the root is read-only
 *	-d  no /dev: an empty folder       -c  0, 1 and 2 are closed
 *	-f  writes COMMAND's pid, as seen from outside, to FILE
 *
 * Where it is not root it makes a user namespace too.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct options {
	int no_proc, read_only, no_dev, close_standard;
	const char *pid_file;
};

static void
fail(const char *what)
{
	perror(what);
	exit(99);
}

static void
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	if (!f || fputs(text, f) == EOF || fclose(f) == EOF)
		fail(path);
}

static void
enter_user_namespace(void)
{
	char map[64];
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (unshare(CLONE_NEWUSER) == -1)
		fail("unshare user");
	snprintf(map, sizeof(map), "0 %d 1", (int)uid);
	write_file("/proc/self/uid_map", map);
	write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %d 1", (int)gid);
	write_file("/proc/self/gid_map", map);
}

static void
mount_or_fail(const char *type, const char *target, unsigned long flags)
{
	if (mount(type, target, type, flags, NULL) == -1)
		fail(target);
}

static void
make_world(const struct options *o)
{
	mount_or_fail(o->no_proc ? "tmpfs" : "proc", "/proc", 0);
	if (o->no_dev)
		mount_or_fail("tmpfs", "/dev", 0);
	if (o->read_only) {
		if (mount("/", "/", NULL, MS_BIND | MS_REC, NULL) == -1 ||
		    chroot("/") == -1 ||
		    mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY,
			NULL) == -1)
			fail("/");
	}
	if (o->close_standard) {
		close(0);
		close(1);
		close(2);
	}
}

/* Not before our pid is written down: the root may be read-only then. */
static void
run(const struct options *o, int go, char **command)
{
	char c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (read(go, &c, 1) == -1)
		fail("read");
	make_world(o);
	execvp(command[0], command);
	_exit(98);
}

static int
end_like(int status)
{
	struct rlimit none = {0, 0};

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	setrlimit(RLIMIT_CORE, &none);
	signal(WTERMSIG(status), SIG_DFL);
	kill(getpid(), WTERMSIG(status));
	return 97;
}

static pid_t
start(const struct options *o, char **command)
{
	char text[32];
	int go[2];
	pid_t pid;

	if (geteuid() != 0)
		enter_user_namespace();
	if (unshare(CLONE_NEWPID | CLONE_NEWNS) == -1)
		fail("unshare");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1)
		fail("private");
	if (pipe2(go, O_CLOEXEC) == -1 || (pid = fork()) == -1)
		fail("fork");
	if (pid == 0) {
		close(go[1]);
		run(o, go[0], command);
	}
	if (o->pid_file) {
		snprintf(text, sizeof(text), "%d\n", (int)pid);
		write_file(o->pid_file, text);
	}
	close(go[1]);
	return pid;
}

int
main(int argc, char **argv)
{
	struct options o = {0};
	int c, status;
	pid_t pid;

	while ((c = getopt(argc, argv, "+prdcf:")) != -1) {
		o.no_proc |= c == 'p';
		o.read_only |= c == 'r';
		o.no_dev |= c == 'd';
		o.close_standard |= c == 'c';
		if (c == 'f')
			o.pid_file = optarg;
		if (c == '?')
			return 99;
	}
	if (optind == argc)
		return 99;
	pid = start(&o, argv + optind);
	if (waitpid(pid, &status, 0) == -1)
		fail("waitpid");
	return end_like(status);
}
