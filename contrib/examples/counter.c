/*
 * A worker in C that can be asked: it counts, and the count stays whatever
 * becomes of svd. Beside it: counter.py, the same in Python, and counter.ini.
 *
 *	cc -O2 -o counter counter.c -lsvdworker
 *	svctl call counter add 3
 *	svctl load counter total
 *
 * What is called of svd is described in svd.worker(3).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <svd/worker.h>

static long total;

static void
answer_total(struct svd_request *q)
{
	char text[32];

	svd_answer(q, text, (size_t)snprintf(text, sizeof(text), "%ld", total));
}

/* A method. Its value is JSON, a number here: `svctl call counter add 3`. */
static void
add(struct svd_request *q)
{
	char *end;
	long n = strtol(q->value, &end, 10);

	if (end == q->value || *end != '\0') {
		svd_raise(q, "TypeError", "add takes a whole number");
		return;
	}
	total += n;
	answer_total(q);
}

/* `svctl load counter total`: an expression, of which this knows one. */
static void
load(struct svd_request *q)
{
	if (strcmp(q->value, "total") == 0)
		answer_total(q);
	else
		svd_raise(q, "NameError", "there is nothing but 'total'");
}

int
main(void)
{
	static const struct svd_method methods[] = {{"add", add}, {NULL, NULL}};
	static const struct svd_service service = {
	    methods, NULL, NULL, load, NULL};

	/* Returns only where svd gives this process no channel. */
	svd_serve(&service);
	perror("counter");
	return 1;
}
