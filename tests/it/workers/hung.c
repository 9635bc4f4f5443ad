/*
 * hung: a worker that hangs, as its first argument says, and ignores TERM.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void *
hold(void *arg)
{
	(void)arg;
	prctl(PR_SET_NAME, "holder");
	pthread_mutex_lock(&mutex);
	for (;;)
		pause();
}

static void
in_mutex(void)
{
	pthread_t t;

	pthread_create(&t, NULL, hold, NULL);
	while (pthread_mutex_trylock(&mutex) == 0) {
		pthread_mutex_unlock(&mutex);
		usleep(1000);
	}
	pthread_mutex_lock(&mutex);
}

static void
in_pipe(void)
{
	static char data[65536];
	int fds[2];

	if (pipe(fds) == 0)
		for (;;)
			if (write(fds[1], data, sizeof(data)) == -1)
				return;
}

/* Its state is D: who waits for a child of vfork() cannot be interrupted. */
static void
in_vfork(void)
{
	if (vfork() == 0)
		for (;;)
			pause();
}

/* Everything that a process may choose has something in it that would forge a
 * line, talk to a terminal or be no UTF-8. */
static void
in_names(void)
{
	prctl(PR_SET_NAME, "a\nb\033[1m\377\\x");
	memfd_create("c\nforged: d\033[1m\376", 0);
	memfd_create("svd-dump:9", 0);
	memfd_create("svd-dump:15", 0);
	memfd_create("svd-dump:99999999999999999999", 0);
	for (;;)
		pause();
}

/* It takes what is sent to it for a wish to see stacks, and floods. */
static int flooded;

static void
on_signal(int sig)
{
	static char line[4096];
	int i;

	(void)sig;
	memset(line, '\033', sizeof(line));
	line[100] = '\n';
	for (i = 0; i < 100; i++)
		if (write(flooded, line, sizeof(line)) == -1)
			break;
	for (;;)
		pause();
}

static void
in_handler(void)
{
	char name[32];

	snprintf(name, sizeof(name), "svd-dump:%d", SIGRTMAX - 4);
	flooded = memfd_create(name, 0);
	signal(SIGRTMAX - 4, on_signal);
	for (;;)
		pause();
}

static void
in_sleep(void)
{
	for (;;)
		pause();
}

static void
in_children(void)
{
	int i;

	for (i = 0; i < 70; i++)
		if (fork() == 0)
			break;
	in_sleep();
}

static const struct {
	const char *name;
	void (*fn)(void);
} ways[] = {{"mutex", in_mutex}, {"pipe", in_pipe}, {"vfork", in_vfork},
    {"names", in_names}, {"handler", in_handler}, {"sleep", in_sleep},
    {"children", in_children}};

int
main(int argc, char **argv)
{
	size_t i;

	signal(SIGTERM, SIG_IGN);
	for (i = 0; argc > 1 && i < sizeof(ways) / sizeof(*ways); i++)
		if (strcmp(ways[i].name, argv[1]) == 0)
			ways[i].fn();
	return 1;
}
