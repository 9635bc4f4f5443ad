/* notify_text: see notify_text.h. */
#include "ipc/notify_text.h"

#include <limits.h>
#include <string.h>

#define DIGITS_MAX 18 /* that surely fit an int64_t */

/* -1: not a number of that kind. */
static int64_t
parse_number(const char *text, size_t len)
{
	int64_t value = 0;
	size_t i;

	if (len == 0 || len > DIGITS_MAX)
		return -1;
	for (i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		value = value * 10 + (text[i] - '0');
	}
	return value;
}

static void
take_status(struct notify_text *n, const char *value, size_t len)
{
	n->status = value;
	n->status_len = len;
}

static void
take_watchdog_usec(struct notify_text *n, const char *value, size_t len)
{
	int64_t usec = parse_number(value, len);

	if (usec != -1)
		n->watchdog_usec = usec;
}

static void
take_extend_usec(struct notify_text *n, const char *value, size_t len)
{
	int64_t usec = parse_number(value, len);

	if (usec != -1)
		n->extend_usec = usec;
}

static void
take_main_pid(struct notify_text *n, const char *value, size_t len)
{
	int64_t pid = parse_number(value, len);

	if (pid > 0 && pid <= INT_MAX)
		n->main_pid = (int)pid;
}

static void
take_errno(struct notify_text *n, const char *value, size_t len)
{
	int64_t error = parse_number(value, len);

	if (error > 0 && error <= INT_MAX)
		n->error = (int)error;
}

/* As systemd has it: printable ASCII without a colon, which stands between
 * names in LISTEN_FDNAMES. */
static void
take_fdname(struct notify_text *n, const char *value, size_t len)
{
	size_t i;

	if (len == 0 || len > NOTIFY_FDNAME_MAX)
		return;
	for (i = 0; i < len; i++)
		if (value[i] <= ' ' || value[i] >= 0x7f || value[i] == ':')
			return;
	memcpy(n->fdname, value, len);
	n->fdname[len] = '\0';
}

/* A row has a value to be held against, or a function that takes any. */
static const struct {
	const char *key, *value;
	unsigned int says;
	void (*take)(struct notify_text *n, const char *value, size_t len);
} rows[] = {
    {"READY", "1", SAYS_READY, NULL},
    {"RELOADING", "1", SAYS_RELOADING, NULL},
    {"STOPPING", "1", SAYS_STOPPING, NULL},
    {"WATCHDOG", "1", SAYS_WATCHDOG, NULL},
    {"WATCHDOG", "trigger", SAYS_WATCHDOG_TRIGGER, NULL},
    {"FDSTORE", "1", SAYS_FDSTORE, NULL},
    {"FDSTOREREMOVE", "1", SAYS_FDSTOREREMOVE, NULL},
    {"FDNAME", NULL, 0, take_fdname},
    {"STATUS", NULL, 0, take_status},
    {"WATCHDOG_USEC", NULL, 0, take_watchdog_usec},
    {"EXTEND_TIMEOUT_USEC", NULL, 0, take_extend_usec},
    {"MAINPID", NULL, 0, take_main_pid},
    {"ERRNO", NULL, 0, take_errno},
};

static int
is_word(const char *word, const char *text, size_t len)
{
	return strlen(word) == len && memcmp(word, text, len) == 0;
}

static void
take_line(struct notify_text *n, const char *line, size_t len)
{
	const char *equals = memchr(line, '=', len), *value;
	size_t i, key_len, value_len;

	if (equals == NULL)
		return;
	key_len = (size_t)(equals - line);
	value = equals + 1;
	value_len = len - key_len - 1;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (!is_word(rows[i].key, line, key_len))
			continue;
		if (rows[i].take != NULL)
			rows[i].take(n, value, value_len);
		else if (is_word(rows[i].value, value, value_len))
			n->says |= rows[i].says;
	}
}

const char *
notify_text_parse(const char *text, size_t len, struct notify_text *n)
{
	const char *end = text + len, *eol;

	*n = (struct notify_text){.watchdog_usec = -1, .extend_usec = -1};
	if (len > NOTIFY_TEXT_MAX)
		return "it is too long";
	/* Some send the NUL at their string's end. */
	if (len > 0 && text[len - 1] == '\0')
		end--;
	if (memchr(text, '\0', (size_t)(end - text)) != NULL)
		return "it has a NUL in it";
	for (; text < end; text = eol + 1) {
		eol = memchr(text, '\n', (size_t)(end - text));
		if (eol == NULL)
			eol = end;
		take_line(n, text, (size_t)(eol - text));
	}
	return NULL;
}
