/*
 * odd.so: what a floor may be asked to load, and what it then does, by the
 * environment variable ODD: "sleep MS", "exit CODE", "fail", "die SIG",
 * "prepare FILE" and "child FILE" (a fork handler that waits while FILE is
 * there), "half TEXT" (on standard output, no newline), "subreaper", "thread".
 * Entry: act_main of act.so.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

int odd_init(void);

static char file[4096];

static void
wait_for_file(void)
{
	while (file[0] != '\0' && access(file, F_OK) == 0)
		usleep(1000);
}

static void *
idle(void *arg)
{
	for (;;)
		pause();
	return arg;
}

int
odd_init(void)
{
	const char *odd = getenv("ODD");
	char what[16] = "";
	pthread_t thread;

	if (odd == NULL || sscanf(odd, "%15s %4000s", what, file) < 1)
		return 0;
	if (strcmp(what, "sleep") == 0)
		usleep((useconds_t)atoi(file) * 1000);
	else if (strcmp(what, "exit") == 0)
		_exit(atoi(file));
	else if (strcmp(what, "fail") == 0)
		return 7;
	else if (strcmp(what, "die") == 0)
		raise(atoi(file));
	else if (strcmp(what, "prepare") == 0)
		pthread_atfork(wait_for_file, NULL, NULL);
	else if (strcmp(what, "child") == 0)
		pthread_atfork(NULL, NULL, wait_for_file);
	else if (strcmp(what, "half") == 0)
		printf("%s", file);
	else if (strcmp(what, "subreaper") == 0)
		prctl(PR_SET_CHILD_SUBREAPER, 1);
	else if (strcmp(what, "thread") == 0)
		pthread_create(&thread, NULL, idle, NULL);
	return 0;
}
