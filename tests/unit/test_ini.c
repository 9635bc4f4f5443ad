/* ini: what inih alone gets wrong must come out right, or as an error. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "conf/ini.h"

#define NELEM(a) ((int)(sizeof(a) / sizeof((a)[0])))

static void
section_seen(void *arg, const char *name, int line)
{
	ck_assert_int_eq(buf_addf(arg, "%d [%s]\n", line, name), 0);
}

static void
key_seen(void *arg, const char *key, const char *value, int line)
{
	ck_assert_int_eq(buf_addf(arg, "%d %s=<%s>\n", line, key, value), 0);
}

/* What was read, a line each, then what was wrong. */
static char *
read_text(const char *text, size_t len)
{
	struct buf out = {0};
	struct ini_sink sink = {section_seen, key_seen, &out};
	struct diags d = {0};
	char *exact = malloc(len + 1);
	size_t i;
	int rc;

	/* Of the exact size, for the address sanitizer. */
	memcpy(exact, text, len);
	ck_assert_int_eq(buf_adds(&out, ""), 0);
	rc = ini_read(&sink, "f", exact, len, &d);
	ck_assert_int_eq(rc, 0);
	for (i = 0; i < d.n; i++)
		ck_assert_int_eq(buf_addf(&out, "%s\n", d.list[i].text), 0);
	diags_release(&d);
	free(exact);
	return out.data;
}

struct row {
	const char *text, *result;
};

static void
check_row(const struct row *row)
{
	char *got = read_text(row->text, strlen(row->text));

	ck_assert_str_eq(got, row->result);
	free(got);
}

static const struct row right[] = {
    {"", ""},
    {"\n\n", ""},
    {"[a]", "1 [a]\n"},
    {"[a]\n[b]\n", "1 [a]\n2 [b]\n"}, /* sections without keys */
    {"[a]\nk=v", "1 [a]\n2 k=<v>\n"}, /* no final newline */
    {"[a]\nk = v \n", "1 [a]\n2 k=<v>\n"},
    {"[a]\nk=\n", "1 [a]\n2 k=<>\n"},
    {"[a]\nk\n=v\n",
	"1 [a]\n"
	"f:2: no '=' in 'k': neither a section, a key nor a comment\n"
	"f:3: no key before '='\n"},
    {"[a]\nk = a = b : c\n", "1 [a]\n2 k=<a = b : c>\n"},
    {"[a]\nk = x ; y\n", "1 [a]\n2 k=<x ; y>\n"},
    {"[a]\nk = ;x\n", "1 [a]\n2 k=<;x>\n"},
    {"[a]\nk = x # y\n", "1 [a]\n2 k=<x # y>\n"},
    {"[a]\nk = #x\n", "1 [a]\n2 k=<#x>\n"},
    {"[a]\nk = a  b\tc\n", "1 [a]\n2 k=<a  b\tc>\n"},
    {"[a]\nk = [b]\n", "1 [a]\n2 k=<[b]>\n"},
    {"# c\n; c\n  # c\n\t; c\n[a]\n# k = v\n", "5 [a]\n"},
    /* continuation lines */
    {"[a]\nk = 1\n 2\n\t3 \nl = 4\n", "1 [a]\n2 k=<1 2 3>\n5 l=<4>\n"},
    {"[a]\nk =\n  v\n", "1 [a]\n2 k=<v>\n"},
    {"[a]\nk = 1\n# c\n  ; c\n\n  2\n", "1 [a]\n2 k=<1 2>\n"},
    {"[a]\nk = 1\n  l = 2\n", "1 [a]\n2 k=<1 l = 2>\n"},
    {"[a]\nk = 1\n  [b]\n", "1 [a]\n2 k=<1 [b]>\n"},
    {"[a]\nk = 1\n  x ; y # z\n", "1 [a]\n2 k=<1 x ; y # z>\n"},
    /* what other editors write */
    {"[a]\r\nk = v\r\n  w\r\n", "1 [a]\n2 k=<v w>\n"},
    {"\xef\xbb\xbf[a]\nk = v\n", "1 [a]\n2 k=<v>\n"},
    {"[a]\nk = h\xc3\xa9 \xff\n", "1 [a]\n2 k=<h\xc3\xa9 \xff>\n"},
    /* the same key twice is for somebody else to judge */
    {"[a]\nk=1\nk=2\n", "1 [a]\n2 k=<1>\n3 k=<2>\n"},
    {"[worker:a b;c#d]\n", "1 [worker:a b;c#d]\n"},
};

START_TEST(read_right)
{
	check_row(&right[_i]);
}
END_TEST

static const struct row wrong[] = {
    {"[a] junk\nk=v\n[b]\n",
	"3 [b]\n"
	"f:1: text after ']': a comment needs a line of its own\n"},
    {"[a] ; c\n", "f:1: text after ']': a comment needs a line of its own\n"},
    {"[a\nk=v\n", "f:1: no ']' after '[a'\n"},
    {"k=v\n[a]\n", "2 [a]\nf:1: 'k' stands before any section\n"},
    {"[a]\nk v\n",
	"1 [a]\n"
	"f:2: no '=' in 'k v': neither a section, a key nor a comment\n"},
    {"[a]\nk: v = w\n",
	"1 [a]\n"
	"f:2: ':' after 'k': key and value need a '=' between\n"},
    {"[a]\nk k = v\n", "1 [a]\nf:2: invalid key 'k k'\n"},
    {"[a]\n = v\n", "1 [a]\nf:2: no key before '='\n"},
    {"[a]\n  k = v\n  l = w\n",
	"1 [a]\n"
	"f:2: 'k' is indented: blanks at the start of a line continue "
	"the value above, and there is none\n"},
    {"[a]\nk = \x01x\n l\nm = n\n",
	"1 [a]\n4 m=<n>\nf:2: control character 0x01\n"},
    {"[a]\nk = v\rw\n", "1 [a]\nf:2: control character 0x0d\n"},
    {"[a]\nk = 1\n\x0b\n 2\nl = 3\n",
	"1 [a]\n2 k=<1>\n5 l=<3>\nf:3: control character 0x0b\n"},
    /* all of them */
    {"x\n[a\ny\n[b] c\nz=1\n[d]\nw\n",
	"6 [d]\n"
	"f:1: no '=' in 'x': neither a section, a key nor a comment\n"
	"f:2: no ']' after '[a'\n"
	"f:3: no '=' in 'y': neither a section, a key nor a comment\n"
	"f:4: text after ']': a comment needs a line of its own\n"
	"f:7: no '=' in 'w': neither a section, a key nor a comment\n"},
};

START_TEST(read_wrong)
{
	check_row(&wrong[_i]);
}
END_TEST

START_TEST(nul_byte)
{
	static const char text[] = "[a]\nk = v\0w\nuser = x\n";
	char *got = read_text(text, sizeof(text) - 1);

	ck_assert_str_eq(
	    got, "1 [a]\n3 user=<x>\nf:2: NUL byte, this is no text\n");
	free(got);
}
END_TEST

/* inih alone takes the tail of a long line for a line of its own. */
START_TEST(long_line_injects_nothing)
{
	char text[1024], want[1024], pad[301], *got;
	int n;

	/* Wherever the cut would be, "user = root" is behind it. */
	for (n = 150; n <= 300; n++) {
		memset(pad, 'x', (size_t)n);
		pad[n] = '\0';
		snprintf(text, sizeof(text),
		    "[a]\ncommand = %s user = root\nl = 1\n", pad);
		snprintf(want, sizeof(want),
		    "1 [a]\n2 command=<%s user = root>\n3 l=<1>\n", pad);
		got = read_text(text, strlen(text));
		ck_assert_str_eq(got, want);
		free(got);
	}
}
END_TEST

/* The same where nothing but what inih strips or cuts at stands in the line. */
START_TEST(long_value_is_kept_whole)
{
	static const char *const fill[] = {
	    " ;", "; ", " #", "a ", "[x] ", "k = ", "\t", "\xef\xbb\xbf"};
	char text[2048], want[2048], value[1024], *got;
	size_t i, len;

	for (i = 0; i < sizeof(fill) / sizeof(fill[0]); i++) {
		value[0] = 'v';
		for (len = 1; len < 900; len += strlen(fill[i]))
			strcpy(value + len, fill[i]);
		strcpy(value + len, "e");
		snprintf(text, sizeof(text), "[a]\nk = %s\n", value);
		snprintf(want, sizeof(want), "1 [a]\n2 k=<%s>\n", value);
		got = read_text(text, strlen(text));
		ck_assert_str_eq(got, want);
		free(got);
	}
}
END_TEST

START_TEST(longest_line)
{
	char *text = malloc(CONF_LINE_MAX + 32), *got;
	size_t len = (size_t)sprintf(text, "[a]\nk=");

	memset(text + len, 'x', CONF_LINE_MAX - 2);
	strcpy(text + len + CONF_LINE_MAX - 2, "\nl=1\n");
	got = read_text(text, strlen(text));
	ck_assert_uint_eq(strlen(got), 6 + 6 + CONF_LINE_MAX - 2 + 1 + 8);
	free(got);
	strcpy(text + len + CONF_LINE_MAX - 2, "x\n more\nl=1\n");
	got = read_text(text, strlen(text));
	ck_assert_str_eq(got,
	    "1 [a]\n4 l=<1>\n"
	    "f:2: line of 131073 bytes, at most 131072 are allowed\n");
	free(got);
	free(text);
}
END_TEST

START_TEST(long_names)
{
	char name[60], text[256], want[256], *got;

	memset(name, 'n', 49);
	name[49] = '\0';
	snprintf(text, sizeof(text), "[%s]\n%s = v\n w\n", name, name);
	snprintf(want, sizeof(want), "1 [%s]\n2 %s=<v w>\n", name, name);
	got = read_text(text, strlen(text));
	ck_assert_str_eq(got, want);
	free(got);
	strcpy(name + 49, "n");
	snprintf(
	    text, sizeof(text), "[%s]\nk=v\n[a]\n%s = v\n w\n", name, name);
	got = read_text(text, strlen(text));
	ck_assert_str_eq(got,
	    "3 [a]\n"
	    "f:1: section name 'nnnnnnnnnnnnnnnnnnnn...' of 50 bytes, at most "
	    "49 are allowed\n"
	    "f:4: key 'nnnnnnnnnnnnnnnnnnnn...' of 50 bytes, at most 49 are "
	    "allowed\n");
	free(got);
}
END_TEST

START_TEST(many_errors_are_bounded)
{
	struct buf text = {0}, out = {0};
	struct ini_sink sink = {section_seen, key_seen, &out};
	struct diags d = {0};
	int i;

	for (i = 0; i < 5000; i++)
		ck_assert_int_eq(buf_adds(&text, "x\n"), 0);
	ck_assert_int_eq(ini_read(&sink, "f", text.data, text.len, &d), 0);
	diags_finish(&d, NULL, 0);
	ck_assert_uint_eq(d.nerrors, 5000);
	ck_assert_uint_eq(d.n, DIAGS_MAX + 1);
	ck_assert_str_eq(d.list[DIAGS_MAX].text, "and 4000 more errors");
	diags_release(&d);
	buf_release(&text);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ini");
	TCase *t = tcase_create("ini");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, read_right, 0, NELEM(right));
	tcase_add_loop_test(t, read_wrong, 0, NELEM(wrong));
	tcase_add_test(t, nul_byte);
	tcase_add_test(t, long_line_injects_nothing);
	tcase_add_test(t, long_value_is_kept_whole);
	tcase_add_test(t, longest_line);
	tcase_add_test(t, long_names);
	tcase_add_test(t, many_errors_are_bounded);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
