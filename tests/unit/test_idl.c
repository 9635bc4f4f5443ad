/* idl: values against types. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/idl.h"

static const struct {
	const char *fields, *object;
	const char *bad; /* NULL: it is right */
} cases[] = {
    {"", "{}", NULL},
    {"", "{\"x\":1}", "x"},
    {"a: int", "{\"a\":1}", NULL},
    {"a: int", "{}", "a"},
    {"a: int", "{\"a\":null}", "a"},
    {"a: int", "{\"a\":1.5}", "a"},
    {"a: int", "{\"a\":true}", "a"},
    {"a: float", "{\"a\":1}", NULL},
    {"a: float", "{\"a\":1.5}", NULL},
    {"a: float", "{\"a\":\"1\"}", "a"},
    {"a: bool", "{\"a\":false}", NULL},
    {"a: bool", "{\"a\":0}", "a"},
    {"a: string", "{\"a\":\"\"}", NULL},
    {"a: string", "{\"a\":[]}", "a"},
    {"a: object", "{\"a\":{\"any\":1}}", NULL},
    {"a: object", "{\"a\":[]}", NULL},
    {"a: object", "{}", "a"},
    {"a: ?int", "{}", NULL},
    {"a: ?int", "{\"a\":null}", NULL},
    {"a: ?int", "{\"a\":1}", NULL},
    {"a: ?int", "{\"a\":\"\"}", "a"},
    {"a: []int", "{\"a\":[]}", NULL},
    {"a: []int", "{\"a\":[1,2]}", NULL},
    {"a: []int", "{\"a\":[1,null]}", "a"},
    {"a: []?int", "{\"a\":[1,null]}", NULL},
    {"a: []int", "{\"a\":{}}", "a"},
    {"a: []int", "{\"a\":1}", "a"},
    {"a: [][]int", "{\"a\":[[1],[]]}", NULL},
    {"a: [][]int", "{\"a\":[1]}", "a"},
    {"a: [string]int", "{\"a\":{\"x\":1}}", NULL},
    {"a: [string]int", "{\"a\":{\"x\":\"\"}}", "a"},
    {"a: [string]int", "{\"a\":[]}", "a"},
    {"a: [string][]string, b: int", "{\"a\":{\"x\":[\"\"]},\"b\":1}", NULL},
    {"a: (x: int, y: ?(z: bool)), b: int", "{\"a\":{\"x\":1},\"b\":2}", NULL},
    {"a: (x: int, y: ?(z: bool)), b: int",
	"{\"a\":{\"x\":1,\"y\":{\"z\":true}},\"b\":2}", NULL},
    {"a: (x: int, y: ?(z: bool)), b: int",
	"{\"a\":{\"x\":1,\"y\":{\"z\":1}},\"b\":2}", "a"},
    {"a: (x: int, y: ?(z: bool)), b: int", "{\"a\":{\"x\":1},\"x\":2}", "b"},
    {"a: (x: int), b: int", "{\"a\":{\"x\":1,\"b\":1},\"b\":2}", "a"},
    {"a: (x: int), b: int", "{\"a\":{\"x\":1},\"b\":2,\"x\":1}", "x"},
    {"a: int, ab: int", "{\"a\":1,\"ab\":2}", NULL},
    {"ab: int", "{\"ab\":2,\"a\":1}", "a"},
    {"a: unknown", "{\"a\":1}", "a"},
    {"a: in", "{\"a\":1}", "a"},
    {"a: integer", "{\"a\":1}", "a"},
};

START_TEST(test_value)
{
	json_t *object = json_loads(cases[_i].object, 0, NULL);
	char bad[64] = "";
	int rc;

	ck_assert_ptr_nonnull(object);
	rc = idl_check(cases[_i].fields, object, bad, sizeof(bad));
	ck_assert_int_eq(rc, cases[_i].bad == NULL ? 0 : -1);
	if (cases[_i].bad != NULL)
		ck_assert_str_eq(bad, cases[_i].bad);
	json_decref(object);
}
END_TEST

START_TEST(test_no_object)
{
	json_t *array = json_array();
	char bad[64];

	ck_assert_int_eq(idl_check("", array, bad, sizeof(bad)), -1);
	ck_assert_str_eq(bad, "parameters");
	ck_assert_int_eq(idl_check("", NULL, bad, sizeof(bad)), -1);
	json_decref(array);
}
END_TEST

START_TEST(test_a_long_name_is_cut)
{
	json_t *object = json_pack("{s:i}", "abcdefgh", 1);
	char bad[4];

	ck_assert_int_eq(idl_check("", object, bad, sizeof(bad)), -1);
	ck_assert_str_eq(bad, "abc");
	json_decref(object);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("idl");
	TCase *t = tcase_create("idl");
	SRunner *r;
	int failed;

	tcase_add_loop_test(
	    t, test_value, 0, (int)(sizeof(cases) / sizeof(*cases)));
	tcase_add_test(t, test_no_object);
	tcase_add_test(t, test_a_long_name_is_cut);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
