/*
 * ask: see ask.h. What goes to the worker does so as bytes in a memfd, and what
 * comes is printed as it came: no number loses a digit, and nothing is too long
 * for a message.
 */
#include "ctl/ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"
#include "ctl/commands.h"
#include "ctl/exits.h"
#include "ctl/print.h"
#include "ctl/report.h"
#include "ipc/frame.h"
#include "ipc/json_scan.h"
#include "ipc/value.h"

#define SLACK_MS 1000 /* the daemon's own answer that it took too long */

/* One of the four. */
struct question {
	const char *name; /* of the parameter that is the second argument */
	int value;        /* the place of what is sent, among the arguments */
	int optional;     /* it may be absent */
	int is_json;
	int answers; /* with a value */
};

/* "-": from standard input. *text: to be freed, or NULL. */
static int
get_text(const char *arg, char **text, const char **at, size_t *len)
{
	*text = NULL;
	*at = arg;
	*len = strlen(arg);
	if (strcmp(arg, "-") != 0)
		return 0;
	*at = *text = fd_read_all(STDIN_FILENO, FRAME_VALUE_MAX, len);
	if (*text != NULL)
		return 0;
	print_error("cannot read standard input");
	return -1;
}

/* What is sent, in a memfd. */
static int
make_value(const struct question *q, const char *arg, int *fd)
{
	const char *at;
	struct err e;
	char *text;
	size_t len;

	if (get_text(arg, &text, &at, &len) == -1)
		return EXIT_FAILED;
	if (q->is_json && !json_scan_is_value(at, len)) {
		free(text);
		print_error("it is not JSON (a string has quotes: '\"text\"')");
		return EXIT_USAGE;
	}
	*fd = value_make(at, len, &e);
	free(text);
	if (*fd != -1)
		return EXIT_DONE;
	print_error("%s", e.text);
	return EXIT_FAILED;
}

/* To a terminal no control character that UTF-8 has is written as it is: JSON
 * itself lets through DEL and those of C1, in its strings. */
static void
write_value(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + len;

	if (!isatty(STDOUT_FILENO)) {
		fwrite(text, 1, len, stdout);
		return;
	}
	for (; p < end; p++)
		if (*p == 0x7f)
			fputs("\\u007f", stdout);
		else if (*p == 0xc2 && end - p > 1 && p[1] <= 0x9f)
			printf("\\u%04x", *++p);
		else
			putchar(*p);
}

/* As it came, for people with a newline behind it; for programs within an
 * object. */
static int
print_value(const struct ctl *ctl, const char *text, size_t len)
{
	if (!json_scan_is_value(text, len)) {
		print_error("the worker's answer is not JSON");
		return EXIT_FAILED;
	}
	fputs(ctl->json ? "{\"value\":" : "", stdout);
	write_value(text, len);
	fputs(ctl->json ? "}\n" : "\n", stdout);
	return EXIT_DONE;
}

static int
print_given(const struct ctl *ctl, int fd)
{
	int64_t size = value_size(fd);
	int status;
	void *at;

	at = size <= 0
	         ? MAP_FAILED
	         : mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED) {
		print_error("the worker's answer cannot be read");
		return EXIT_FAILED;
	}
	status = print_value(ctl, at, (size_t)size);
	munmap(at, (size_t)size);
	return status;
}

static int
use_answer(struct ctl *ctl, const json_t *parameters)
{
	const struct client *c = &ctl->client;

	if (json_object_get(parameters, "bytes") != NULL)
		return print_given(ctl, c->given);
	if (json_object_get(parameters, "value") != NULL)
		return print_value(ctl, c->value.data, c->value.len);
	if (ctl->json)
		print_json(parameters);
	return EXIT_DONE;
}

static json_t *
make_parameters(const struct ctl *ctl, const struct question *q)
{
	json_t *parameters = json_pack("{s:s, s:I, s:I}", "name", ctl->args[0],
	    "id", (json_int_t)(sys_random() >> 1), "called",
	    (json_int_t)sys_now_ms());

	if (q->name != NULL)
		json_object_set_new(
		    parameters, q->name, json_string(ctl->args[1]));
	if (q->answers)
		json_object_set_new(parameters, "large", json_true());
	if (ctl->timeout_ms != -1)
		json_object_set_new(parameters, "timeout",
		    json_real((double)ctl->timeout_ms / 1000.));
	return parameters;
}

static int
ask(struct ctl *ctl, const struct question *q)
{
	int most = q->value + 1, status = EXIT_DONE, fd = -1;

	if (ctl->nargs > most || ctl->nargs < most - q->optional) {
		print_error("usage: svctl %s %s", ctl->command->name,
		    ctl->command->args);
		return EXIT_USAGE;
	}
	if (!ctl->wait) {
		print_error("a worker's answer is always waited for");
		return EXIT_USAGE;
	}
	if (ctl->nargs == most)
		status = make_value(q, ctl->args[q->value], &fd);
	if (status != EXIT_DONE)
		return status;
	if (ctl->timeout_ms != -1)
		ctl->deadline += SLACK_MS;
	ctl->client.giving = fd;
	ctl->client.takes_value = 1;
	status = command_call(ctl, make_parameters(ctl, q),
	    json_pack("{s:b}", "again", 1), use_answer);
	ctl->client.giving = -1;
	fd_close(&fd);
	return status;
}

int
ask_run(struct ctl *ctl)
{
	static const struct question q = {.value = 1};

	return ask(ctl, &q);
}

int
ask_call(struct ctl *ctl)
{
	static const struct question q = {.name = "method",
	    .value = 2,
	    .optional = 1,
	    .is_json = 1,
	    .answers = 1};

	return ask(ctl, &q);
}

int
ask_store(struct ctl *ctl)
{
	static const struct question q = {
	    .name = "key", .value = 2, .is_json = 1};

	return ask(ctl, &q);
}

int
ask_load(struct ctl *ctl)
{
	static const struct question q = {.value = 1, .answers = 1};

	return ask(ctl, &q);
}
