/*
 * act WORD...: a worker that does as its arguments say, in order, and exits
 * with 0 at their end. The programs of the integration tests' fleets.
 *
 *	note FILE         appends "WORKER GENERATION PID\n"
 *	append FILE TEXT  appends TEXT and a newline
 *	write FD TEXT     writes TEXT and a newline
 *	report FILE       appends what it finds itself to be; see report()
 *	ignore SIG, block SIG, default SIG
 *	on SIG FILE       SIG appends its number and a newline to FILE
 *	on-exit SIG CODE  SIG ends it with CODE
 *	fork { WORD... }  a child does what is in the braces, then exits with 0
 *	setsid
 *	grow KB           takes so much memory, and writes to it
 *	sleep MS, pause
 *	exit CODE, exit-generation, die SIG, stop
 *
 * Links no more than libc, statically: a birth is to cost little. SIG is a
 * number.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t exit_code[65];
static const char *signal_file[65];

static void
fail(const char *what)
{
	perror(what);
	_exit(120);
}

/* One write, so that lines of many writers do not mix. */
static void
append(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);

	if (fd == -1 || write(fd, text, strlen(text)) == -1)
		fail(file);
	close(fd);
}

static void
appendf(const char *file, const char *fmt, ...)
{
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	append(file, text);
}

static const char *
env(const char *name)
{
	const char *value = getenv(name);

	return value ? value : "-";
}

static void
handler(int sig)
{
	int saved = errno;

	if (exit_code[sig] >= 0)
		_exit(exit_code[sig]);
	appendf(signal_file[sig], "%d\n", sig);
	errno = saved;
}

static void
handle(int sig, void (*fn)(int))
{
	struct sigaction sa = {.sa_handler = fn};

	if (sigaction(sig, &sa, NULL) == -1)
		fail("sigaction");
}

static void
block(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* All that a worker inherits, one "key value..." a line. No /proc needed. */
static void
report(const char *file)
{
	char text[4096], *p = text, *end = text + sizeof(text);
	struct sigaction sa;
	struct rlimit nofile;
	sigset_t mask;
	mode_t mask_mode = umask(0);
	char cwd[1024];

	umask(mask_mode);
	getrlimit(RLIMIT_NOFILE, &nofile);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	p += snprintf(p, (size_t)(end - p),
	    "pid %d\nppid %d\npgrp %d\nsid %d\nuid %d\ngid %d\nnumgroups %d\n"
	    "umask %03o\nnice %d\nnofile %lld:%lld\ncwd %s\n",
	    getpid(), getppid(), getpgrp(), getsid(0), (int)getuid(),
	    (int)getgid(), getgroups(0, NULL), (unsigned)mask_mode,
	    getpriority(PRIO_PROCESS, 0), (long long)nofile.rlim_cur,
	    (long long)nofile.rlim_max, getcwd(cwd, sizeof(cwd)) ? cwd : "?");
	p += snprintf(p, (size_t)(end - p), "ignored");
	for (int i = 1; i < 65; i++) {
		if (sigaction(i, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN)
			p += snprintf(p, (size_t)(end - p), " %d", i);
	}
	p += snprintf(p, (size_t)(end - p), "\nblocked");
	for (int i = 1; i < 65; i++) {
		if (sigismember(&mask, i) == 1)
			p += snprintf(p, (size_t)(end - p), " %d", i);
	}
	p += snprintf(p, (size_t)(end - p), "\nfds");
	for (int i = 0; i < 1024; i++) {
		if (fcntl(i, F_GETFD) != -1)
			p += snprintf(p, (size_t)(end - p), " %d", i);
	}
	snprintf(p, (size_t)(end - p),
	    "\nfleet %s\nworker %s\ninstance %s\ngeneration %s\nnotify "
	    "%s\nend\n",
	    env("SVD_FLEET"), env("SVD_WORKER"), env("SVD_INSTANCE"),
	    env("SVD_GENERATION"), env("NOTIFY_SOCKET"));
	append(file, text);
}

static void
sleep_ms(long ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	while (nanosleep(&t, &t) == -1 && errno == EINTR)
		;
}

static char **
past_block(char **word)
{
	int depth = 0;

	do {
		depth += strcmp(*word, "{") == 0;
		depth -= strcmp(*word, "}") == 0;
		word++;
	} while (depth > 0);
	return word;
}

static void act(char **word);

static char **
fork_block(char **word)
{
	char **after = past_block(word);
	pid_t pid = fork();

	if (pid == -1)
		fail("fork");
	if (pid > 0)
		return after;
	after[-1] = NULL;
	act(word + 1);
	_exit(0);
}

/* Words with no argument, with one, with two. */
static int
act_0(const char *word)
{
	if (strcmp(word, "setsid") == 0)
		setsid();
	else if (strcmp(word, "pause") == 0)
		for (;;)
			pause();
	else if (strcmp(word, "stop") == 0)
		raise(SIGSTOP);
	else if (strcmp(word, "exit-generation") == 0)
		_exit(atoi(env("SVD_GENERATION")) % 200);
	else
		return 0;
	return 1;
}

static void
die(int sig)
{
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	signal(sig, SIG_DFL);
	raise(sig);
}

static void
grow(size_t bytes)
{
	volatile char *memory = malloc(bytes);
	size_t i;

	if (memory == NULL)
		fail("malloc");
	for (i = 0; i < bytes; i += 4096)
		memory[i] = 1;
}

static int
act_1(const char *word, const char *arg)
{
	if (strcmp(word, "note") == 0)
		appendf(arg, "%s %s %d\n", env("SVD_WORKER"),
		    env("SVD_GENERATION"), getpid());
	else if (strcmp(word, "report") == 0)
		report(arg);
	else if (strcmp(word, "ignore") == 0)
		handle(atoi(arg), SIG_IGN);
	else if (strcmp(word, "default") == 0)
		handle(atoi(arg), SIG_DFL);
	else if (strcmp(word, "block") == 0)
		block(atoi(arg));
	else if (strcmp(word, "sleep") == 0)
		sleep_ms(atol(arg));
	else if (strcmp(word, "grow") == 0)
		grow((size_t)atol(arg) * 1024);
	else if (strcmp(word, "exit") == 0)
		_exit(atoi(arg));
	else if (strcmp(word, "die") == 0)
		die(atoi(arg));
	else
		return 0;
	return 1;
}

static int
act_2(const char *word, const char *arg, const char *arg2)
{
	if (strcmp(word, "append") == 0) {
		appendf(arg, "%s\n", arg2);
	} else if (strcmp(word, "write") == 0) {
		dprintf(atoi(arg), "%s\n", arg2);
	} else if (strcmp(word, "on") == 0) {
		signal_file[atoi(arg)] = arg2;
		exit_code[atoi(arg)] = -1;
		handle(atoi(arg), handler);
	} else if (strcmp(word, "on-exit") == 0) {
		exit_code[atoi(arg)] = atoi(arg2);
		handle(atoi(arg), handler);
	} else {
		return 0;
	}
	return 1;
}

static void
act(char **word)
{
	while (*word) {
		if (strcmp(*word, "fork") == 0)
			word = fork_block(word + 1);
		else if (act_0(word[0]))
			word += 1;
		else if (word[1] && act_1(word[0], word[1]))
			word += 2;
		else if (word[1] && word[2] && act_2(word[0], word[1], word[2]))
			word += 3;
		else
			fail(*word);
	}
}

int
main(int argc, char **argv)
{
	(void)argc;
	act(argv + 1);
	return 0;
}
