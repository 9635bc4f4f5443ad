/*
 * env: see env.h.
 */
#include "conf/env.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "conf/grow.h"
#include "conf/words.h"

/* What svd itself tells a worker. */
static const char *const reserved[] = {"NOTIFY_SOCKET", "LISTEN_FDS",
    "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID"};

struct span {
	const char *p;
	size_t len;
};

static int
check_name(const char *name, size_t len, struct err *e)
{
	int cut = len < 60 ? (int)len : 60;
	size_t i;

	if (!words_is_variable(name, len))
		return err_set(e, "'%.*s' is not a variable's name", cut, name);
	if (len > 4 && memcmp(name, "SVD_", 4) == 0)
		return err_set(
		    e, "%.*s: names in SVD_ are svd's own", cut, name);
	for (i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (strlen(reserved[i]) == len &&
		    memcmp(reserved[i], name, len) == 0)
			return err_set(
			    e, "%s is set by svd itself", reserved[i]);
	return 0;
}

int
env_check(const char *word, struct err *e)
{
	const char *equals = strchr(word, '=');

	if (equals == NULL)
		return err_set(e, "'%s' is not NAME=VALUE", word);
	if (strlen(word) > WORDS_WORD_MAX)
		return err_set(e, "'%.*s' of over %d bytes",
		    (int)(equals - word < 60 ? equals - word : 60), word,
		    WORDS_WORD_MAX);
	return check_name(word, (size_t)(equals - word), e);
}

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

/* "..." or '...': what is within to b. */
static int
unquote(struct span s, struct buf *b, struct err *e)
{
	char quote = *s.p;
	size_t i;

	for (i = 1; i < s.len && s.p[i] != quote; i++) {
		if (quote == '"' && s.p[i] == '\\' && i + 1 < s.len &&
		    (s.p[i + 1] == '"' || s.p[i + 1] == '\\'))
			i++;
		if (buf_add(b, s.p + i, 1) == -1)
			return err_set(e, "out of memory");
	}
	if (i >= s.len)
		return err_set(e, "no closing %c", quote);
	if (i + 1 != s.len)
		return err_set(e, "text after the closing %c", quote);
	return 0;
}

static int
add_value(struct span s, struct buf *b, struct err *e)
{
	if (s.len > 0 && (*s.p == '"' || *s.p == '\''))
		return unquote(s, b, e);
	/* systemd goes on with the next line, docker does not: refuse. */
	if (s.len > 0 && s.p[s.len - 1] == '\\')
		return err_set(e, "backslash at the end of the line: a value "
				  "ends with its line");
	return buf_add(b, s.p, s.len) == -1 ? err_set(e, "out of memory") : 0;
}

/* "[export ]K=V": "K=V" to b. */
static int
parse_line(struct span s, struct buf *b, struct err *e)
{
	const char *equals;
	struct span name;

	if (s.len > 7 && memcmp(s.p, "export", 6) == 0 && is_blank(s.p[6]))
		s = trim((struct span){s.p + 7, s.len - 7});
	equals = memchr(s.p, '=', s.len);
	if (equals == NULL)
		return err_set(e, "'%.*s' is not NAME=VALUE",
		    s.len < 60 ? (int)s.len : 60, s.p);
	name = trim((struct span){s.p, (size_t)(equals - s.p)});
	if (check_name(name.p, name.len, e) == -1)
		return -1;
	if (buf_add(b, name.p, name.len) == -1 || buf_add(b, "=", 1) == -1)
		return err_set(e, "out of memory");
	s.len -= (size_t)(equals + 1 - s.p);
	s.p = equals + 1;
	if (add_value(trim(s), b, e) == -1)
		return -1;
	if (b->len > WORDS_WORD_MAX)
		return err_set(e, "over %d bytes", WORDS_WORD_MAX);
	return 0;
}

struct list {
	char **words;
	size_t n, cap;
};

/* Adds a copy of text; without one, sees to it that there is a list. */
static int
list_add(struct list *l, const char *text, size_t len)
{
	char **words;

	words = grow_list(l->words, l->n + 2, &l->cap, sizeof(char *));
	if (words == NULL)
		return -1;
	l->words = words;
	words[l->n] = NULL;
	if (text == NULL)
		return 0;
	words[l->n] = strndup(text, len);
	if (words[l->n] == NULL)
		return -1;
	words[++l->n] = NULL;
	return 0;
}

/* One line of the file; 0 also where it says nothing. */
static int
take_line(struct list *l, struct span s, struct err *e)
{
	struct buf b = {0};
	int rc;

	if (memchr(s.p, '\0', s.len) != NULL)
		return err_set(e, "NUL byte, this is no text");
	if (s.len > 0 && s.p[s.len - 1] == '\r')
		s.len--;
	s = trim(s);
	if (s.len == 0 || *s.p == '#' || *s.p == ';')
		return 0;
	rc = parse_line(s, &b, e);
	if (rc == 0 && list_add(l, b.data, b.len) == -1)
		rc = err_set(e, "out of memory");
	buf_release(&b);
	return rc;
}

char **
env_parse_file(const char *file, const char *text, size_t len, struct diags *d)
{
	const char *p = text, *end = text + len, *nl;
	struct list l = {0};
	struct err e;
	int line = 0, bad = 0;

	if (len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		p += 3;
	if (list_add(&l, NULL, 0) == -1) {
		diags_add(d, 1, file, 0, "out of memory");
		return NULL;
	}
	for (; p < end; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (nl == NULL)
			nl = end;
		line++;
		if (take_line(&l, (struct span){p, (size_t)(nl - p)}, &e) ==
		    -1) {
			diags_add(d, 1, file, line, "%s", e.text);
			bad = 1;
		}
	}
	if (bad) {
		words_free(l.words);
		return NULL;
	}
	return l.words;
}

struct item {
	const char *word;
	size_t name_len, seq;
};

static int
compare_names(const struct item *x, const struct item *y)
{
	size_t n = x->name_len < y->name_len ? x->name_len : y->name_len;
	int c = memcmp(x->word, y->word, n);

	if (c != 0)
		return c;
	return (x->name_len > y->name_len) - (x->name_len < y->name_len);
}

static int
compare_items(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int c = compare_names(x, y);

	return c != 0 ? c : (x->seq > y->seq) - (x->seq < y->seq);
}

static char *
copy_word(const char *word, size_t *budget, struct err *e)
{
	size_t len = strlen(word) + 1;
	char *copy;

	if (len > *budget) {
		err_set(e, "the fleet's values are too large together");
		return NULL;
	}
	*budget -= len;
	copy = strdup(word);
	if (copy == NULL)
		err_set(e, "out of memory");
	return copy;
}

/* Copies the last of each name; items are sorted. */
static char **
copy_last(const struct item *items, size_t n, size_t *budget, struct err *e)
{
	char **words = calloc(n + 1, sizeof(char *)), **out = words;
	size_t i;

	if (words == NULL) {
		err_set(e, "out of memory");
		return NULL;
	}
	for (i = 0; i < n; i++) {
		if (i + 1 < n && compare_names(&items[i], &items[i + 1]) == 0)
			continue;
		*out = copy_word(items[i].word, budget, e);
		if (*out++ == NULL) {
			words_free(words);
			return NULL;
		}
	}
	return words;
}

char **
env_merge(char *const *const *lists, size_t n, size_t *budget, struct err *e)
{
	struct item *items;
	size_t i, j, total = 0;
	char **words;

	for (i = 0; i < n; i++)
		total += words_count(lists[i]);
	items = calloc(total + 1, sizeof(*items));
	if (items == NULL) {
		err_set(e, "out of memory");
		return NULL;
	}
	total = 0;
	for (i = 0; i < n; i++)
		for (j = 0; lists[i] != NULL && lists[i][j] != NULL; j++) {
			items[total] = (struct item){
			    lists[i][j], strcspn(lists[i][j], "="), total};
			total++;
		}
	qsort(items, total, sizeof(*items), compare_items);
	words = copy_last(items, total, budget, e);
	free(items);
	return words;
}
