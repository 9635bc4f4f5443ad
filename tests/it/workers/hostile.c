/*
 * hostile WAY [FILE]: a worker that obeys nobody: it ignores every signal that
 * can be, blocks them too, and
 *
 *	lock	holds a lock on FILE, closes its channel, and sleeps
 *	flood	fills its standard output and error, for ever
 *	breed	makes orphans that end at once, for ever
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

/* Some 500 a second: their zombies stay where the supervisor is stopped, and
 * the machine is not ours alone. */
#define BROOD 25
#define PAUSE_US 50000 /* between broods */

static void
obey_nobody(void)
{
	sigset_t all;
	int sig;

	for (sig = 1; sig < 65; sig++)
		signal(sig, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
}

static void
lock(const char *path)
{
	const char *channel = getenv("SVD_CHANNEL_FD");
	int fd = open(path, O_RDWR | O_CREAT, 0600);

	if (fd == -1 || flock(fd, LOCK_EX) == -1)
		_exit(1);
	if (channel != NULL)
		close(atoi(channel));
	for (;;)
		sleep(1000);
}

static void
flood(void)
{
	static char line[4096];

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (;;)
		if (write(STDOUT_FILENO, line, sizeof(line)) == -1 ||
		    write(STDERR_FILENO, line, sizeof(line)) == -1)
			_exit(1);
}

/* The keeper's are those whose parent is gone. */
static void
breed(void)
{
	int i;

	for (;; usleep(PAUSE_US)) {
		if (fork() == 0) {
			for (i = 0; i < BROOD; i++)
				if (fork() == 0) {
					usleep(1000); /* until they are */
					_exit(0);
				}
			_exit(0);
		}
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

int
main(int argc, char **argv)
{
	const char *way = argc > 1 ? argv[1] : "";

	obey_nobody();
	if (strcmp(way, "lock") == 0 && argc == 3)
		lock(argv[2]);
	else if (strcmp(way, "flood") == 0)
		flood();
	else if (strcmp(way, "breed") == 0)
		breed();
	return 2;
}
