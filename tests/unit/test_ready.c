/* The key `ready`: all its forms, as they are read, written again and taken
 * apart, and what is wrong with others. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "conf/format.h"
#include "conf/value.h"
#include "core/ready.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof(*(a))))

static struct worker_section section;

static int
parse(const char *text, struct err *e)
{
	size_t budget = 1 << 20;
	struct expansion x = {"web", "shop", 7, &budget};

	section = (struct worker_section){0};
	return value_parse(
	    conf_key_find("worker", "ready"), &x, text, &section, e);
}

static const struct {
	const char *text, *again; /* NULL: the same */
	enum ready_kind kind;
} good[] = {
    {"exec", NULL, READY_EXEC},
    {"notify", NULL, READY_NOTIFY},
    {"fd", NULL, READY_FD},
    {"tcp:127.0.0.1:80", NULL, READY_TCP},
    {"tcp:localhost:65535", NULL, READY_TCP},
    {"tcp:[::1]:1", NULL, READY_TCP},
    {"tcp:127.0.0.1:80%n", "tcp:127.0.0.1:807", READY_TCP},
    {"unix:/run/%F/%N.sock", "unix:/run/shop/web.sock", READY_UNIX},
    {"unix:/a/$$b", "unix:/a/$$b", READY_UNIX},
    {"http://127.0.0.1", NULL, READY_HTTP},
    {"http:http://localhost:8080/healthz?a=b",
	"http://localhost:8080/healthz?a=b", READY_HTTP},
    {"http://[::1]:8080/%%20x", "http://[::1]:8080/%%20x", READY_HTTP},
    {"command:/bin/true", NULL, READY_COMMAND},
    {"command: curl -f 'http://[::1]/a b' %n",
	"command:curl -f \"http://[::1]/a b\" 7", READY_COMMAND},
};

/* What is written again is read as the same. */
START_TEST(each_form)
{
	const char *again =
	    good[_i].again == NULL ? good[_i].text : good[_i].again;
	const char *text = good[_i].text;
	struct buf b = {0};
	struct err e;
	int i;

	for (i = 0; i < 2; i++, text = again) {
		ck_assert_msg(parse(text, &e) == 0, "%s: %s", text, e.text);
		ck_assert_int_eq(section.conf.ready.kind, good[_i].kind);
		/* Read again, %n is no more. */
		b.len = 0;
		ck_assert_int_eq(value_format(conf_key_find("worker", "ready"),
				     &section, 0, &b),
		    1);
		ck_assert_str_eq(b.data, again);
		worker_conf_release(&section.conf);
	}
	buf_release(&b);
}
END_TEST

#define LONG                                                                   \
	"12345678901234567890123456789012345678901234567890123456789012345678" \
	"90"

static const struct {
	const char *text, *message;
} bad[] = {
    {"", "ready: '' is not exec, notify, fd, tcp:HOST:PORT, unix:PATH, "
	 "http:URL or command:CMD"},
    {"Notify", "ready: 'Notify' is not exec, notify, fd, tcp:HOST:PORT, "
	       "unix:PATH, http:URL or command:CMD"},
    {"notify:x", "ready: 'notify:x' is not exec, notify, fd, "
		 "tcp:HOST:PORT, unix:PATH, http:URL or command:CMD"},
    {"tcp", "ready: 'tcp' is not exec, notify, fd, tcp:HOST:PORT, unix:PATH, "
	    "http:URL or command:CMD"},
    {"tcp:127.0.0.1", "ready: no port is named"},
    {"tcp:[::1]", "ready: no port is named"},
    {"tcp:", "ready: '' is neither 'localhost' nor a numeric address: names "
	     "are not looked up"},
    {"tcp::80", "ready: '' is neither 'localhost' nor a numeric address: names "
		"are not looked up"},
    {"tcp:80", "ready: '80' is neither 'localhost' nor a numeric address: "
	       "names are not looked up"},
    {"tcp:db.example:80", "ready: 'db.example' is neither 'localhost' nor a "
			  "numeric address: names are not looked up"},
    {"tcp:[127.0.0.1]:80", "ready: '127.0.0.1' is neither 'localhost' nor "
			   "a numeric address: names are not looked up"},
    {"tcp:[fe80::1%%eth0]:80",
	"ready: 'fe80::1%eth0' is neither 'localhost' nor a numeric address: "
	"names are not looked up"},
    {"tcp:[localhost]:80", "ready: 'localhost' is neither 'localhost' nor "
			   "a numeric address: names are not looked up"},
    {"tcp:127.0.0.1:0", "ready: '0' is not a port, 1 to 65535"},
    {"tcp:127.0.0.1:65536", "ready: '65536' is not a port, 1 to 65535"},
    {"tcp:127.0.0.1:", "ready: '' is not a port, 1 to 65535"},
    {"tcp:127.0.0.1:http", "ready: 'http' is not a port, 1 to 65535"},
    {"tcp:127.0.0.1:123456789", "ready: '123456789' is not a port, 1 to 65535"},
    {"tcp:127.0.0.1:+80", "ready: '+80' is not a port, 1 to 65535"},
    {"tcp:[::1", "ready: no ']' after '['"},
    {"tcp:[::1]80", "ready: '[::1]80' is not HOST:PORT"},
    {"tcp:127.0.0.1:80:81",
	"ready: '127.0.0.1:80:81': an address of IPv6 stands in brackets"},
    {"unix:", "ready: '' is not an absolute path"},
    {"unix:run/x", "ready: 'run/x' is not an absolute path"},
    {"unix:@abstract", "ready: '@abstract' is not an absolute path"},
    {"unix:/" LONG LONG,
	"ready: path of 141 bytes, a socket's has at most 107"},
    {"http:", "ready: '' does not begin with http://"},
    {"http:/x", "ready: '/x' does not begin with http://"},
    {"http:127.0.0.1", "ready: '127.0.0.1' does not begin with http://"},
    {"https://127.0.0.1/",
	"ready: 'https://127.0.0.1/': https is not spoken; use command: with a "
	"program that does"},
    {"http:https://127.0.0.1/",
	"ready: 'https://127.0.0.1/': https is not spoken; use command: with a "
	"program that does"},
    {"http:///x", "ready: '' is neither 'localhost' nor a numeric address: "
		  "names are not looked up"},
    {"http://me@127.0.0.1/",
	"ready: 'http://me@127.0.0.1/': no user can be named"},
    {"http://127.0.0.1/a b",
	"ready: 'http://127.0.0.1/a b': blanks and what is not ASCII must be "
	"written as %XX"},
    {"http://127.0.0.1/\xc3\xa4",
	"ready: 'http://127.0.0.1/\xc3\xa4': blanks and what is not ASCII must "
	"be written as %XX"},
    {"http://127.0.0.1/#x",
	"ready: 'http://127.0.0.1/#x': what follows '#' is for browsers"},
    {"http://127.0.0.1:/", "ready: '' is not a port, 1 to 65535"},
    {"command:", "ready: no program is named"},
    {"command: ''", "ready: no program is named"},
    {"command:./x", "ready: './x' is neither an absolute path nor a name to be "
		    "found in PATH"},
    {"command:/x 'y", "ready: no closing '"},
    {"command:/x ${SVD_UNSET}",
	"ready: environment variable 'SVD_UNSET' is not set"},
    {"${SVD_UNSET:-command:/x}",
	"ready: 'command:' must stand in the file as it is"},
};

START_TEST(each_error)
{
	struct err e = {0};

	ck_assert_int_eq(parse(bad[_i].text, &e), -1);
	ck_assert_str_eq(e.text, bad[_i].message);
	ck_assert_ptr_null(section.conf.ready.target);
	ck_assert_ptr_null(section.conf.ready.argv);
}
END_TEST

START_TEST(a_target_has_a_largest_size)
{
	char text[READY_TARGET_MAX + 64] = "http://127.0.0.1/";
	size_t len = strlen(text);
	struct err e;

	memset(text + len, 'x', READY_TARGET_MAX - len);
	ck_assert_msg(parse(text, &e) == 0, "%s", e.text);
	worker_conf_release(&section.conf);
	text[READY_TARGET_MAX] = 'x';
	ck_assert_int_eq(parse(text, &e), -1);
	ck_assert_str_eq(e.text, "ready: 1001 bytes, at most 1000 are allowed");
}
END_TEST

static const struct {
	enum ready_kind kind;
	const char *target, *host, *named, *path;
	int port, is_v6;
} addresses[] = {
    {READY_TCP, "127.0.0.1:80", "127.0.0.1", "127.0.0.1:80", "", 80, 0},
    {READY_TCP, "localhost:1", "", "localhost:1", "", 1, 0},
    {READY_TCP, "[fd00::1]:65535", "fd00::1", "[fd00::1]:65535", "", 65535, 1},
    {READY_HTTP, "http://127.0.0.1", "127.0.0.1", "127.0.0.1", "", 80, 0},
    {READY_HTTP, "http://[::1]/", "::1", "[::1]", "/", 80, 1},
    {READY_HTTP, "http://localhost:8080/a?b", "", "localhost:8080", "/a?b",
	8080, 0},
    {READY_HTTP, "http://localhost?b", "", "localhost", "?b", 80, 0},
};

START_TEST(an_address_taken_apart)
{
	struct ready_address a;
	struct err e;

	ck_assert_int_eq(ready_parse_address(
			     addresses[_i].kind, addresses[_i].target, &a, &e),
	    0);
	ck_assert_str_eq(a.host, addresses[_i].host);
	ck_assert_str_eq(a.path, addresses[_i].path);
	ck_assert_int_eq(a.port, addresses[_i].port);
	ck_assert_int_eq(a.is_v6, addresses[_i].is_v6);
	ck_assert_int_eq(a.named_len, (int)strlen(addresses[_i].named));
	ck_assert_int_eq(
	    strncmp(a.named, addresses[_i].named, (size_t)a.named_len), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ready");
	TCase *t = tcase_create("ready");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_loop_test(t, each_form, 0, COUNT(good));
	tcase_add_loop_test(t, each_error, 0, COUNT(bad));
	tcase_add_test(t, a_target_has_a_largest_size);
	tcase_add_loop_test(t, an_address_taken_apart, 0, COUNT(addresses));
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
