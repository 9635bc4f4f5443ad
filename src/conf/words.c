/*
 * words: see words.h.
 */
#include "conf/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "conf/grow.h"

#define VARIABLE_MAX 256 /* bytes of an environment variable's name */

static int
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static int
no_memory(struct err *e)
{
	return err_set(e, "out of memory");
}

void
words_free(char **words)
{
	size_t i;

	for (i = 0; words != NULL && words[i] != NULL; i++)
		free(words[i]);
	free(words);
}

size_t
words_count(char *const *words)
{
	size_t n = 0;

	while (words != NULL && words[n] != NULL)
		n++;
	return n;
}

/* The quoted part at *s, which stands behind the opening quote, to b; *s is
 * moved behind the closing one. */
static int
take_quoted(const char **s, char quote, struct buf *b, struct err *e)
{
	const char *p = *s;

	for (; *p != quote; p++) {
		if (quote == '"' && *p == '\\' && (p[1] == '"' || p[1] == '\\'))
			p++;
		if (*p == '\0')
			return err_set(e, "no closing %c", quote);
		if (buf_add(b, p, 1) == -1)
			return no_memory(e);
	}
	*s = p + 1;
	return 0;
}

/* The word at *s to b. */
static int
take_word(const char **s, struct buf *b, struct err *e)
{
	const char *p = *s;
	char quote;

	while (*p != '\0' && !is_blank(*p)) {
		if (*p == '\'' || *p == '"') {
			quote = *p++;
			if (take_quoted(&p, quote, b, e) == -1)
				return -1;
			continue;
		}
		if (*p == '\\' && *++p == '\0')
			return err_set(e, "nothing after the last backslash");
		if (buf_add(b, p++, 1) == -1)
			return no_memory(e);
	}
	*s = p;
	return 0;
}

struct word_list {
	char **words;
	size_t n, cap;
};

/* Takes word. */
static int
list_add(struct word_list *l, char *word)
{
	char **words;

	if (word == NULL)
		return -1;
	words = grow_list(l->words, l->n + 2, &l->cap, sizeof(char *));
	if (words == NULL) {
		free(word);
		return -1;
	}
	words[l->n++] = word;
	words[l->n] = NULL;
	l->words = words;
	return 0;
}

char **
words_split(const char *s, struct err *e)
{
	struct word_list l = {0};
	struct buf b = {0};

	for (;;) {
		while (is_blank(*s))
			s++;
		if (*s == '\0')
			break;
		if (take_word(&s, &b, e) == -1)
			goto fail;
		if (list_add(&l, strndup(b.len == 0 ? "" : b.data, b.len)) ==
		    -1) {
			no_memory(e);
			goto fail;
		}
		buf_consume(&b, b.len);
	}
	buf_release(&b);
	if (l.words == NULL && (l.words = calloc(1, sizeof(char *))) == NULL)
		no_memory(e);
	return l.words;
fail:
	buf_release(&b);
	words_free(l.words);
	return NULL;
}

int
words_is_variable(const char *s, size_t len)
{
	size_t i;

	if (len == 0 || (*s >= '0' && *s <= '9'))
		return 0;
	for (i = 0; i < len; i++)
		if (!(s[i] == '_' || (s[i] >= '0' && s[i] <= '9') ||
			(s[i] >= 'A' && s[i] <= 'Z') ||
			(s[i] >= 'a' && s[i] <= 'z')))
			return 0;
	return 1;
}

static int
put(struct buf *b, const char *s, size_t len, struct err *e)
{
	if (len > WORDS_WORD_MAX - b->len)
		return err_set(
		    e, "over %d bytes once expanded", WORDS_WORD_MAX);
	return buf_add(b, s, len) == -1 ? no_memory(e) : 0;
}

/* The value of the variable named by the first len bytes of s; NULL and e
 * where that is no name. *value is NULL where it is not set. */
static int
look_up(const char *s, size_t len, const char **value, struct err *e)
{
	char name[VARIABLE_MAX + 1];

	if (!words_is_variable(s, len) || len > VARIABLE_MAX)
		return err_set(e, "'%.*s' is not a variable's name",
		    len < 60 ? (int)len : 60, s);
	snprintf(name, sizeof(name), "%.*s", (int)len, s);
	*value = getenv(name);
	return 0;
}

static int expand_into(const struct expansion *x, const char *s, size_t len,
    struct buf *b, struct err *e);

/* "${NAME}" or "${NAME:-default}" at s: its length, or -1. */
static long
expand_variable(const struct expansion *x, const char *s, size_t left,
    struct buf *b, struct err *e)
{
	const char *name = s + 2, *end = memchr(s, '}', left), *colon;
	const char *value, *fallback = NULL;
	size_t len;

	if (end == NULL)
		return err_set(e, "no '}' after '${'");
	len = (size_t)(end - name);
	colon = memchr(name, ':', len);
	if (colon != NULL && colon[1] == '-') {
		fallback = colon + 2;
		len = (size_t)(colon - name);
	}
	if (look_up(name, len, &value, e) == -1)
		return -1;
	if (fallback != NULL && (value == NULL || *value == '\0')) {
		if (expand_into(x, fallback, (size_t)(end - fallback), b, e) ==
		    -1)
			return -1;
	} else if (value == NULL) {
		return err_set(e, "environment variable '%.*s' is not set",
		    (int)len, name);
	} else if (put(b, value, strlen(value), e) == -1) {
		return -1;
	}
	return end + 1 - s;
}

/* "%n" and the like at s: its length, or -1. */
static long
expand_percent(const struct expansion *x, const char *s, size_t left,
    struct buf *b, struct err *e)
{
	char c = left > 1 ? s[1] : '\0', number[16];
	const char *value = NULL;

	if (c == '%')
		value = "%";
	else if (x->worker == NULL)
		return put(b, "%", 1, e) == -1 ? -1 : 1;
	else if (c == 'N')
		value = x->worker;
	else if (c == 'F')
		value = x->fleet;
	else if (c == 'n' && x->instance == -1)
		return err_set(
		    e, "'%%n' is of workers only: a floor has no instances");
	else if (c == 'n') {
		snprintf(number, sizeof(number), "%d", x->instance);
		value = number;
	}
	if (value == NULL)
		return err_set(e,
		    "unknown '%.*s': %%n (instance), %%N (worker), %%F (fleet) "
		    "and %%%% are known",
		    c == '\0' ? 1 : 2, s);
	return put(b, value, strlen(value), e) == -1 ? -1 : 2;
}

/* What is at s, where something special may begin: how far it goes. */
static long
expand_step(const struct expansion *x, const char *s, size_t left,
    struct buf *b, struct err *e)
{
	if (*s == '%')
		return expand_percent(x, s, left, b, e);
	if (left > 1 && s[1] == '{')
		return expand_variable(x, s, left, b, e);
	if (put(b, "$", 1, e) == -1)
		return -1;
	return left > 1 && s[1] == '$' ? 2 : 1;
}

/* Recurses once at most: a default ends at the first '}' and so holds no
 * complete ${}. */
static int
expand_into(const struct expansion *x, const char *s, size_t len, struct buf *b,
    struct err *e)
{
	const char *end = s + len;
	size_t plain;
	long n;

	while (s < end) {
		for (plain = 0;
		     s + plain < end && s[plain] != '$' && s[plain] != '%';)
			plain++;
		if (put(b, s, plain, e) == -1)
			return -1;
		s += plain;
		if (s == end)
			break;
		n = expand_step(x, s, (size_t)(end - s), b, e);
		if (n == -1)
			return -1;
		s += n;
	}
	return 0;
}

char *
words_expand(const struct expansion *x, const char *s, struct err *e)
{
	struct buf b = {0};
	char *text;

	if (expand_into(x, s, strlen(s), &b, e) == -1) {
		buf_release(&b);
		return NULL;
	}
	if (b.len >= *x->budget) {
		buf_release(&b);
		err_set(e, "the fleet's values are too large together");
		return NULL;
	}
	*x->budget -= b.len + 1;
	/* A copy, as the buffer is larger and the text is kept. */
	text = strndup(b.len == 0 ? "" : b.data, b.len);
	buf_release(&b);
	if (text == NULL)
		no_memory(e);
	return text;
}

char **
words_split_expand(const struct expansion *x, const char *s, struct err *e)
{
	char **words = words_split(s, e), *word;
	size_t i, total = 0;

	for (i = 0; words != NULL && words[i] != NULL; i++) {
		word = words_expand(x, words[i], e);
		if (word == NULL)
			goto fail;
		free(words[i]);
		words[i] = word;
		total += strlen(word) + 1;
		if (total > WORDS_VALUE_MAX) {
			err_set(
			    e, "over %d bytes once expanded", WORDS_VALUE_MAX);
			goto fail;
		}
	}
	return words;
fail:
	words_free(words);
	return NULL;
}
