/*
 * json_tree: what it makes is what jansson makes of the same text, with the
 * same end; and what is not plain it leaves alone.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/json_tree.h"

static const char *const plain[] = {"{\"a\":1}", "{ \"a\" : -1 , \"b\" : 2 } x",
    "{\"a\":\"\",\"b\":\"c d\"}", "{\"\":null}", "{\"a\":true,\"b\":false}",
    "{\"a\":1.5,\"b\":-2e3,\"c\":0.001}", "{\"a\":-0}", "{\"a\":-0.0}",
    "{\"a\":999999999999999999}", "{\"a\":{\"b\":{\"a\":1}},\"c\":2}",
    "{\"\xc3\xa9\":\"\xe2\x82\xac\"}", "{\"a\":\"\x7f\"}\n"};

/* For jansson, or for nobody. */
static const char *const other[] = {"", " {\"a\":1}", "1", "[]", "\"a\"", "{}",
    "{\"a\":[]}", "{\"a\":[1]}", "{\"a\":{}}", "{\"a\":\"\\n\"}",
    "{\"\\u0061\":1}", "{\"a\":1000000000000000000}",
    "{\"a\":1.0000000000000000001}", "{\"a\":1e999}", "{\"a\":1,\"a\":2}",
    "{\"a\":{\"b\":1,\"b\":1}}", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}",
    "{\"a\" 1}", "{\"a\":}", "{1:2}", "{\"a\":01}", "{\"a\":\"\xff\"}",
    "{\"a\":\"\n\"}", "{\"a\":tru}", "{\"a\":{\"b\":[]}}"};

static json_t *
make(const char *text, size_t *used)
{
	/* Of its own size: a sanitizer sees what is read past it. */
	size_t len = strlen(text);
	char *copy = malloc(len == 0 ? 1 : len);
	const char *behind = NULL;
	json_t *made;

	memcpy(copy, text, len);
	made = json_tree_object(copy, copy + len, &behind);
	*used = made == NULL ? 0 : (size_t)(behind - copy);
	free(copy);
	return made;
}

START_TEST(test_what_is_plain)
{
	json_error_t why;
	size_t used;
	json_t *made = make(plain[_i], &used),
	       *read = json_loads(plain[_i],
		   JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, &why);

	ck_assert_msg(read != NULL, "%s: %s", plain[_i], why.text);
	ck_assert_msg(made != NULL, "%s", plain[_i]);
	ck_assert_msg(json_equal(made, read), "%s", plain[_i]);
	ck_assert_uint_eq(used, (size_t)why.position);
	json_decref(made);
	json_decref(read);
}
END_TEST

START_TEST(test_what_is_not)
{
	size_t used;

	ck_assert_msg(make(other[_i], &used) == NULL, "%s", other[_i]);
}
END_TEST

#define N(a) ((int)(sizeof(a) / sizeof(*(a))))

int
main(void)
{
	Suite *s = suite_create("json_tree");
	TCase *t = tcase_create("json_tree");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_loop_test(t, test_what_is_plain, 0, N(plain));
	tcase_add_loop_test(t, test_what_is_not, 0, N(other));
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
