/*
 * value: see value.h. One function a type, in one table.
 */
#include "conf/value.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "conf/env.h"

#define CHOICES_TEXT 128 /* bytes of a list of choices in a message */

/* Moves the words to field. */
static void
take_words(void *field, char **words)
{
	*(char ***)field = words;
}

static int
take_text(void *field, const char *text, struct err *e)
{
	char *copy = strdup(text);

	if (copy == NULL)
		return err_set(e, "out of memory");
	*(char **)field = copy;
	return 0;
}

static int
check_path(const char *path, struct err *e)
{
	if (*path != '/')
		return err_set(e, "'%s' is not an absolute path", path);
	if (strlen(path) >= PATH_MAX)
		return err_set(e, "path of %zu bytes, at most %d are allowed",
		    strlen(path), PATH_MAX - 1);
	return 0;
}

static int
parse_text(
    const struct conf_key *key, const char *s, void *field, struct err *e)
{
	(void)key;
	return take_text(field, s, e);
}

static int
parse_name(
    const struct conf_key *key, const char *s, void *field, struct err *e)
{
	(void)key;
	if (conf_check_name(s, e) == -1)
		return -1;
	return take_text(field, s, e);
}

static int
parse_path(
    const struct conf_key *key, const char *s, void *field, struct err *e)
{
	(void)key;
	if (check_path(s, e) == -1)
		return -1;
	return take_text(field, s, e);
}

static int
parse_env_file(
    const struct conf_key *key, const char *s, void *field, struct err *e)
{
	struct env_file_conf *f = field;
	int optional = *s == '-';

	(void)key;
	if (check_path(s + optional, e) == -1 ||
	    take_text(&f->path, s + optional, e) == -1)
		return -1;
	f->optional = optional;
	return 0;
}

/* A name, or a number that is an id. */
static int
parse_user(
    const struct conf_key *key, const char *s, void *field, struct err *e)
{
	int64_t id;

	(void)key;
	if (*s == '\0' || *s == '-' || s[strcspn(s, ": \t/")] != '\0')
		return err_set(e, "'%s' is neither a name nor a number", s);
	if (s[strspn(s, "0123456789")] == '\0' &&
	    units_parse_int(s, 0, UINT32_MAX - 1, &id, e) == -1)
		return -1;
	return take_text(field, s, e);
}

static int
parse_bool(
    const struct conf_key *key, const char *s, void *field, struct err *e)
{
	(void)key;
	return units_parse_bool(s, field, e);
}

static int
parse_int(const struct conf_key *key, const char *s, void *field, struct err *e)
{
	int64_t v;

	if (units_parse_int(s, key->min, key->max, &v, e) == -1)
		return -1;
	*(int *)field = (int)v;
	return 0;
}

static int
parse_optional_int(
    const struct conf_key *key, const char *s, void *field, struct err *e)
{
	if (parse_int(key, s, field, e) == -1)
		return -1;
	((int *)field)[1] = 1;
	return 0;
}

static int
parse_decimal(
    const struct conf_key *key, const char *s, void *field, struct err *e)
{
	return units_parse_decimal(
	    s, (double)key->min, (double)key->max, field, e);
}

static int
parse_duration(
    const struct conf_key *key, const char *s, void *field, struct err *e)
{
	char least[32], most[32];
	int64_t v;

	if (units_parse_duration(s, &v, e) == -1)
		return -1;
	if (v < key->min || v > key->max)
		return err_set(e, "'%s' is not within %s to %s", s,
		    units_format_duration(key->min, least, sizeof(least)),
		    units_format_duration(key->max, most, sizeof(most)));
	*(int64_t *)field = v;
	return 0;
}

static int
parse_size(
    const struct conf_key *key, const char *s, void *field, struct err *e)
{
	uint64_t v;

	if (units_parse_size(s, &v, e) == -1)
		return -1;
	if (key->max != 0 && v > (uint64_t)key->max)
		return err_set(
		    e, "'%s' is more than %lld bytes", s, (long long)key->max);
	*(uint64_t *)field = v;
	return 0;
}

static int
parse_mode(
    const struct conf_key *key, const char *s, void *field, struct err *e)
{
	return units_parse_octal(s, (unsigned int)key->max, field, e);
}

static int
parse_signal(
    const struct conf_key *key, const char *s, void *field, struct err *e)
{
	(void)key;
	return units_parse_signal(s, field, e);
}

static int
parse_exit_set(
    const struct conf_key *key, const char *s, void *field, struct err *e)
{
	(void)key;
	return units_parse_exit_set(s, field, e);
}

/* "a|b|c" as "a, b or c". */
static const char *
list_choices(const char *choices, char *out)
{
	const char *bar;
	char *p = out;

	for (; (bar = strchr(choices, '|')) != NULL; choices = bar + 1) {
		p = mempcpy(p, choices, (size_t)(bar - choices));
		p = stpcpy(p, strchr(bar + 1, '|') == NULL ? " or " : ", ");
	}
	stpcpy(p, choices);
	return out;
}

/* s's place in "a|b|c", or -1. */
static int
find_choice(const char *choices, const char *s)
{
	size_t len = strlen(s), n;
	int i;

	for (i = 0; choices != NULL && *choices != '\0'; i++) {
		n = strcspn(choices, "|");
		if (n == len && memcmp(choices, s, n) == 0)
			return i;
		choices += n + (choices[n] == '|');
	}
	return -1;
}

static int
not_a_choice(const struct conf_key *key, const char *s, struct err *e)
{
	char list[CHOICES_TEXT];

	list_choices(key->choices, list);
	return err_set(e, "'%s' is not %s", s, list);
}

static int
parse_choice(
    const struct conf_key *key, const char *s, void *field, struct err *e)
{
	int i = find_choice(key->choices, s);

	if (i == -1)
		return not_a_choice(key, s, e);
	*(unsigned int *)field = (unsigned int)i; /* as every enum is */
	return 0;
}

static int
parse_stream(
    const struct conf_key *key, const char *s, void *field, struct err *e)
{
	struct stream_conf *stream = field;
	int kind;

	if (strncmp(s, "file:", 5) == 0) {
		if (check_path(s + 5, e) == -1 ||
		    take_text(&stream->path, s + 5, e) == -1)
			return -1;
		stream->kind = STREAM_FILE;
		return 0;
	}
	if (find_choice(key->choices, s) != -1)
		for (kind = 0; kind <= STREAM_STDERR; kind++)
			if (strcmp(stream_kind_name(kind), s) == 0) {
				stream->kind = (enum stream_kind)kind;
				return 0;
			}
	return not_a_choice(key, s, e);
}

/* "tcp:..." or "http:...": what follows the colon; NULL: it is not that. */
static const char *
after_kind(const char *s, enum ready_kind kind)
{
	const char *name = ready_kind_name(kind);
	size_t len = strlen(name);

	return strncmp(s, name, len) == 0 && s[len] == ':' ? s + len + 1 : NULL;
}

/* All but commands. */
static int
parse_ready(
    const struct conf_key *key, const char *s, void *field, struct err *e)
{
	struct ready_conf *r = field;
	const char *target = NULL;
	int kind;

	for (kind = 0; kind < READY_KINDS; kind++) {
		if (kind < READY_TCP
			? strcmp(s, ready_kind_name((enum ready_kind)kind)) == 0
			: (target = after_kind(s, (enum ready_kind)kind)) !=
			      NULL)
			break;
	}
	if (strncmp(s, "https://", 8) == 0)
		kind = READY_HTTP;
	if (kind == READY_HTTP &&
	    (target == NULL || strncmp(target, "//", 2) == 0))
		target = s; /* "http:" is a part of the URL */
	if (kind == READY_KINDS)
		return not_a_choice(key, s, e);
	if (kind == READY_COMMAND)
		return err_set(e, "'command:' must stand in the file as it is");
	if (target != NULL &&
	    (ready_check_target((enum ready_kind)kind, target, e) == -1 ||
		take_text(&r->target, target, e) == -1))
		return -1;
	r->kind = (enum ready_kind)kind;
	return 0;
}

static int
parse_one_limit(int is_size, const char *s, uint64_t *v, struct err *e)
{
	int64_t n;

	if (strcmp(s, "unlimited") == 0 || strcmp(s, "infinity") == 0) {
		*v = LIMIT_INFINITY;
		return 0;
	}
	if (is_size)
		return units_parse_size(s, v, e);
	if (units_parse_int(s, 0, INT64_MAX, &n, e) == -1)
		return -1;
	*v = (uint64_t)n;
	return 0;
}

/* "soft:hard", or one for both. */
static int
parse_limit(
    const struct conf_key *key, const char *s, void *field, struct err *e)
{
	struct limit_conf limit = {.set = 1};
	int is_size = key->type == TYPE_SIZE_LIMIT, rc;
	size_t len = strcspn(s, ":");
	char *soft = strndup(s, len);

	if (soft == NULL)
		return err_set(e, "out of memory");
	rc = parse_one_limit(is_size, soft, &limit.soft, e);
	free(soft);
	if (rc == -1)
		return -1;
	limit.hard = limit.soft;
	if (s[len] == ':' &&
	    parse_one_limit(is_size, s + len + 1, &limit.hard, e) == -1)
		return -1;
	if (limit.soft > limit.hard)
		return err_set(
		    e, "'%s': the soft limit is above the hard one", s);
	*(struct limit_conf *)field = limit;
	return 0;
}

static int
check_program(const char *name, struct err *e)
{
	if (name == NULL || *name == '\0')
		return err_set(e, "no program is named");
	if (*name != '/' && strchr(name, '/') != NULL)
		return err_set(e,
		    "'%s' is neither an absolute path nor a name to be found "
		    "in PATH",
		    name);
	return 0;
}

static int
parse_program(
    const struct conf_key *key, const char *s, void *field, struct err *e)
{
	(void)key;
	if (check_program(s, e) == -1)
		return -1;
	return take_text(field, s, e);
}

static int
check_command(char *const *words, struct err *e)
{
	return check_program(words[0], e);
}

static int
check_words(char *const *words, struct err *e)
{
	(void)words;
	(void)e;
	return 0;
}

static int
check_paths(char *const *words, struct err *e)
{
	for (; *words != NULL; words++)
		if (check_path(*words, e) == -1)
			return -1;
	return 0;
}

static int
check_environment(char *const *words, struct err *e)
{
	for (; *words != NULL; words++)
		if (env_check(*words, e) == -1)
			return -1;
	return 0;
}

static int
check_globs(char *const *words, struct err *e)
{
	for (; *words != NULL; words++)
		if (**words == '\0')
			return err_set(e, "empty pattern");
	return 0;
}

/* Either parse, for a text that is already expanded, or check, for words. */
static const struct {
	const char *name;
	int (*parse)(
	    const struct conf_key *, const char *, void *, struct err *);
	int (*check)(char *const *, struct err *);
	int owns_memory;
} types[TYPE_COUNT] = {
    [TYPE_TEXT] = {"text", parse_text, NULL, 1},
    [TYPE_NAME] = {"name", parse_name, NULL, 1},
    [TYPE_PATH] = {"path", parse_path, NULL, 1},
    [TYPE_ENV_FILE] = {"path", parse_env_file, NULL, 1},
    [TYPE_GLOBS] = {"patterns", NULL, check_globs, 1},
    [TYPE_USER] = {"user", parse_user, NULL, 1},
    [TYPE_COMMAND] = {"command", NULL, check_command, 1},
    [TYPE_WORDS] = {"words", NULL, check_words, 1},
    [TYPE_PATHS] = {"paths", NULL, check_paths, 1},
    [TYPE_PROGRAM] = {"program", parse_program, NULL, 1},
    [TYPE_ENVIRONMENT] = {"variables", NULL, check_environment, 1},
    [TYPE_BOOL] = {"yes or no", parse_bool, NULL, 0},
    [TYPE_INT] = {"number", parse_int, NULL, 0},
    [TYPE_OPTIONAL_INT] = {"number", parse_optional_int, NULL, 0},
    [TYPE_DECIMAL] = {"decimal number", parse_decimal, NULL, 0},
    [TYPE_DURATION] = {"duration", parse_duration, NULL, 0},
    [TYPE_SIZE] = {"size", parse_size, NULL, 0},
    [TYPE_MODE] = {"octal number", parse_mode, NULL, 0},
    [TYPE_SIGNAL] = {"signal", parse_signal, NULL, 0},
    [TYPE_EXIT_SET] = {"statuses", parse_exit_set, NULL, 0},
    [TYPE_CHOICE] = {"choice", parse_choice, NULL, 0},
    [TYPE_STREAM] = {"stream", parse_stream, NULL, 1},
    [TYPE_LIMIT] = {"limit", parse_limit, NULL, 0},
    [TYPE_SIZE_LIMIT] = {"size limit", parse_limit, NULL, 0},
    [TYPE_READY] = {"readiness", parse_ready, NULL, 1},
};

int
value_owns_memory(enum value_type type)
{
	return types[type].owns_memory;
}

const char *
value_type_name(enum value_type type)
{
	return types[type].name;
}

static int
parse_words(const struct conf_key *key, const struct expansion *x,
    const char *text, void *field, struct err *e)
{
	char **words = words_split_expand(x, text, e);

	if (words == NULL)
		return -1;
	if (types[key->type].check(words, e) == -1) {
		words_free(words);
		return -1;
	}
	take_words(field, words);
	return 0;
}

/* Unlike all else that it may be, these are words. */
static int
parse_ready_command(const struct expansion *x, const char *words,
    struct ready_conf *r, struct err *e)
{
	char **argv = words_split_expand(x, words, e);

	if (argv == NULL)
		return -1;
	if (check_command(argv, e) == -1) {
		words_free(argv);
		return -1;
	}
	r->kind = READY_COMMAND;
	r->argv = argv;
	return 0;
}

static int
parse_expanded(const struct conf_key *key, const struct expansion *x,
    const char *text, void *field, struct err *e)
{
	char *expanded = words_expand(x, text, e);
	int rc;

	if (expanded == NULL)
		return -1;
	rc = types[key->type].parse(key, expanded, field, e);
	free(expanded);
	return rc;
}

int
value_parse(const struct conf_key *key, const struct expansion *x,
    const char *text, void *section, struct err *e)
{
	void *field = conf_key_field(key, section);
	const char *command =
	    key->type == TYPE_READY ? after_kind(text, READY_COMMAND) : NULL;
	struct err why = {0};
	int rc;

	if (command != NULL)
		rc = parse_ready_command(x, command, field, &why);
	else if (types[key->type].parse == NULL)
		rc = parse_words(key, x, text, field, &why);
	else
		rc = parse_expanded(key, x, text, field, &why);
	if (rc == -1)
		err_set(e, "%s: %s", key->name, why.text);
	return rc;
}
