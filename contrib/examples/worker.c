/*
 * A worker in C, on a native floor: svd loads this and builds its table once;
 * each worker is forked from there, at work at once, and shares the table's
 * memory with its siblings. Beside it: native.ini.
 *
 *	cc -O2 -fPIC -shared -o libexample.so worker.c -lsvdworker
 *	LD_LIBRARY_PATH=$PWD svd native.ini
 *
 * What is called of svd is described in svd.worker(3). With a main() that calls
 * answer(), the same would be a program for `command =`.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>

#include <svd/worker.h>

#define NUMBERS (4 << 20) /* of the table: 4 MiB */

static unsigned char *is_composite;
static volatile sig_atomic_t stop;

/* init = build_table. On the floor, once it is loaded: what takes time and is
 * the same for all. No threads, no connections: those belong to a worker. Any
 * value but 0 says that it failed. */
int
build_table(void)
{
	unsigned long i, k;

	is_composite = calloc(NUMBERS, 1);
	if (is_composite == NULL)
		return 1;
	for (i = 2; i * i < NUMBERS; i++)
		if (!is_composite[i])
			for (k = i * i; k < NUMBERS; k += i)
				is_composite[k] = 1;
	return 0;
}

static void
on_term(int sig)
{
	stop = sig;
}

/* Sleeps so long, or until a signal. */
static void
wait_ms(unsigned int ms)
{
	struct timeval tv;

	tv.tv_sec = ms / 1000;
	tv.tv_usec = (ms % 1000) * 1000;
	select(0, NULL, NULL, NULL, &tv);
}

/* entry = libexample.so:answer. In each worker; argv[0] is the entry, the rest
 * is from args. Returns the exit status; so does exit(). */
int
answer(int argc, char **argv)
{
	unsigned int rest = svd_heartbeat_ms();
	unsigned long n = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
	char line[64];

	signal(SIGTERM, on_term);
	setvbuf(stdout, NULL, _IOLBF, 0);
	/* Where the fleet file says `ready = notify`, what requires this
	 * worker is started now. */
	svd_ready();
	while (!stop) {
		n = (n * 1103515245 + 12345) % NUMBERS;
		snprintf(line, sizeof(line), "%lu is%s prime", n,
		    n < 2 || is_composite[n] ? " not" : "");
		printf("%s: %s\n", svd_name() != NULL ? svd_name() : "worker",
		    line);
		svd_status(line);
		svd_heartbeat();
		wait_ms(rest > 0 && rest < 1000 ? rest : 1000);
	}
	puts("asked to end");
	return 0;
}
