/*
 * storm: the parts of a storm, and the clock that is held against it.
 *
 *	storm crash		a worker that fails at once
 *	storm flood BYTES	one that writes lines of so many bytes for ever
 *	storm ask SOCKET N	N clients, a process each, that ask for the
 *				status again and again, until standard input
 *ends; then prints how many answers they had storm kill STAMPS INSTANCES N
 *SOCKET CALLER [COMMAND...] kills a worker N times, INSTANCES of them in turn,
 *whose latest pids are in STAMPS (stamp.c); a "%" in a word is the instance.
 *CALLER is `svctl`: COMMAND is executed, from which on the time counts; or a
 *method's name with "%"'s: a call on a connection made before, from before its
 *				sending on. Prints the nanoseconds until the
 *				process is dead, by its pidfd, a line each
 *
 * The one who measures asks for a real-time priority, so that what it waits for
 * is the death and not a processor; whom it starts has an ordinary one.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_MS 30000
#define WORDS_MAX 16
#define PAUSE_US 3000 /* between two kills */

struct stamp {
	uint64_t ns;
	int32_t instance, pid;
};

static _Noreturn void
fail(const char *what)
{
	fprintf(stderr, "storm: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static _Noreturn void
flood(size_t size)
{
	char *line = malloc(size);

	if (line == NULL || size == 0)
		exit(2);
	memset(line, 'x', size);
	line[size - 1] = '\n';
	for (;;)
		if (write(STDOUT_FILENO, line, size) == -1 && errno != EINTR)
			exit(1);
}

static int
dial(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (fd == -1 ||
	    connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == -1)
		fail(path);
	return fd;
}

/* Sends text with its NUL and reads up to the NUL of the answer. -1: the
 * connection has ended. */
static int
ask(int fd, const char *text)
{
	static char answer[1 << 16];
	size_t len = strlen(text) + 1;
	ssize_t n;

	if (write(fd, text, len) != (ssize_t)len)
		return -1;
	do
		n = read(fd, answer, sizeof(answer));
	while (n > 0 && answer[n - 1] != '\0');
	return n > 0 ? 0 : -1;
}

static _Noreturn void
ask_for_ever(const char *socket, uint64_t *answers)
{
	int fd = dial(socket);

	while (ask(fd, "{\"method\":\"org.svd.Fleet.Status\"}") == 0)
		++*answers;
	_exit(1);
}

static void
run_askers(const char *socket, int count)
{
	size_t size = (size_t)count * 64; /* a cache line each */
	uint64_t *answers = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t *pids = calloc((size_t)count, sizeof(*pids));
	uint64_t sum = 0;
	char c;
	int i;

	if (answers == MAP_FAILED || pids == NULL)
		fail("memory");
	for (i = 0; i < count; i++) {
		pids[i] = fork();
		if (pids[i] == -1)
			fail("fork");
		if (pids[i] == 0)
			ask_for_ever(socket, &answers[i * 8]);
	}
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	for (i = 0; i < count; i++) {
		if (waitpid(pids[i], NULL, WNOHANG) != 0)
			errno = EPIPE, fail("an asker was not answered");
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
		sum += answers[i * 8];
	}
	printf("%llu\n", (unsigned long long)sum);
}

/* The latest stamp of an instance later than since; pid 0: there is none. */
static struct stamp
latest(int fd, int instance, uint64_t since)
{
	struct stamp s[256], found = {0};
	struct stat st;
	ssize_t n, i;
	off_t at;

	if (fstat(fd, &st) == -1)
		fail("stamps");
	/* The latest are at the end. */
	for (at = st.st_size - st.st_size % (off_t)sizeof(*s);
	     at > 0 && found.pid == 0; at -= (off_t)sizeof(s)) {
		off_t from = at > (off_t)sizeof(s) ? at - (off_t)sizeof(s) : 0;

		n = pread(fd, s, (size_t)(at - from), from) /
		    (ssize_t)sizeof(*s);
		for (i = n; i-- > 0 && found.pid == 0;)
			if (s[i].instance == instance && s[i].ns > since)
				found = s[i];
	}
	return found;
}

static int
wait_for_victim(int stamps, int instance, uint64_t since)
{
	uint64_t deadline = now_ns() + TIMEOUT_MS * UINT64_C(1000000);
	struct stamp s;
	int pidfd;

	do {
		s = latest(stamps, instance, since);
		pidfd =
		    s.pid == 0 ? -1 : (int)syscall(SYS_pidfd_open, s.pid, 0);
		if (pidfd != -1)
			return pidfd;
		usleep(1000);
	} while (now_ns() < deadline);
	errno = ETIMEDOUT;
	fail("no successor of the killed one");
}

/* text with each % as the instance. */
static char *
fill_in(const char *text, int instance)
{
	static char out[WORDS_MAX][512];
	static int next;
	char *o = out[next++ % WORDS_MAX];
	size_t len = 0;

	for (; *text != '\0' && len < sizeof(*out) - 16; text++)
		if (*text == '%')
			len += (size_t)sprintf(o + len, "%d", instance);
		else
			o[len++] = *text;
	o[len] = '\0';
	return o;
}

static uint64_t
execute(char **command, int instance, pid_t *pid)
{
	volatile uint64_t begun = 0;
	char *words[WORDS_MAX + 1] = {NULL};
	int i;

	for (i = 0; command[i] != NULL && i < WORDS_MAX; i++)
		words[i] = fill_in(command[i], instance);
	*pid = vfork();
	if (*pid == 0) {
		begun = now_ns();
		execv(words[0], words);
		_exit(127);
	}
	if (*pid == -1)
		fail("vfork");
	return begun;
}

static uint64_t
await_death(int pidfd, uint64_t begun)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	if (poll(&p, 1, TIMEOUT_MS) != 1)
		errno = ETIMEDOUT, fail("the killed one lives");
	return now_ns() - begun;
}

static void
kill_by_command(int pidfd, int instance, char **command)
{
	pid_t pid;
	uint64_t begun = execute(command, instance, &pid), took;
	int status;

	took = await_death(pidfd, begun);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		errno = ECHILD, fail(command[0]);
	printf("%llu\n", (unsigned long long)took);
}

static void
kill_by_call(int pidfd, int instance, const char *call, int fd)
{
	const char *text = fill_in(call, instance);
	uint64_t begun = now_ns(), took;
	char answer[4096];
	ssize_t n;

	if (write(fd, text, strlen(text) + 1) == -1)
		fail("call");
	took = await_death(pidfd, begun);
	do
		n = read(fd, answer, sizeof(answer));
	while (n > 0 && answer[n - 1] != '\0');
	if (n <= 0 || strstr(answer, "\"done\":true") == NULL)
		errno = EPROTO, fail("its answer");
	printf("%llu\n", (unsigned long long)took);
}

/* Ordinary for those that it starts; where it may not, it waits as all do. */
static void
hurry(void)
{
	struct sched_param p = {.sched_priority = 10};

	sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &p);
}

static void
run_kills(char **argv)
{
	int stamps = open(argv[0], O_RDONLY | O_CLOEXEC), pidfd, i, instance;
	int instances = atoi(argv[1]), count = atoi(argv[2]), fd = -1;
	uint64_t *since = calloc((size_t)instances, sizeof(*since));
	char **command = argv + 5;

	if (stamps == -1 || since == NULL)
		fail(argv[0]);
	if (strcmp(argv[4], "svctl") != 0)
		fd = dial(argv[3]);
	hurry();
	for (i = 0; i < count; i++) {
		instance = i % instances;
		pidfd = wait_for_victim(stamps, instance, since[instance]);
		usleep(PAUSE_US);
		since[instance] = now_ns();
		if (fd == -1)
			kill_by_command(pidfd, instance, command);
		else
			kill_by_call(pidfd, instance, argv[4], fd);
		close(pidfd);
	}
}

int
main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	if (strcmp(mode, "crash") == 0)
		return 1;
	if (strcmp(mode, "flood") == 0 && argc == 3)
		flood((size_t)atol(argv[2]));
	if (strcmp(mode, "ask") == 0 && argc == 4)
		run_askers(argv[2], atoi(argv[3]));
	else if (strcmp(mode, "kill") == 0 && argc >= 7)
		run_kills(argv + 2);
	else
		return 2;
	return 0;
}
