/*
 * record: see record.h. One table of fields a kind drives both directions, so
 * that what is written is what is read.
 */
#include "core/record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/crc.h"

#define CRC_DIGITS 8
#define WORD_MAX 24 /* of a number: 20 digits, a sign */

enum field_type {
	FIELD_INT,
	FIELD_U32,
	FIELD_I64,
	FIELD_U64,
	FIELD_STATE,
	FIELD_STRING
};

struct field {
	const char *key;
	enum field_type type;
	size_t offset; /* in struct record */
	size_t size;
};

#define MEMBER(m) (((struct record *)0)->u.m)
#define FIELD_AS(key, type, m)                                             \
	{                                                                  \
		key, type, offsetof(struct record, u.m), sizeof(MEMBER(m)) \
	}
#define TYPE_OF(m) \
	_Generic((m),          \
	    int: FIELD_INT,    \
	    uint32_t: FIELD_U32, \
	    int64_t: FIELD_I64, \
	    uint64_t: FIELD_U64, \
	    char *: FIELD_STRING)
#define FIELD(key, m) FIELD_AS(key, TYPE_OF(MEMBER(m)), m)
#define DEATH_FIELDS(prefix, m)                                             \
	FIELD(prefix "at", m.at), FIELD(prefix "at_rt", m.at_rt),           \
	    FIELD(prefix "uptime", m.uptime),                               \
	    FIELD(prefix "generation", m.generation),                       \
	    FIELD(prefix "pid", m.pid), FIELD(prefix "code", m.code),       \
	    FIELD(prefix "signal", m.signal), FIELD(prefix "core", m.core), \
	    FIELD(prefix "raised", m.raised), FIELD(prefix "fault", m.fault)

static const struct field fleet_fields[] = {
    FIELD("schema", fleet.schema),
    FIELD("epoch", fleet.epoch),
    FIELD("boot", fleet.boot_id),
    FIELD("pidns", fleet.pidns),
    FIELD("ending", fleet.ending),
    FIELD("name", fleet.name),
};

static const struct field worker_fields[] = {
    FIELD("name", worker.name),
    FIELD_AS("state", FIELD_STATE, worker.state),
    FIELD("want_up", worker.want_up),
    FIELD("token", worker.token),
    FIELD("pid", worker.pid),
    FIELD("pidfd_ino", worker.id.pidfd_ino),
    FIELD("start_time", worker.id.start_time),
    FIELD("stop_token", worker.stop_token),
    FIELD("stop_pid", worker.stop_pid),
    FIELD("ready_token", worker.ready_token),
    FIELD("ready_pid", worker.ready_pid),
    FIELD("generation", worker.generation),
    FIELD("restarts", worker.restarts),
    FIELD("automatic", worker.automatic),
    FIELD("deaths", worker.deaths),
    FIELD("run", worker.run),
    FIELD("interrupted", worker.interrupted),
    FIELD("fresh", worker.fresh),
    FIELD("told", worker.told),
    FIELD("started", worker.started),
    FIELD("overdue", worker.overdue),
    FIELD("watchdog", worker.watchdog),
    FIELD("since", worker.since),
    FIELD("since_rt", worker.since_rt),
    FIELD("born", worker.born),
    FIELD("deadline", worker.deadline),
    FIELD("conf", worker.conf),
    FIELD("leaving", worker.leaving),
    FIELD("adopted", worker.adopted),
    FIELD("stop_left", worker.stop_left),
    FIELD("line", worker.line),
    FIELD("stands_on", worker.stands_on),
    FIELD("rolls", worker.rolls),
    FIELD("channel", worker.channel),
    FIELD("said", worker.said),
    FIELD("errno", worker.said_errno),
    FIELD("status", worker.status),
    FIELD("raised", worker.raised),
    FIELD("fault", worker.fault),
    DEATH_FIELDS("last_", worker.last),
};

static const struct field death_fields[] = {
    FIELD("name", history.name),
    DEATH_FIELDS("", history.death),
};

static const struct field gone_fields[] = {
    FIELD("name", gone.name),
};

static const struct kind {
	const char *name;
	const struct field *fields;
	size_t nfields;
} kinds[] = {
#define KIND(name, table)                                     \
	{                                                     \
		name, table, sizeof(table) / sizeof(*(table)) \
	}
    [RECORD_FLEET] = KIND("fleet", fleet_fields),
    [RECORD_WORKER] = KIND("worker", worker_fields),
    [RECORD_DEATH] = KIND("death", death_fields),
    [RECORD_GONE] = KIND("gone", gone_fields),
};

#define NKINDS (sizeof(kinds) / sizeof(*kinds))

/* Is c itself in a word, or is it written as %XX? */
static int
is_plain(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != '%';
}

static size_t
put_escaped(char *out, const char *text, size_t size)
{
	static const char hex[] = "0123456789abcdef";
	size_t i, n = 0;

	for (i = 0; i < size && text[i] != '\0'; i++) {
		unsigned char c = (unsigned char)text[i];

		if (is_plain(c)) {
			out[n++] = (char)c;
			continue;
		}
		out[n++] = '%';
		out[n++] = hex[c >> 4];
		out[n++] = hex[c & 15];
	}
	return n;
}

/* Digits from the right; printf() takes ten times as long, and a worker's line
 * has a dozen numbers. Returns where they begin. */
static char *
put_decimal(char *end, uint64_t v, int negative)
{
	do
		*--end = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	if (negative)
		*--end = '-';
	return end;
}

/* The value of a number or state, written before end or somewhere else; its
 * length is *len, 0 where it is left out. */
static const char *
number_text(const struct field *f, const void *at, char *end, size_t *len)
{
	const char *text = end;
	int64_t i = 0;
	uint64_t u = 0;

	switch (f->type) {
	case FIELD_INT:
		i = *(const int *)at;
		break;
	case FIELD_I64:
		i = *(const int64_t *)at;
		break;
	case FIELD_U32:
		u = *(const uint32_t *)at;
		break;
	case FIELD_U64:
		u = *(const uint64_t *)at;
		break;
	case FIELD_STATE:
		text = worker_state_name(*(const enum worker_state *)at);
		*len = strlen(text);
		return text;
	case FIELD_STRING:
		break;
	}
	if (i != 0)
		u = i < 0 ? -(uint64_t)i : (uint64_t)i;
	if (u != 0)
		text = put_decimal(end, u, i < 0);
	*len = (size_t)(end - text);
	return text;
}

static size_t
put_field(char *out, const struct field *f, const struct record *r)
{
	const char *at = (const char *)r + f->offset, *text = at;
	char number[WORD_MAX];
	size_t key_len, len = 0, n = 0;

	if (f->type != FIELD_STRING)
		text = number_text(f, at, number + sizeof(number), &len);
	else if (*text != '\0')
		len = f->size;
	if (len == 0)
		return 0;
	key_len = strlen(f->key);
	out[n++] = ' ';
	memcpy(out + n, f->key, key_len);
	n += key_len;
	out[n++] = '=';
	if (f->type == FIELD_STRING)
		return n + put_escaped(out + n, text, len);
	memcpy(out + n, text, len);
	return n + len;
}

size_t
record_format(const struct record *r, char out[RECORD_MAX])
{
	const struct kind *k = &kinds[r->kind];
	char crc[CRC_DIGITS + 2];
	size_t i, n = CRC_DIGITS + 1;

	/* The longest record there can be fits: a test proves it. */
	n += (size_t)sprintf(out + n, "%s", k->name);
	for (i = 0; i < k->nfields; i++)
		n += put_field(out + n, &k->fields[i], r);
	snprintf(crc, sizeof(crc), "%08" PRIx32 " ",
	    crc_ieee(out + CRC_DIGITS + 1, n - CRC_DIGITS - 1));
	memcpy(out, crc, CRC_DIGITS + 1);
	out[n++] = '\n';
	out[n] = '\0';
	return n;
}

/* Strictly as record_format() writes it: an upper-case digit is a flipped
 * bit. */
static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static int
get_string(const char *text, char *out, size_t size)
{
	size_t n = 0;

	while (*text != '\0') {
		int high, low;

		if (n + 1 >= size)
			return -1;
		if (*text != '%') {
			out[n++] = *text++;
			continue;
		}
		if ((high = hex_digit(text[1])) == -1 ||
		    (low = hex_digit(text[2])) == -1 || high + low == 0)
			return -1;
		out[n++] = (char)(high << 4 | low);
		text += 3;
	}
	memset(out + n, '\0', size - n);
	return 0;
}

static int
get_signed(const char *text, int64_t min, int64_t max, int64_t *v)
{
	const char *digits = text + (*text == '-');
	char *end;

	if (*digits < '0' || *digits > '9')
		return -1;
	errno = 0;
	*v = strtoll(text, &end, 10);
	return errno != 0 || *end != '\0' || *v < min || *v > max ? -1 : 0;
}

static int
get_unsigned(const char *text, uint64_t max, uint64_t *v)
{
	char *end;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	*v = strtoull(text, &end, 10);
	return errno != 0 || *end != '\0' || *v > max ? -1 : 0;
}

static int
get_state(const char *text, enum worker_state *s)
{
	int n = worker_state_by_name(text);

	if (n == -1)
		return -1;
	*s = (enum worker_state)n;
	return 0;
}

static int
get_field(const struct field *f, const char *text, struct record *r)
{
	void *at = (char *)r + f->offset;
	int64_t i;
	uint64_t u;

	switch (f->type) {
	case FIELD_INT:
		if (get_signed(text, INT32_MIN, INT32_MAX, &i) == -1)
			return -1;
		*(int *)at = (int)i;
		return 0;
	case FIELD_U32:
		if (get_unsigned(text, UINT32_MAX, &u) == -1)
			return -1;
		*(uint32_t *)at = (uint32_t)u;
		return 0;
	case FIELD_I64:
		return get_signed(text, INT64_MIN, INT64_MAX, at);
	case FIELD_U64:
		return get_unsigned(text, UINT64_MAX, at);
	case FIELD_STATE:
		return get_state(text, at);
	case FIELD_STRING:
		return get_string(text, at, f->size);
	}
	return -1;
}

/* word is "key=value"; an unknown key is a newer svd's. */
static int
get_word(const struct kind *k, char *word, struct record *r)
{
	char *value = strchr(word, '=');
	size_t i;

	if (value == NULL)
		return -1;
	*value++ = '\0';
	for (i = 0; i < k->nfields; i++)
		if (strcmp(k->fields[i].key, word) == 0)
			return get_field(&k->fields[i], value, r);
	return 0;
}

static const struct kind *
kind_by_name(const char *name)
{
	size_t i;

	for (i = 0; i < NKINDS; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

static int
crc_matches(const char *line, size_t len)
{
	uint32_t want = 0;
	int i, digit;

	if (len <= CRC_DIGITS + 1 || line[CRC_DIGITS] != ' ')
		return 0;
	for (i = 0; i < CRC_DIGITS; i++) {
		if ((digit = hex_digit(line[i])) == -1)
			return 0;
		want = want << 4 | (uint32_t)digit;
	}
	return want == crc_ieee(line + CRC_DIGITS + 1, len - CRC_DIGITS - 1);
}

/* A worker without a name says nothing about anybody. */
static int
has_name(const struct record *r)
{
	switch (r->kind) {
	case RECORD_WORKER:
		return r->u.worker.name[0] != '\0';
	case RECORD_DEATH:
		return r->u.history.name[0] != '\0';
	case RECORD_GONE:
		return r->u.gone.name[0] != '\0';
	default:
		return 1;
	}
}

int
record_parse(const char *line, size_t len, struct record *r)
{
	char copy[RECORD_MAX];
	char *rest = copy, *word;
	const struct kind *k;

	if (len >= RECORD_MAX || !crc_matches(line, len))
		return -1;
	len -= CRC_DIGITS + 1;
	memcpy(copy, line + CRC_DIGITS + 1, len);
	copy[len] = '\0';
	if (strlen(copy) != len)
		return -1;
	memset(r, 0, sizeof(*r));
	if ((k = kind_by_name(strsep(&rest, " "))) == NULL)
		return -1;
	r->kind = (enum record_kind)(k - kinds);
	while ((word = strsep(&rest, " ")) != NULL)
		if (get_word(k, word, r) == -1)
			return -1;
	return has_name(r) ? 0 : -1;
}

void
record_read(struct record_reader *rd, const char *text, size_t len)
{
	*rd = (struct record_reader){.at = text, .end = text + len};
}

int
record_next(struct record_reader *rd, struct record *r)
{
	const char *line, *eol;
	size_t len;

	while (rd->at < rd->end) {
		line = rd->at;
		len = (size_t)(rd->end - line);
		eol = memchr(line, '\n', len);
		rd->unended = eol == NULL;
		if (eol != NULL)
			len = (size_t)(eol - line);
		rd->at = eol == NULL ? rd->end : eol + 1;
		if (len == 0)
			continue;
		if (record_parse(line, len, r) == 0)
			return 1;
		rd->ntorn++;
	}
	return 0;
}

int
record_schema_known(int schema)
{
	return schema >= RECORD_SCHEMA_OLDEST && schema <= RECORD_SCHEMA;
}

const char *
record_said_name(int said)
{
	static const char *const names[] = {[SAID_READY] = "ready",
	    [SAID_RELOADING] = "reloading",
	    [SAID_STOPPING] = "stopping"};

	return said < 0 || said > SAID_STOPPING ? NULL : names[said];
}

const char *
record_field_text(size_t i, char out[RECORD_FIELD_TEXT_SIZE])
{
	static const char *const types[] = {[FIELD_INT] = "integer",
	    [FIELD_U32] = "number",
	    [FIELD_I64] = "integer",
	    [FIELD_U64] = "number",
	    [FIELD_STATE] = "state",
	    [FIELD_STRING] = "text"};
	const struct kind *k;

	for (k = kinds; k < kinds + NKINDS; i -= k++->nfields) {
		if (i >= k->nfields)
			continue;
		snprintf(out, RECORD_FIELD_TEXT_SIZE, "%s %s %s", k->name,
		    k->fields[i].key, types[k->fields[i].type]);
		return out;
	}
	return NULL;
}
