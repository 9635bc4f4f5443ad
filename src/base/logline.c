/* logline: see logline.h. */
#include "base/logline.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define NAME_SHOWN 63
#define UNIT_MAX 8 /* bytes: one character, escaped */

static const char *const format_names[LOGLINE_FORMATS] = {
    [LOGLINE_TEXT] = "text",
    [LOGLINE_JSON] = "json",
    [LOGLINE_LOGFMT] = "logfmt",
};

/* Where the line grows. What does not fit is left out. */
struct room {
	char *at, *end;
};

static int
add(struct room *r, const char *data, size_t len)
{
	if ((size_t)(r->end - r->at) < len)
		return -1;
	memcpy(r->at, data, len);
	r->at += len;
	return 0;
}

static void
adds(struct room *r, const char *text)
{
	add(r, text, strlen(text));
}

static void
add_name(struct room *r, const char *name)
{
	add(r, name, strnlen(name, NAME_SHOWN));
}

static void
add_number(struct room *r, long number)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", number);
	adds(r, text);
}

static void
add_time(struct room *r, int64_t time_ms)
{
	time_t s = (time_t)(time_ms / 1000);
	char text[48];
	struct tm tm;
	size_t len;

	gmtime_r(&s, &tm);
	len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(
	    text + len, sizeof(text) - len, ".%03dZ", (int)(time_ms % 1000));
	adds(r, text);
}

/* Length of the UTF-8 character at s, 0 where there is none: cut off, too
 * long a form, a surrogate, beyond Unicode. */
static size_t
utf8_len(const unsigned char *s, size_t len)
{
	/* What the first byte asks of the second. */
	static const struct {
		unsigned char first, last, low, high, len;
	} rows[] = {
	    {0xc2, 0xdf, 0x80, 0xbf, 2},
	    {0xe0, 0xe0, 0xa0, 0xbf, 3},
	    {0xe1, 0xec, 0x80, 0xbf, 3},
	    {0xed, 0xed, 0x80, 0x9f, 3},
	    {0xee, 0xef, 0x80, 0xbf, 3},
	    {0xf0, 0xf0, 0x90, 0xbf, 4},
	    {0xf1, 0xf3, 0x80, 0xbf, 4},
	    {0xf4, 0xf4, 0x80, 0x8f, 4},
	};
	size_t i, j;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (s[0] < rows[i].first || s[0] > rows[i].last)
			continue;
		if (len < rows[i].len || s[1] < rows[i].low ||
		    s[1] > rows[i].high)
			return 0;
		for (j = 2; j < rows[i].len; j++)
			if ((s[j] & 0xc0) != 0x80)
				return 0;
		return rows[i].len;
	}
	return 0;
}

/* C1, which UTF-8 writes as C2 80 to C2 9F, talks to terminals as well. */
static int
is_control(const unsigned char *s, size_t len)
{
	return len == 1 ? s[0] < ' ' || s[0] == 0x7f
	                : len == 2 && s[0] == 0xc2 && s[1] < 0xa0;
}

/* One character as text shows it; len 0: a byte that is none. */
static size_t
plain_unit(const unsigned char *s, size_t len, char out[UNIT_MAX])
{
	if (len == 0 || is_control(s, len)) {
		out[0] = '?';
		return 1;
	}
	memcpy(out, s, len);
	return len;
}

/* One character within the quotes of JSON, or of logfmt, which uses those. */
static size_t
quoted_unit(const unsigned char *s, size_t len, char out[UNIT_MAX])
{
	static const char from[] = "\"\\\n\r\t", to[] = "\"\\nrt";
	const char *special;

	if (len == 0)
		return (size_t)snprintf(out, UNIT_MAX, "\\ufffd");
	if (len == 1 && s[0] != '\0' &&
	    (special = strchr(from, s[0])) != NULL) {
		out[0] = '\\';
		out[1] = to[special - from];
		return 2;
	}
	if (is_control(s, len))
		return (size_t)snprintf(out, UNIT_MAX, "\\u%04x", s[len - 1]);
	memcpy(out, s, len);
	return len;
}

typedef size_t unit_fn(const unsigned char *s, size_t len, char out[UNIT_MAX]);

/* Runs of what is itself everywhere need no second look. */
static size_t
ascii_run(const unsigned char *s, size_t len)
{
	size_t n = 0;

	while (n < len && s[n] >= ' ' && s[n] < 0x7f && s[n] != '"' &&
	       s[n] != '\\')
		n++;
	return n;
}

/* Returns how much of the message there was room for. */
static size_t
add_message(struct room *r, const struct logline *l, unit_fn *unit)
{
	const unsigned char *s = (const unsigned char *)l->text;
	size_t i = 0, n, len, left = l->text_len, room;
	char out[UNIT_MAX];

	while (left > 0) {
		n = ascii_run(s + i, left);
		room = (size_t)(r->end - r->at);
		if (n > 0) {
			n = n < room ? n : room;
			if (n == 0)
				break;
			add(r, l->text + i, n);
		} else {
			n = s[i] < 0x80 ? 1 : utf8_len(s + i, left);
			len = unit(s + i, n, out);
			if (add(r, out, len) == -1)
				break;
			n += n == 0;
		}
		i += n;
		left -= n;
	}
	return i;
}

static void
text_head(struct room *r, const struct logline *l)
{
	add_time(r, l->time_ms);
	adds(r, " ");
	if (l->role == NULL) {
		add_name(r, l->worker);
		/* stdout goes without saying. */
		if (strcmp(l->stream, "stdout") != 0) {
			adds(r, " ");
			add_name(r, l->stream);
		}
		adds(r, ": ");
		return;
	}
	adds(r, "svd[");
	add_number(r, l->pid);
	adds(r, "] ");
	add_name(r, l->role);
	adds(r, ": ");
	if (strcmp(l->level, "info") != 0) {
		add_name(r, l->level);
		adds(r, ": ");
	}
}

/* Names are of letters, digits and "_.-:", so need no quoting. */
static void
json_head(struct room *r, const struct logline *l)
{
	adds(r, "{\"time\":\"");
	add_time(r, l->time_ms);
	adds(r, l->role != NULL ? "\",\"level\":\"" : "\",\"worker\":\"");
	add_name(r, l->role != NULL ? l->level : l->worker);
	adds(r, l->role != NULL ? "\",\"role\":\"" : "\",\"stream\":\"");
	add_name(r, l->role != NULL ? l->role : l->stream);
	adds(r, "\"");
	if (l->role != NULL) {
		adds(r, ",\"pid\":");
		add_number(r, l->pid);
	}
	adds(r, ",\"message\":\"");
}

static void
logfmt_head(struct room *r, const struct logline *l)
{
	adds(r, "time=");
	add_time(r, l->time_ms);
	adds(r, l->role != NULL ? " level=" : " worker=");
	add_name(r, l->role != NULL ? l->level : l->worker);
	adds(r, l->role != NULL ? " role=" : " stream=");
	add_name(r, l->role != NULL ? l->role : l->stream);
	if (l->role != NULL) {
		adds(r, " pid=");
		add_number(r, l->pid);
	}
	adds(r, " message=\"");
}

static const struct {
	void (*head)(struct room *r, const struct logline *l);
	unit_fn *unit;
	const char *tail;
} formats[LOGLINE_FORMATS] = {
    [LOGLINE_TEXT] = {text_head, plain_unit, "\n"},
    [LOGLINE_JSON] = {json_head, quoted_unit, "\"}\n"},
    [LOGLINE_LOGFMT] = {logfmt_head, quoted_unit, "\"\n"},
};

size_t
logline_put(enum logline_format format, const struct logline *l, char *out,
    size_t size, size_t *used)
{
	size_t tail = strlen(formats[format].tail), n;
	struct room r = {.at = out, .end = out + size - tail};

	formats[format].head(&r, l);
	n = add_message(&r, l, formats[format].unit);
	if (used != NULL)
		*used = n;
	r.end += tail;
	adds(&r, formats[format].tail);
	return (size_t)(r.at - out);
}

void
logline_clean(char *out, size_t size, const char *text, size_t len)
{
	struct logline l = {.text = text, .text_len = len};
	struct room r = {.at = out, .end = out + size - 1};

	add_message(&r, &l, plain_unit);
	*r.at = '\0';
}

enum logline_format
logline_format_of(const char *name)
{
	int i;

	for (i = 0; i < LOGLINE_FORMATS; i++)
		if (strcmp(format_names[i], name) == 0)
			break;
	return (enum logline_format)i;
}

const char *
logline_format_name(enum logline_format format)
{
	return format_names[format];
}
