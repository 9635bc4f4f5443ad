/* outputs: see outputs.h. */
#include "logger/outputs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/units.h"
#include "logger/ring.h"

#define FIELDS 12

static const char *const kinds[] = {
    [OUTPUT_LOG] = "log",
    [OUTPUT_FILE] = "file",
    [OUTPUT_SYSLOG] = "syslog",
    [OUTPUT_JOURNAL] = "journal",
    [OUTPUT_STDERR] = "stderr",
};

const char *
output_kind_name(enum output_kind kind)
{
	return kinds[kind];
}

static int
hex(char c)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	const char *p = c == '\0' ? NULL : strchr(digits, c);

	if (p == NULL)
		return -1;
	return p - digits < 16 ? (int)(p - digits) : (int)(p - digits) - 6;
}

static int
unescape(char *s)
{
	char *to = s;
	int high, low;

	for (; *s != '\0'; s++) {
		if (*s != '%') {
			*to++ = *s;
			continue;
		}
		high = hex(s[1]);
		low = high == -1 ? -1 : hex(s[2]);
		if (low == -1 || high + low == 0)
			return -1;
		*to++ = (char)(high << 4 | low);
		s += 2;
	}
	*to = '\0';
	return 0;
}

/* How many fields line has, FIELDS + 1 for too many; -1: a bad escape. */
static int
split(char *line, char *field[FIELDS])
{
	char *next = line;
	int n = 0;

	while (next != NULL) {
		if (n == FIELDS)
			return FIELDS + 1;
		field[n++] = next;
		next = strchr(next, '\t');
		if (next != NULL)
			*next++ = '\0';
		if (unescape(field[n - 1]) == -1)
			return -1;
	}
	return n;
}

static int
kind_of(const char *word, enum output_kind not, unsigned char *kind)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (i != not &&strcmp(kinds[i], word) == 0) {
			*kind = (unsigned char)i;
			return 0;
		}
	return -1;
}

static int
number(const char *word, int64_t max, int64_t *v)
{
	struct err e;

	return units_parse_int(word, 0, max, v, &e);
}

/* A path is there if, and only if, it is needed. */
static int
path_of(const char *word, enum output_kind kind, const char **path)
{
	*path = kind == OUTPUT_FILE ? word : NULL;
	return (kind == OUTPUT_FILE) == (word[0] == '/') ? 0 : -1;
}

static int
parse_table(struct outputs *o, char *field[FIELDS], int n)
{
	int64_t v;

	if (n != 2 || number(field[1], INT64_MAX, &v) == -1)
		return -1;
	o->number = (uint64_t)v;
	return 0;
}

static int
parse_fleet(struct outputs *o, char *field[FIELDS], int n)
{
	unsigned char kind;

	if (n != 5 || o->fleet != NULL ||
	    kind_of(field[2], OUTPUT_LOG, &kind) == -1)
		return -1;
	o->fleet = field[1];
	o->log = kind;
	o->format = logline_format_of(field[3]);
	return o->format == LOGLINE_FORMATS
	           ? -1
	           : path_of(field[4], o->log, &o->log_path);
}

static int
parse_output(struct outputs *o, char *field[FIELDS], int n)
{
	struct output *p = &o->list[o->n];
	int64_t tail, size, keep, id;

	if (n != 12 || kind_of(field[5], OUTPUT_STDERR, &p->kind) == -1 ||
	    number(field[6], INT64_MAX / 4, &tail) == -1 ||
	    number(field[7], INT64_MAX / 4, &size) == -1 ||
	    number(field[8], INT32_MAX, &keep) == -1 ||
	    number(field[9], UINT32_MAX, &id) == -1 ||
	    number(field[10], UINT32_MAX, &id) == -1 ||
	    path_of(field[11], p->kind, &p->path) == -1)
		return -1;
	p->is_stderr = strcmp(field[1], "err") == 0;
	if (!p->is_stderr && strcmp(field[1], "out") != 0)
		return -1;
	if (field[2][0] == '\0' || strlen(field[2]) > OUTPUT_ID_MAX)
		return -1;
	p->id = field[2];
	p->name = field[3];
	p->group = field[4];
	p->tail = (uint64_t)tail;
	p->size = (uint64_t)size;
	p->keep = (uint32_t)keep;
	o->n++;
	return 0;
}

static int
parse_line(struct outputs *o, char *line)
{
	static const struct {
		const char *word;
		int (*parse)(struct outputs *o, char *field[FIELDS], int n);
	} lines[] = {{"table", parse_table}, {"fleet", parse_fleet},
	    {"output", parse_output}};
	size_t i, len = strcspn(line, "\t");
	char *field[FIELDS];
	int n;

	for (i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		if (strlen(lines[i].word) != len ||
		    strncmp(lines[i].word, line, len) != 0)
			continue;
		n = split(line, field);
		return n == -1 ? -1 : lines[i].parse(o, field, n);
	}
	return 0;
}

int
outputs_parse(struct outputs *o, char *text, size_t len, struct err *e)
{
	size_t lines = 1, number_of = 0;
	char *line, *end;

	*o = (struct outputs){.text = text};
	if (strlen(text) != len || (len > 0 && text[len - 1] != '\n')) {
		outputs_release(o);
		return err_set(e, "the table of outputs is cut off");
	}
	for (line = text; (line = strchr(line, '\n')) != NULL; line++)
		lines++;
	o->list = calloc(lines, sizeof(*o->list));
	if (o->list == NULL) {
		outputs_release(o);
		return err_sys(e, ENOMEM, "table of outputs");
	}
	for (line = text; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		*end = '\0';
		number_of++;
		if (parse_line(o, line) == 0)
			continue;
		outputs_release(o);
		return err_set(
		    e, "line %zu of the table of outputs is bad", number_of);
	}
	if (o->fleet != NULL)
		return 0;
	outputs_release(o);
	return err_set(e, "the table of outputs names no fleet");
}

/* Read by pread: its position is shared with whoever wrote it. NULL: it cannot
 * be had now, errno says why. */
static char *
read_text(int fd, size_t size, size_t *len)
{
	char *text = malloc(size + 1);
	ssize_t got = 1;
	size_t n = 0;

	while (text != NULL && n < size && got > 0) {
		got = ring_read(fd, 0, n, text + n, size - n);
		n += got > 0 ? (size_t)got : 0;
	}
	if (text == NULL || got == -1) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	*len = n;
	return text;
}

int
outputs_load(struct outputs *o, int fd, struct err *e)
{
	off_t size = lseek(fd, 0, SEEK_END);
	size_t len;
	char *text;

	if (size < 0 || size > OUTPUTS_MAX_BYTES)
		return err_set(e, "the table of outputs is none");
	text = read_text(fd, (size_t)size, &len);
	if (text == NULL) {
		err_sys(e, errno, "cannot read the table of outputs");
		return 1;
	}
	return outputs_parse(o, text, len, e);
}

int
outputs_forget_list(struct outputs *o)
{
	const char *path = o->log_path == NULL ? "" : o->log_path;
	size_t fleet = strlen(o->fleet) + 1, len = strlen(path) + 1;
	char *text = malloc(fleet + len);

	if (text == NULL)
		return -1;
	memcpy(text, o->fleet, fleet);
	memcpy(text + fleet, path, len);
	o->fleet = text;
	if (o->log_path != NULL)
		o->log_path = text + fleet;
	free(o->text);
	free(o->list);
	o->text = text;
	o->list = NULL;
	o->n = 0;
	return 0;
}

void
outputs_release(struct outputs *o)
{
	free(o->text);
	free(o->list);
	*o = (struct outputs){0};
}
