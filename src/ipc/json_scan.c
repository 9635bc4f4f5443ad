/* json_scan: see json_scan.h. Each function takes the place where its part of
 * the text begins, and returns the place behind it; NULL: it is none. */
#include "ipc/json_scan.h"

#include <string.h>

static const char *scan_value(const char *p, const char *end, int depth);

const char *
json_scan_blanks(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p;
}

/* Nothing overlong, no surrogates, nothing behind U+10FFFF: the table of RFC
 * 3629. */
static const char *
scan_utf8(const char *text, const char *end)
{
	static const struct {
		unsigned char first, last; /* bytes that begin it */
		unsigned char low, high;   /* of the second */
		int more;                  /* bytes, the second included */
	} rows[] = {
	    {0xc2, 0xdf, 0x80, 0xbf, 1},
	    {0xe0, 0xe0, 0xa0, 0xbf, 2},
	    {0xe1, 0xec, 0x80, 0xbf, 2},
	    {0xed, 0xed, 0x80, 0x9f, 2},
	    {0xee, 0xef, 0x80, 0xbf, 2},
	    {0xf0, 0xf0, 0x90, 0xbf, 3},
	    {0xf1, 0xf3, 0x80, 0xbf, 3},
	    {0xf4, 0xf4, 0x80, 0x8f, 3},
	};
	const unsigned char *p = (const unsigned char *)text;
	size_t i;
	int j;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (*p >= rows[i].first && *p <= rows[i].last)
			break;
	if (i == sizeof(rows) / sizeof(*rows) || end - text <= rows[i].more ||
	    p[1] < rows[i].low || p[1] > rows[i].high)
		return NULL;
	for (j = 2; j <= rows[i].more; j++)
		if ((p[j] & 0xc0) != 0x80)
			return NULL;
	return text + 1 + rows[i].more;
}

static int
is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
	       (c >= 'A' && c <= 'F');
}

/* Behind the backslash. */
static const char *
scan_escape(const char *p, const char *end)
{
	int i;

	if (p == end || *p == '\0' || strchr("\"\\/bfnrtu", *p) == NULL)
		return NULL;
	if (*p++ != 'u')
		return p;
	for (i = 0; i < 4; i++, p++)
		if (p == end || !is_hex(*p))
			return NULL;
	return p;
}

static const char *
scan_string(const char *p, const char *end)
{
	if (p == end || *p++ != '"')
		return NULL;
	while (p != NULL && p < end && *p != '"') {
		if ((unsigned char)*p < ' ')
			return NULL;
		if (*p == '\\')
			p = scan_escape(p + 1, end);
		else
			p = (unsigned char)*p < 0x80 ? p + 1
			                             : scan_utf8(p, end);
	}
	return p == NULL || p == end ? NULL : p + 1;
}

static const char *
scan_digits(const char *p, const char *end)
{
	const char *first = p;

	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p == first ? NULL : p;
}

static const char *
scan_number(const char *p, const char *end)
{
	if (p < end && *p == '-')
		p++;
	if (p < end && *p == '0')
		p++;
	else if ((p = scan_digits(p, end)) == NULL)
		return NULL;
	if (p < end && *p == '.' && (p = scan_digits(p + 1, end)) == NULL)
		return NULL;
	if (p == end || (*p != 'e' && *p != 'E'))
		return p;
	p++;
	if (p < end && (*p == '+' || *p == '-'))
		p++;
	return scan_digits(p, end);
}

static const char *
scan_word(const char *p, const char *end)
{
	static const char *const words[] = {"true", "false", "null"};
	size_t i, len;

	for (i = 0; i < sizeof(words) / sizeof(*words); i++) {
		len = strlen(words[i]);
		if ((size_t)(end - p) >= len && memcmp(p, words[i], len) == 0)
			return p + len;
	}
	return NULL;
}

const char *
json_scan_name(const char *text, const char *end, size_t *len)
{
	const char *p = scan_string(text, end);

	if (p == NULL)
		return NULL;
	*len = (size_t)(p - text);
	p = json_scan_blanks(p, end);
	return p == end || *p != ':' ? NULL : json_scan_blanks(p + 1, end);
}

/* An array or an object. */
static const char *
scan_list(const char *p, const char *end, int depth)
{
	int is_object = *p == '{';
	char last = is_object ? '}' : ']';
	size_t len;

	if (depth == JSON_SCAN_DEPTH)
		return NULL;
	p = json_scan_blanks(p + 1, end);
	if (p < end && *p == last)
		return p + 1;
	for (;;) {
		if (is_object && (p = json_scan_name(json_scan_blanks(p, end),
				      end, &len)) == NULL)
			return NULL;
		p = scan_value(json_scan_blanks(p, end), end, depth + 1);
		if (p == NULL || (p = json_scan_blanks(p, end)) == end)
			return NULL;
		if (*p == last)
			return p + 1;
		if (*p++ != ',')
			return NULL;
	}
}

static const char *
scan_value(const char *p, const char *end, int depth)
{
	if (p == end)
		return NULL;
	switch (*p) {
	case '"':
		return scan_string(p, end);
	case '{':
	case '[':
		return scan_list(p, end, depth);
	case 't':
	case 'f':
	case 'n':
		return scan_word(p, end);
	default:
		return scan_number(p, end);
	}
}

const char *
json_scan_value(const char *text, const char *end)
{
	return scan_value(text, end, 0);
}

int
json_scan_is_value(const char *text, size_t len)
{
	const char *end = text + len, *p;

	p = scan_value(json_scan_blanks(text, end), end, 0);
	return p != NULL && json_scan_blanks(p, end) == end;
}

struct json_slice
json_scan_member(char *text, size_t len, const char *name)
{
	const char *end = text + len, *p = json_scan_blanks(text, end), *key,
		   *value;
	size_t n = strlen(name), name_len;

	if (p == end || *p != '{')
		return (struct json_slice){.at = NULL};
	do {
		key = json_scan_blanks(p + 1, end);
		value = json_scan_name(key, end, &name_len);
		p = value == NULL ? NULL : scan_value(value, end, 0);
		if (p == NULL)
			break;
		if (name_len == n + 2 && memcmp(key + 1, name, n) == 0)
			return (struct json_slice){
			    text + (value - text), (size_t)(p - value)};
		p = json_scan_blanks(p, end);
	} while (p < end && *p == ',');
	return (struct json_slice){.at = NULL};
}
