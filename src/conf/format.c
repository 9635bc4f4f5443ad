/*
 * format: see format.h. One function a type, in one table; the other direction
 * is value.c.
 */
#include "conf/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLAIN                        \
	"abcdefghijklmnopqrstuvwxyz" \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ" \
	"0123456789_@+=:,./-$%"

/* "$" and "%" would be expanded. */
static int
put_text(struct buf *b, const char *text)
{
	size_t len;

	for (; *text != '\0'; text += len) {
		len = strcspn(text, "$%");
		if (buf_add(b, text, len) == -1)
			return -1;
		if (text[len] == '\0')
			break;
		if (buf_addf(b, "%c%c", text[len], text[len]) == -1)
			return -1;
		len++;
	}
	return 0;
}

/* In double quotes where it needs some. */
static int
put_word(struct buf *b, const char *word)
{
	char part[3] = {'\\'};

	if (*word != '\0' && word[strspn(word, PLAIN)] == '\0')
		return put_text(b, word);
	if (buf_adds(b, "\"") == -1)
		return -1;
	for (; *word != '\0'; word++) {
		part[1] = *word;
		if (put_text(b, part + (*word != '"' && *word != '\\')) == -1)
			return -1;
	}
	return buf_adds(b, "\"");
}

static int
put_variable(struct buf *b, const char *word)
{
	if (buf_add(b, word, strcspn(word, "=")) == -1)
		return -1;
	return buf_adds(b, "=" FORMAT_MASK);
}

static int
put_words(struct buf *b, char *const *words, int masked)
{
	size_t i;

	for (i = 0; words[i] != NULL; i++) {
		if (i > 0 && buf_adds(b, " ") == -1)
			return -1;
		if ((masked ? put_variable : put_word)(b, words[i]) == -1)
			return -1;
	}
	return 0;
}

struct job {
	const struct conf_key *key;
	const void *field;
	int masked;
	struct buf *out;
};

static int
format_text(const struct job *j)
{
	return put_text(j->out, *(char *const *)j->field);
}

static int
format_env_file(const struct job *j)
{
	const struct env_file_conf *f = j->field;

	if (f->optional && buf_adds(j->out, "-") == -1)
		return -1;
	return put_text(j->out, f->path);
}

static int
format_words(const struct job *j)
{
	return put_words(j->out, *(char **const *)j->field, 0);
}

static int
format_environment(const struct job *j)
{
	return put_words(j->out, *(char **const *)j->field, j->masked);
}

static int
format_bool(const struct job *j)
{
	return buf_adds(j->out, *(const int *)j->field ? "yes" : "no");
}

static int
format_int(const struct job *j)
{
	return buf_addf(j->out, "%d", *(const int *)j->field);
}

/* As few digits as say it exactly. */
static int
format_decimal(const struct job *j)
{
	double v = *(const double *)j->field, again;
	char text[64];
	struct err e;
	int digits;

	for (digits = 0; digits < 17; digits++) {
		snprintf(text, sizeof(text), "%.*f", digits, v);
		if (units_parse_decimal(text, 0, 1e15, &again, &e) == 0 &&
		    !(again < v) && !(again > v))
			break;
	}
	return buf_adds(j->out, text);
}

struct unit {
	const char *name;
	uint64_t size;
};

/* In the largest unit that leaves nothing over. */
static int
put_units(struct buf *b, uint64_t v, const struct unit *u)
{
	while (u->size > 1 && (v == 0 || v % u->size != 0))
		u++;
	return buf_addf(b, "%" PRIu64 "%s", v / u->size, v == 0 ? "" : u->name);
}

static int
format_duration(const struct job *j)
{
	static const struct unit units[] = {
	    {"h", 3600000}, {"min", 60000}, {"s", 1000}, {"ms", 1}};

	return put_units(j->out, (uint64_t) * (const int64_t *)j->field, units);
}

static int
put_size(struct buf *b, uint64_t v)
{
	static const struct unit units[] = {{"T", UINT64_C(1) << 40},
	    {"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}, {"", 1}};

	return put_units(b, v, units);
}

static int
format_size(const struct job *j)
{
	return put_size(j->out, *(const uint64_t *)j->field);
}

static int
format_mode(const struct job *j)
{
	return buf_addf(j->out, "%03o", *(const unsigned int *)j->field);
}

static int
format_signal(const struct job *j)
{
	char name[16];

	return buf_adds(j->out,
	    units_signal_name(*(const int *)j->field, name, sizeof(name)));
}

static int
format_exit_set(const struct job *j)
{
	const struct exit_set *set = j->field;
	const char *blank = "";
	char name[16];
	int i, end;

	for (i = 0; i < 256; i = end + 1) {
		for (end = i; exit_set_has_code(set, end); end++)
			;
		if (end == i)
			continue;
		if (buf_addf(j->out, end - i > 1 ? "%s%d-%d" : "%s%d", blank, i,
			end - 1) == -1)
			return -1;
		blank = " ";
	}
	for (i = 1; i <= 64; i++) {
		if (!exit_set_has_signal(set, i))
			continue;
		if (buf_addf(j->out, "%s%s", blank,
			units_signal_name(i, name, sizeof(name))) == -1)
			return -1;
		blank = " ";
	}
	return 0;
}

static int
format_choice(const struct job *j)
{
	const char *choice = j->key->choices;
	unsigned int i = *(const unsigned int *)j->field;

	for (; i > 0; i--)
		choice += strcspn(choice, "|") + 1;
	return buf_add(j->out, choice, strcspn(choice, "|"));
}

static int
format_stream(const struct job *j)
{
	const struct stream_conf *s = j->field;

	if (s->kind != STREAM_FILE)
		return buf_adds(j->out, stream_kind_name(s->kind));
	if (buf_adds(j->out, "file:") == -1)
		return -1;
	return put_text(j->out, s->path);
}

static int
format_ready(const struct job *j)
{
	const struct ready_conf *r = j->field;

	/* A URL says by itself what it is. */
	if (r->kind != READY_HTTP &&
	    buf_adds(j->out, ready_kind_name(r->kind)) == -1)
		return -1;
	if (r->target == NULL && r->argv == NULL)
		return 0;
	if (r->kind != READY_HTTP && buf_adds(j->out, ":") == -1)
		return -1;
	return r->argv != NULL ? put_words(j->out, r->argv, 0)
	                       : put_text(j->out, r->target);
}

static int
put_limit(struct buf *b, enum value_type type, uint64_t v)
{
	if (v == LIMIT_INFINITY)
		return buf_adds(b, "unlimited");
	if (type == TYPE_SIZE_LIMIT)
		return put_size(b, v);
	return buf_addf(b, "%" PRIu64, v);
}

static int
format_limit(const struct job *j)
{
	const struct limit_conf *l = j->field;

	if (put_limit(j->out, j->key->type, l->soft) == -1)
		return -1;
	if (l->hard == l->soft)
		return 0;
	if (buf_adds(j->out, ":") == -1)
		return -1;
	return put_limit(j->out, j->key->type, l->hard);
}

static int
has_pointer(const void *field)
{
	return *(const void *const *)field != NULL;
}

static int
has_second_int(const void *field)
{
	return ((const int *)field)[1];
}

static int
has_limit(const void *field)
{
	return ((const struct limit_conf *)field)->set;
}

/* is_set NULL: there is always a value. */
static const struct {
	int (*format)(const struct job *j);
	int (*is_set)(const void *field);
} types[TYPE_COUNT] = {
    [TYPE_TEXT] = {format_text, has_pointer},
    [TYPE_NAME] = {format_text, has_pointer},
    [TYPE_PATH] = {format_text, has_pointer},
    [TYPE_ENV_FILE] = {format_env_file, has_pointer},
    [TYPE_GLOBS] = {format_words, has_pointer},
    [TYPE_USER] = {format_text, has_pointer},
    [TYPE_COMMAND] = {format_words, has_pointer},
    [TYPE_WORDS] = {format_words, has_pointer},
    [TYPE_PATHS] = {format_words, has_pointer},
    [TYPE_PROGRAM] = {format_text, has_pointer},
    [TYPE_ENVIRONMENT] = {format_environment, has_pointer},
    [TYPE_BOOL] = {format_bool, NULL},
    [TYPE_INT] = {format_int, NULL},
    [TYPE_OPTIONAL_INT] = {format_int, has_second_int},
    [TYPE_DECIMAL] = {format_decimal, NULL},
    [TYPE_DURATION] = {format_duration, NULL},
    [TYPE_SIZE] = {format_size, NULL},
    [TYPE_MODE] = {format_mode, NULL},
    [TYPE_SIGNAL] = {format_signal, NULL},
    [TYPE_EXIT_SET] = {format_exit_set, NULL},
    [TYPE_CHOICE] = {format_choice, NULL},
    [TYPE_STREAM] = {format_stream, NULL},
    [TYPE_LIMIT] = {format_limit, has_limit},
    [TYPE_SIZE_LIMIT] = {format_limit, has_limit},
    [TYPE_READY] = {format_ready, NULL},
};

int
value_format(const struct conf_key *key, const void *section, int masked,
    struct buf *out)
{
	struct job j = {.key = key,
	    .field = conf_key_field(key, section),
	    .masked = masked,
	    .out = out};

	if (types[key->type].is_set != NULL &&
	    !types[key->type].is_set(j.field))
		return 0;
	/* Also an empty value has data. */
	if (buf_adds(out, "") == -1 || types[key->type].format(&j) == -1)
		return -1;
	return 1;
}
