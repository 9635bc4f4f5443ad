/*
 * ini: see ini.h.
 *
 * inih sees lines of ours, never the file's. A value is handed over in chunks
 * that fit inih's 200-byte line, the first as "key=", the others as
 * continuation lines. Blanks and comment characters in it are replaced by
 * control bytes, which the text itself may not hold, so that inih neither
 * strips, cuts nor drops anything; the first byte of a chunk tells how it joins
 * what came before. A section header is followed by a key of ours, as inih does
 * not report sections that have none. Every line handed over must come back
 * once: fed and seen are compared.
 */
#include "conf/ini.h"

#include <ini.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

#define LINE_BYTES 190 /* what is fed at once; inih has room for 200 */
#define LINE_LEAST 64  /* "key=", a mark, one byte of value, newline, NUL */

/* Private bytes: not blanks to isspace(), not in the text. */
enum {
	HIDE_BLANK = 1,
	HIDE_TAB,
	HIDE_SEMICOLON,
	HIDE_HASH,
	MARK_SECTION, /* the key that follows a section header */
	MARK_FIRST,   /* a new key's value */
	MARK_MORE,    /* the next chunk of the same line */
	MARK_JOIN     /* a continuation line */
};

static const char hidden[] = {[HIDE_BLANK] = ' ',
    [HIDE_TAB] = '\t',
    [HIDE_SEMICOLON] = ';',
    [HIDE_HASH] = '#'};

enum feed {
	FEED_NOTHING,
	FEED_SECTION_KEY,
	FEED_MORE
};

struct reader {
	const struct ini_sink *sink;
	const char *file;
	struct diags *d;
	const char *p, *end; /* what is left of the text */
	int line;            /* the physical line last taken */
	unsigned long fed, seen;
	int failed;

	enum feed feed;   /* what inih is given next */
	const char *rest; /* FEED_MORE: what is left of this line's value */
	size_t rest_len;

	int in_section;   /* a header was seen */
	int skip_section; /* it was wrong: its keys are not fed */
	int can_continue; /* an indented line continues something */
	int skip_key;     /* ... that is left out */

	char key[INI_NAME_MAX + 1]; /* being put together; "" if none */
	int key_line;
	struct buf value;
};

struct span {
	const char *p;
	size_t len;
};

static int
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct span
trim(struct span s)
{
	while (s.len > 0 && is_blank(s.p[0])) {
		s.p++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.p[s.len - 1]))
		s.len--;
	return s;
}

static char
hide(char c)
{
	size_t i;

	for (i = HIDE_BLANK; i < sizeof(hidden); i++)
		if (hidden[i] == c)
			return (char)i;
	return c;
}

static char
reveal(char c)
{
	return c >= HIDE_BLANK && c <= HIDE_HASH ? hidden[(int)c] : c;
}

/* How much of an offending text a message repeats. */
static int
shown(struct span s)
{
	return s.len < 60 ? (int)s.len : 60;
}

#define complain(r, ...) diags_add((r)->d, 1, (r)->file, (r)->line, __VA_ARGS__)

/* A NUL, a control character, too long: inih would cut it. */
static int
check_bytes(struct reader *r, struct span s)
{
	size_t i;
	unsigned char c;

	if (s.len > CONF_LINE_MAX) {
		complain(r, "line of %zu bytes, at most %d are allowed", s.len,
		    CONF_LINE_MAX);
		return -1;
	}
	for (i = 0; i < s.len; i++) {
		c = (unsigned char)s.p[i];
		if ((c >= ' ' && c != 0x7f) || c == '\t')
			continue;
		if (c == '\0')
			complain(r, "NUL byte, this is no text");
		else
			complain(r, "control character 0x%02x", c);
		return -1;
	}
	return 0;
}

/* The next physical line, without its end. 0 at the end of the text. */
static int
next_line(struct reader *r, struct span *s)
{
	const char *nl;

	if (r->p == r->end)
		return 0;
	nl = memchr(r->p, '\n', (size_t)(r->end - r->p));
	if (nl == NULL)
		nl = r->end;
	*s = (struct span){r->p, (size_t)(nl - r->p)};
	r->p = nl == r->end ? nl : nl + 1;
	r->line++;
	if (s->len > 0 && s->p[s->len - 1] == '\r')
		s->len--;
	if (r->line == 1 && s->len >= 3 && memcmp(s->p, "\xef\xbb\xbf", 3) == 0)
		*s = (struct span){s->p + 3, s->len - 3};
	return 1;
}

/* Writes prefix, mark and as much of the value as fits as a line to str. */
static char *
feed_value(struct reader *r, char *str, int num, const char *prefix, char mark)
{
	size_t room = (size_t)(num < LINE_BYTES ? num : LINE_BYTES);
	char *out = stpcpy(str, prefix);

	*out++ = mark;
	while (r->rest_len > 0 && (size_t)(out - str) + 2 < room) {
		*out++ = hide(*r->rest++);
		r->rest_len--;
	}
	*out++ = '\n';
	*out = '\0';
	r->feed = r->rest_len > 0 ? FEED_MORE : FEED_NOTHING;
	r->fed++;
	return str;
}

/* "[name]": 1 where str is filled. */
static int
take_section(struct reader *r, struct span s, char *str)
{
	const char *close = memchr(s.p, ']', s.len);
	struct span name = {s.p + 1, 0};
	char *out = str;
	size_t i;

	r->in_section = r->skip_section = 1;
	r->can_continue = 0;
	if (close == NULL) {
		complain(r, "no ']' after '%.*s'", shown(s), s.p);
		return 0;
	}
	name.len = (size_t)(close - name.p);
	if (close + 1 != s.p + s.len)
		complain(
		    r, "text after ']': a comment needs a line of its own");
	else if (name.len > INI_NAME_MAX)
		complain(r,
		    "section name '%.*s...' of %zu bytes, at most %d are "
		    "allowed",
		    20, name.p, name.len, INI_NAME_MAX);
	else
		r->skip_section = 0;
	if (r->skip_section)
		return 0;
	*out++ = '[';
	for (i = 0; i < name.len; i++)
		*out++ = hide(name.p[i]);
	memcpy(out, "]\n", 3);
	r->feed = FEED_SECTION_KEY;
	return 1;
}

static int
is_key_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

static int
check_key(struct reader *r, struct span key)
{
	size_t i;

	if (key.len == 0) {
		complain(r, "no key before '='");
		return -1;
	}
	if (key.len > INI_NAME_MAX) {
		complain(r,
		    "key '%.*s...' of %zu bytes, at most %d are allowed", 20,
		    key.p, key.len, INI_NAME_MAX);
		return -1;
	}
	for (i = 0; i < key.len; i++)
		if (!is_key_char(key.p[i])) {
			complain(r, "invalid key '%.*s'", shown(key), key.p);
			return -1;
		}
	return 0;
}

/* Splits "key = value" at the first '='. */
static int
split_key(struct reader *r, struct span s, struct span *key, struct span *value)
{
	size_t i;

	for (i = 0; i < s.len && s.p[i] != '=' && s.p[i] != ':'; i++)
		continue;
	if (i == s.len) {
		complain(r,
		    "no '=' in '%.*s': neither a section, a key nor a comment",
		    shown(s), s.p);
		return -1;
	}
	if (s.p[i] == ':') {
		complain(r,
		    "':' after '%.*s': key and value need a '=' between",
		    (int)(i < 60 ? i : 60), s.p);
		return -1;
	}
	*key = trim((struct span){s.p, i});
	*value = trim((struct span){s.p + i + 1, s.len - i - 1});
	return check_key(r, *key);
}

static int
take_key(struct reader *r, struct span s, int indented, char *str, int num)
{
	char prefix[INI_NAME_MAX + 2];
	struct span key, value;

	r->can_continue = r->skip_key = 1;
	if (split_key(r, s, &key, &value) == -1)
		return 0;
	if (!r->in_section) {
		complain(
		    r, "'%.*s' stands before any section", shown(key), key.p);
		return 0;
	}
	if (indented) {
		complain(r,
		    "'%.*s' is indented: blanks at the start of a line "
		    "continue the value above, and there is none",
		    shown(key), key.p);
		return 0;
	}
	if (r->skip_section)
		return 0;
	r->skip_key = 0;
	snprintf(prefix, sizeof(prefix), "%.*s=", (int)key.len, key.p);
	r->rest = value.p;
	r->rest_len = value.len;
	feed_value(r, str, num, prefix, MARK_FIRST);
	return 1;
}

/* One physical line: 1 where it gave one for inih. */
static int
take_line(struct reader *r, struct span line, char *str, int num)
{
	struct span s = trim(line);
	int indented = line.len > 0 && is_blank(line.p[0]);

	if (check_bytes(r, line) == -1) {
		/* Whatever it was, what follows does not continue the value
		 * before it. */
		r->can_continue = r->skip_key = 1;
		return 0;
	}
	if (s.len == 0 || *s.p == '#' || *s.p == ';')
		return 0;
	if (indented && r->can_continue) {
		if (r->skip_key)
			return 0;
		r->rest = s.p;
		r->rest_len = s.len;
		feed_value(r, str, num, " ", MARK_JOIN);
		return 1;
	}
	if (*s.p == '[')
		return take_section(r, s, str);
	return take_key(r, s, indented, str, num);
}

/* inih's fgets: what it asks for is a line, what it gets is ours. */
static char *
read_cb(char *str, int num, void *stream)
{
	struct reader *r = stream;
	struct span line;

	if (r->failed)
		return NULL;
	if (r->fed != r->seen || num < LINE_LEAST) {
		complain(r, "inih lost this line: it was built with options "
			    "that svd cannot work with");
		r->failed = 1;
		return NULL;
	}
	if (r->feed == FEED_SECTION_KEY) {
		r->feed = FEED_NOTHING;
		r->fed++;
		snprintf(str, (size_t)num, "%c=\n", MARK_SECTION);
		return str;
	}
	if (r->feed == FEED_MORE)
		return feed_value(r, str, num, " ", MARK_MORE);
	while (next_line(r, &line))
		if (take_line(r, line, str, num))
			return str;
	return NULL;
}

/* The key put together so far is complete. */
static void
flush_key(struct reader *r)
{
	if (r->key[0] != '\0' && !r->failed)
		r->sink->key(r->sink->arg, r->key,
		    r->value.data == NULL ? "" : r->value.data, r->key_line);
	r->key[0] = '\0';
	buf_consume(&r->value, r->value.len);
	if (r->value.data != NULL)
		r->value.data[0] = '\0';
}

static void
begin_section(struct reader *r, const char *section)
{
	char name[INI_NAME_MAX + 1];
	size_t i;

	for (i = 0; i < INI_NAME_MAX && section[i] != '\0'; i++)
		name[i] = reveal(section[i]);
	name[i] = '\0';
	r->sink->section(r->sink->arg, name, r->line);
}

static int
append_value(struct reader *r, const char *chunk)
{
	size_t start = r->value.len, i;

	if (*chunk == MARK_JOIN && start > 0 &&
	    buf_add(&r->value, " ", 1) == -1)
		return -1;
	if (*chunk != '\0' && buf_adds(&r->value, chunk + 1) == -1)
		return -1;
	for (i = start; i < r->value.len; i++)
		r->value.data[i] = reveal(r->value.data[i]);
	return 0;
}

static int
handle_cb(void *user, const char *section, const char *name, const char *value)
{
	struct reader *r = user;

	if (name == NULL || value == NULL || r->failed)
		return 1;
	r->seen++;
	if (*name == MARK_SECTION || *value == MARK_FIRST)
		flush_key(r);
	if (*name == MARK_SECTION) {
		begin_section(r, section);
		return 1;
	}
	if (*value == MARK_FIRST) {
		snprintf(r->key, sizeof(r->key), "%s", name);
		r->key_line = r->line;
	}
	if (append_value(r, value) == -1) {
		complain(r, "out of memory");
		r->failed = 1;
	}
	return 1;
}

int
ini_read(const struct ini_sink *sink, const char *file, const char *text,
    size_t len, struct diags *d)
{
	struct reader r = {
	    .sink = sink, .file = file, .d = d, .p = text, .end = text + len};

	if (ini_parse_stream(read_cb, &r, handle_cb, &r) < 0 && !r.failed) {
		complain(&r, "out of memory"); /* a build of inih with malloc */
		r.failed = 1;
	}
	flush_key(&r);
	buf_release(&r.value);
	return r.failed ? -1 : 0;
}
