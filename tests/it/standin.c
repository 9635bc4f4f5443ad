/*
 * standin: a file that is installed where svd was, and does in its place as the
 * file beside it, its own name and ".does", says. That begins with the name of
 * a real svd, which gets all roles but those that a line names:
 *
 *	ROLE crash		ends by SIGSEGV
 *	ROLE exit CODE
 *	ROLE hang
 *	ROLE slow MS		then it is the real one's
 *	ROLE spoil		what stands in can be executed no more, but this
 *				one goes on as the real one
 *	ROLE killed FILE	SIGKILL, the first time: then there is FILE
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char self[PATH_MAX];

static _Noreturn void
fail(const char *what)
{
	perror(what);
	_exit(121);
}

static void
sleep_ms(long ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

static void
be_killed_once(const char *file)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd != -1)
		raise(SIGKILL);
	else if (errno != EEXIST)
		fail(file);
}

static void
act(const char *what, const char *arg)
{
	if (strcmp(what, "crash") == 0) {
		signal(SIGSEGV, SIG_DFL);
		*(volatile int *)0 = 0;
	} else if (strcmp(what, "exit") == 0)
		_exit(atoi(arg));
	else if (strcmp(what, "hang") == 0)
		for (;;)
			pause();
	else if (strcmp(what, "slow") == 0)
		sleep_ms(atol(arg));
	else if (strcmp(what, "spoil") == 0) {
		if (chmod(self, 0600) == -1)
			fail(self);
	} else if (strcmp(what, "killed") == 0)
		be_killed_once(arg);
	else
		fail(what);
}

/* Is `role` what "ROLE=NUMBERS" begins with? */
static int
is_ours(const char *role, const char *argument)
{
	size_t len = strlen(role);

	return strncmp(argument, role, len) == 0 && argument[len] == '=';
}

int
main(int argc, char **argv)
{
	char name[PATH_MAX + 8], line[PATH_MAX], real[PATH_MAX];
	char role[32], what[32], arg[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	FILE *does;

	if (n <= 0 || argc < 3)
		fail("standin");
	snprintf(name, sizeof(name), "%s.does", self);
	does = fopen(name, "re");
	if (does == NULL || fgets(real, sizeof(real), does) == NULL)
		fail(name);
	real[strcspn(real, "\n")] = '\0';
	while (fgets(line, sizeof(line), does) != NULL) {
		arg[0] = '\0';
		if (sscanf(line, "%31s %31s %4095s", role, what, arg) >= 2 &&
		    is_ours(role, argv[2]))
			act(what, arg);
	}
	fclose(does);
	execv(real, argv);
	fail(real);
}
