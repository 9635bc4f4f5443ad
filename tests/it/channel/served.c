/*
 * served: a worker in C that is asked by its channel: what the tests and
 * `make bench-channel` speak to. With an argument, the loop is its own.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <svd/worker.h>

static char *kept;
static size_t kept_len;

static void
echo(struct svd_request *q)
{
	if (q->value_len > 0)
		svd_answer(q, q->value, q->value_len);
}

static void
length(struct svd_request *q)
{
	char text[32];

	/* The NUL is promised. */
	if (q->value[q->value_len] != '\0')
		abort();
	svd_answer(
	    q, text, (size_t)snprintf(text, sizeof(text), "%zu", q->value_len));
}

static void
die(struct svd_request *q)
{
	_exit(atoi(q->value));
}

static void
sleeps(struct svd_request *q)
{
	sleep((unsigned int)atoi(q->value));
}

static void
twice(struct svd_request *q)
{
	svd_answer(q, "1", 1);
	if (svd_answer(q, "2", 1) != -1 || errno != EALREADY)
		abort();
}

static void
fail(struct svd_request *q)
{
	svd_raise(q, "ValueError", "not \"this\"\nway \\");
}

static void
store(struct svd_request *q)
{
	char *copy = malloc(q->value_len);

	if (copy == NULL || strcmp(q->name, "kept") != 0) {
		free(copy);
		svd_raise(q, "KeyError", q->name);
		return;
	}
	memcpy(copy, q->value, q->value_len);
	free(kept);
	kept = copy;
	kept_len = q->value_len;
}

static void
load(struct svd_request *q)
{
	if (strcmp(q->value, "kept") == 0 && kept != NULL)
		svd_answer(q, kept, kept_len);
	else
		svd_raise(q, "NameError", q->value);
}

static const struct svd_method methods[] = {
    {"echo", echo},
    {"length", length},
    {"die", die},
    {"sleep", sleeps},
    {"twice", twice},
    {"fail", fail},
    {NULL, NULL},
};

int
main(int argc, char **argv)
{
	struct svd_service s = {
	    .methods = methods, .store = store, .load = load};
	struct pollfd p = {.events = POLLIN};
	int rc;

	(void)argv;
	if (argc == 1)
		return svd_serve(&s) == -1 && errno == ENOTCONN ? 3 : 4;
	p.fd = svd_channel_fd();
	while ((rc = svd_dispatch(&s)) != -1)
		if (rc == 0)
			poll(&p, 1, -1);
	return 5;
}
