/* words: splitting as a shell does, and ${ENV}, %n, %N, %F. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "conf/words.h"

#define NELEM(a) ((int)(sizeof(a) / sizeof((a)[0])))
#define WORDS_MAX 6

static size_t budget;
static struct expansion x = {"web", "shop", 7, &budget};

static void
setup(void)
{
	budget = 1 << 20;
	x = (struct expansion){"web", "shop", 7, &budget};
	ck_assert_int_eq(setenv("SET", "a b", 1), 0);
	ck_assert_int_eq(setenv("EMPTY", "", 1), 0);
	ck_assert_int_eq(setenv("TRICK", "${SET} %n '\"", 1), 0);
	ck_assert_int_eq(unsetenv("UNSET"), 0);
}

static const struct {
	const char *text;
	const char *words[WORDS_MAX];
} splits[] = {
    {"", {NULL}},
    {"  \t ", {NULL}},
    {"a", {"a"}},
    {"a b\tc", {"a", "b", "c"}},
    {"  a  b  ", {"a", "b"}},
    {"'a b' c", {"a b", "c"}},
    {"\"a b\" c", {"a b", "c"}},
    {"a' 'b", {"a b"}},
    {"'' \"\" x", {"", "", "x"}},
    {"a\\ b", {"a b"}},
    {"\\'a\\\"", {"'a\""}},
    {"'a\\b'", {"a\\b"}},
    {"\"a\\\"b\"", {"a\"b"}},
    {"\"a\\\\b\"", {"a\\b"}},
    {"\"a\\nb\"", {"a\\nb"}},
    {"\"it's\" 'say \"x\"'", {"it's", "say \"x\""}},
    {"a;b # c", {"a;b", "#", "c"}},
    {"* $HOME `id` | > x", {"*", "$HOME", "`id`", "|", ">", "x"}},
};

START_TEST(split)
{
	struct err e;
	char **words = words_split(splits[_i].text, &e);
	int i;

	ck_assert_ptr_nonnull(words);
	for (i = 0; i < WORDS_MAX && splits[_i].words[i] != NULL; i++) {
		ck_assert_ptr_nonnull(words[i]);
		ck_assert_str_eq(words[i], splits[_i].words[i]);
	}
	ck_assert_uint_eq(words_count(words), (size_t)i);
	words_free(words);
}
END_TEST

static const struct {
	const char *text, *why;
} bad_splits[] = {
    {"'a", "no closing '"},
    {"a b \"c", "no closing \""},
    {"\"a\\\"", "no closing \""},
    {"\"a\\", "no closing \""},
    {"a\\", "nothing after the last backslash"},
};

START_TEST(split_wrong)
{
	struct err e;

	ck_assert_ptr_null(words_split(bad_splits[_i].text, &e));
	ck_assert_str_eq(e.text, bad_splits[_i].why);
}
END_TEST

START_TEST(split_many)
{
	char text[4001], **words;
	struct err e;
	int i;

	for (i = 0; i < 2000; i++)
		memcpy(text + 2 * i, "w ", 3);
	words = words_split(text, &e);
	ck_assert_uint_eq(words_count(words), 2000);
	words_free(words);
}
END_TEST

static const struct {
	const char *text, *result;
} expansions[] = {
    {"", ""},
    {"plain", "plain"},
    {"${SET}", "a b"},
    {"<${SET}><${SET}>", "<a b><a b>"},
    {"${EMPTY}", ""},
    {"${EMPTY:-d}", "d"},
    {"${UNSET:-d}", "d"},
    {"${UNSET:-}", ""},
    {"${UNSET:-/x/%N}", "/x/web"},
    {"${SET:-d}", "a b"},
    {"${TRICK}", "${SET} %n '\""}, /* not expanded again */
    {"$", "$"},
    {"$x $(y) $", "$x $(y) $"},
    {"$$", "$"},
    {"$${SET}", "${SET}"},
    {"$$$$", "$$"},
    {"%n %N %F", "7 web shop"},
    {"100%%", "100%"},
    {"%%n", "%n"},
};

START_TEST(expand)
{
	struct err e;
	char *text = words_expand(&x, expansions[_i].text, &e);

	ck_assert_ptr_nonnull(text);
	ck_assert_str_eq(text, expansions[_i].result);
	free(text);
}
END_TEST

static const struct {
	const char *text, *why;
} bad_expansions[] = {
    {"${UNSET}", "environment variable 'UNSET' is not set"},
    {"${SET", "no '}' after '${'"},
    {"${}", "'' is not a variable's name"},
    {"${A B}", "'A B' is not a variable's name"},
    {"${1}", "'1' is not a variable's name"},
    {"${SET:+x}", "'SET:+x' is not a variable's name"},
    {"${UNSET:-${SET}}", "no '}' after '${'"},
    {"%x", "unknown '%x': %n (instance), %N (worker), %F (fleet) and %% are "
	   "known"},
    {"100%", "unknown '%': %n (instance), %N (worker), %F (fleet) and %% are "
	     "known"},
};

START_TEST(expand_wrong)
{
	struct err e;

	ck_assert_ptr_null(words_expand(&x, bad_expansions[_i].text, &e));
	ck_assert_str_eq(e.text, bad_expansions[_i].why);
}
END_TEST

START_TEST(outside_of_workers)
{
	struct err e;
	char *text;

	x.worker = NULL;
	text = words_expand(&x, "50% %n %% ${SET}", &e);
	ck_assert_str_eq(text, "50% %n % a b");
	free(text);
}
END_TEST

START_TEST(never_split_again)
{
	struct err e;
	char **words = words_split_expand(&x, "${SET} '%n' x${TRICK}y", &e);

	ck_assert_ptr_nonnull(words);
	ck_assert_str_eq(words[0], "a b");
	ck_assert_str_eq(words[1], "7");
	ck_assert_str_eq(words[2], "x${SET} %n '\"y");
	ck_assert_ptr_null(words[3]);
	words_free(words);
}
END_TEST

/* "${BIG}" a thousand times must not become a hundred megabytes. */
START_TEST(bounded)
{
	char *big = malloc(100001), text[7001], *out;
	struct err e;
	int i;

	memset(big, 'x', 100000);
	big[100000] = '\0';
	ck_assert_int_eq(setenv("BIG", big, 1), 0);
	free(big);
	ck_assert_ptr_null(words_expand(&x, "${BIG}${BIG}", &e));
	ck_assert_str_eq(e.text, "over 131071 bytes once expanded");
	for (i = 0; i < 1000; i++)
		memcpy(text + 7 * i, "${BIG} ", 8);
	budget = 100 << 20;
	ck_assert_ptr_null(words_split_expand(&x, text, &e));
	ck_assert_str_eq(e.text, "over 1048576 bytes once expanded");
	budget = 150000;
	out = words_expand(&x, "${BIG}", &e);
	ck_assert_ptr_nonnull(out);
	free(out);
	ck_assert_ptr_null(words_expand(&x, "${BIG}", &e));
	ck_assert_str_eq(e.text, "the fleet's values are too large together");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("words");
	TCase *t = tcase_create("words");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_loop_test(t, split, 0, NELEM(splits));
	tcase_add_loop_test(t, split_wrong, 0, NELEM(bad_splits));
	tcase_add_test(t, split_many);
	tcase_add_loop_test(t, expand, 0, NELEM(expansions));
	tcase_add_loop_test(t, expand_wrong, 0, NELEM(bad_expansions));
	tcase_add_test(t, outside_of_workers);
	tcase_add_test(t, never_split_again);
	tcase_add_test(t, bounded);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
