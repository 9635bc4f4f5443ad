/*
 * words: values of the fleet file as words, and what stands in them for
 * something else.
 *
 * A value is split first and each word expanded afterwards, so that nothing
 * expanded is ever split again; quotes do not keep from expansion.
 */
#ifndef SVD_CONF_WORDS_H
#define SVD_CONF_WORDS_H

#include <stddef.h>

#include "base/err.h"

/* An execve() argument may have no more, its NUL not counted. */
#define WORDS_WORD_MAX (128 * 1024 - 1)
#define WORDS_VALUE_MAX (1 << 20) /* bytes of all words of one value */

/* What %n, %N and %F stand for. worker is NULL outside of workers and floors:
 * there, only "%%" means something. */
struct expansion {
	const char *worker; /* or floor */
	const char *fleet;
	int instance;   /* -1: there are none, and no %n */
	size_t *budget; /* bytes that may still be made; less afterwards */
};

/*
 * Splits as a shell does: blanks between words; 'literal'; "literal but for
 * \" and \\"; a backslash outside of quotes keeps the next character. Returns a
 * NULL-terminated list to be freed with words_free, or NULL.
 */
char **words_split(const char *s, struct err *e);
/* The text of s with ${ENV}, ${ENV:-default}, $$, %n, %N, %F and %% replaced;
 * to be freed. NULL on failure. */
char *words_expand(const struct expansion *x, const char *s, struct err *e);
/* Both. */
char **
words_split_expand(const struct expansion *x, const char *s, struct err *e);
void words_free(char **words);
size_t words_count(char *const *words);
/* [A-Za-z_][A-Za-z0-9_]*, for the first len bytes of s. */
int words_is_variable(const char *s, size_t len);

#endif
