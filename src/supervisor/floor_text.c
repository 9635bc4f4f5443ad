/* floor_text: see floor_text.h. */
#include "supervisor/floor_text.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/units.h"
#include "ipc/le.h"
#include "ipc/proto_floor.h"

#define NUMBER_MAX INT64_C(1000000000000)
#define HEAD sizeof(uint64_t) /* bytes of `late` in front of its lines */
#define NAME_BYTES_MAX 200
#define LATES_MAX 1000

int
floor_text_read(int fd, size_t max, struct buf *out)
{
	ssize_t n;

	/* Only memory can be sealed. */
	if (fd == -1 || fcntl(fd, F_GET_SEALS) == -1 ||
	    buf_reserve(out, max + 1) == -1)
		return -1;
	n = pread(fd, out->data + out->len, max, 0);
	if (n == -1)
		return -1;
	out->len += (size_t)n;
	out->data[out->len] = '\0';
	return 0;
}

static int64_t
number_of(const struct floor_msg *m, const char *key)
{
	const char *text = floor_get(m, key);
	struct err e;
	int64_t n;

	return text == NULL ||
	               units_parse_int(text, 0, NUMBER_MAX, &n, &e) == -1
	           ? -1
	           : n;
}

static int64_t
count_of(const struct floor_msg *m, const char *key)
{
	const char *at = NULL;
	int64_t n = 0;

	while (floor_next(m, key, &at) != NULL)
		n++;
	return n == 0 ? -1 : n;
}

static const char *
way_of(const struct floor_msg *m)
{
	static const char *const ways[] = {"vfork", "double", "python"};
	const char *text = floor_get(m, "way");
	size_t i;

	for (i = 0; text != NULL && i < sizeof(ways) / sizeof(*ways); i++)
		if (strcmp(ways[i], text) == 0)
			return ways[i];
	return NULL;
}

void
floor_text_load(const char *text, size_t len, struct floor_load *out)
{
	struct floor_msg m;

	*out = (struct floor_load){-1, -1, -1, NULL};
	if (floor_parse_fields(text, len, &m) == -1)
		return;
	out->ms = number_of(&m, "ms");
	out->threads = number_of(&m, "threads");
	out->modules = number_of(&m, "modules");
	if (out->modules == -1)
		out->modules = count_of(&m, "module");
	out->way = way_of(&m);
}

/* One process has loaded one module. */
struct note {
	const char *name;
	long pid;
};

/* "PID NAME", ended by a NUL. -1: it is not that. */
static int
read_note(char *line, struct note *out)
{
	char *end;

	if (*line < '1' || *line > '9')
		return -1;
	out->pid = strtol(line, &end, 10);
	if (*end != ' ' || end[1] == '\0')
		return -1;
	out->name = end + 1;
	if (strlen(out->name) > NAME_BYTES_MAX)
		end[1 + NAME_BYTES_MAX] = '\0';
	return 0;
}

/* What lines there are in text: a line that is not ended, by a newline, was
 * not written to its end. Returns how many. */
static size_t
read_notes(char *text, size_t len, struct note *out)
{
	char *line = text, *end = text + len, *p;
	size_t n = 0;

	for (p = text; p < end; p++) {
		if (*p != '\n' && *p != '\0')
			continue;
		if (*p == '\n') {
			*p = '\0';
			n += read_note(line, &out[n]) == 0;
		}
		line = p + 1;
	}
	return n;
}

static int
by_name(const void *a, const void *b)
{
	const struct note *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order != 0 ? order : (x->pid > y->pid) - (x->pid < y->pid);
}

static int
by_processes(const void *a, const void *b)
{
	const struct floor_late *x = a, *y = b;

	if (x->processes != y->processes)
		return x->processes < y->processes ? 1 : -1;
	return strcmp(x->name, y->name);
}

/* Each name once. */
static void
add_up(struct note *notes, size_t n, struct floor_lates *out)
{
	struct floor_late *l = out->list;
	size_t i;

	qsort(notes, n, sizeof(*notes), by_name);
	for (i = 0; i < n; i++) {
		if (i > 0 && by_name(&notes[i - 1], &notes[i]) == 0)
			continue;
		if (i == 0 || strcmp(notes[i - 1].name, notes[i].name) != 0)
			*l++ = (struct floor_late){.name = notes[i].name};
		l[-1].processes++;
	}
	out->n = (size_t)(l - out->list);
	qsort(out->list, out->n, sizeof(*out->list), by_processes);
	if (out->n > LATES_MAX) {
		out->n = LATES_MAX;
		out->cut = 1;
	}
}

int
floor_text_late(char *data, size_t len, struct floor_lates *out)
{
	uint64_t used = len < HEAD ? 0 : le_get((unsigned char *)data, HEAD);
	size_t room = len < HEAD ? 0 : len - HEAD, i, n = 1;
	char *text = len < HEAD ? data : data + HEAD;
	struct note *notes;

	*out = (struct floor_lates){.cut = used > room};
	if (used > room)
		used = room;
	for (i = 0; i < used; i++)
		n += text[i] == '\n';
	notes = calloc(n, sizeof(*notes));
	out->list = calloc(n, sizeof(*out->list));
	if (notes == NULL || out->list == NULL) {
		free(notes);
		floor_lates_release(out);
		return -1;
	}
	n = read_notes(text, (size_t)used, notes);
	add_up(notes, n, out);
	free(notes);
	return 0;
}

void
floor_lates_release(struct floor_lates *l)
{
	free(l->list);
	*l = (struct floor_lates){0};
}
