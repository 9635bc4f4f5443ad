/*
 * bare FILE COUNT WORKER: what svd is compared with, the least that a program
 * can do to have COUNT processes of `WORKER FILE`: vfork and exec, one after
 * another. Then it obeys lines:
 *
 *	kill N    KILL to process N, wait for it, start it again
 *	all       KILL to all; each is started again as it is reaped
 *	stop      TERM to all, and waits for them; ends
 *
 * It answers each with a line of two CLOCK_MONOTONIC times in ns, at its
 * beginning and its end.
 *
 * bare -t COUNT COMMAND...: runs COMMAND so often, its output thrown away, and
 * prints how long each took, in ns.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PIDS 4194304 /* linux/threads.h: PID_MAX_LIMIT */

static int count;
static pid_t *pids;
static int instance_of[PIDS];
static char **argv_of_worker;
static char instance[32] = "SVD_INSTANCE=0";
static char *envp[256];

static void
fail(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void
start(int i)
{
	pid_t pid;

	snprintf(instance, sizeof(instance), "SVD_INSTANCE=%d", i);
	pid = vfork();
	if (pid == 0) {
		execve(argv_of_worker[0], argv_of_worker, envp);
		_exit(127);
	}
	if (pid == -1)
		fail("vfork");
	pids[i] = pid;
	instance_of[pid] = i;
}

static void
kill_one(int i)
{
	kill(pids[i], SIGKILL);
	waitpid(pids[i], NULL, 0);
	start(i);
}

static void
kill_all(void)
{
	pid_t pid;
	int i;

	for (i = 0; i < count; i++)
		kill(pids[i], SIGKILL);
	for (i = 0; i < count; i++) {
		pid = waitpid(-1, NULL, 0);
		if (pid == -1)
			fail("waitpid");
		start(instance_of[pid]);
	}
}

static void
stop_all(void)
{
	int i;

	for (i = 0; i < count; i++)
		kill(pids[i], SIGTERM);
	while (waitpid(-1, NULL, 0) != -1)
		;
}

/* Returns 0 after the last one. */
static int
obey(const char *line)
{
	uint64_t from = now();
	int i;

	if (sscanf(line, "kill %d", &i) == 1 && i >= 0 && i < count)
		kill_one(i);
	else if (strcmp(line, "all\n") == 0)
		kill_all();
	else if (strcmp(line, "stop\n") == 0)
		stop_all();
	else {
		fprintf(stderr, "bare: cannot understand: %s", line);
		exit(2);
	}
	printf(
	    "%llu %llu\n", (unsigned long long)from, (unsigned long long)now());
	fflush(stdout);
	return strcmp(line, "stop\n") != 0;
}

static int
time_command(const int times, char **argv)
{
	uint64_t from;
	int status, null, i;
	pid_t pid;

	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	for (i = 0; i < times; i++) {
		from = now();
		pid = vfork();
		if (pid == 0) {
			dup2(null, STDOUT_FILENO);
			execv(argv[0], argv);
			_exit(127);
		}
		if (pid == -1 || waitpid(pid, &status, 0) == -1)
			fail(argv[0]);
		if (status != 0) {
			fprintf(stderr, "bare: %s: status %#x\n", argv[0],
			    (unsigned)status);
			return 1;
		}
		printf("%llu\n", (unsigned long long)(now() - from));
	}
	return 0;
}

static void
prepare(char **argv)
{
	static char *worker[3];
	size_t n = 0;

	worker[0] = argv[3];
	worker[1] = argv[1];
	argv_of_worker = worker;
	for (char **e = environ; *e != NULL && n < 254; e++)
		envp[n++] = *e;
	envp[n] = instance;
	count = atoi(argv[2]);
	pids = calloc((size_t)count + 1, sizeof(*pids));
	if (pids == NULL)
		fail("bare");
}

int
main(int argc, char **argv)
{
	char line[64];
	int i;

	if (argc > 3 && strcmp(argv[1], "-t") == 0)
		return time_command(atoi(argv[2]), argv + 3);
	if (argc != 4)
		return 2;
	prepare(argv);
	for (i = 0; i < count; i++)
		start(i);
	while (fgets(line, sizeof(line), stdin) != NULL && obey(line))
		;
	return 0;
}
