/* Values as text and back, and what one configuration changes in another. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/format.h"
#include "conf/plan.h"
#include "conf/source.h"
#include "conf/value.h"

#define NELEM(a) ((int)(sizeof(a) / sizeof((a)[0])))

/* Either section: the members that a test uses lie where the key says. */
union any {
	struct fleet_section fleet;
	struct worker_section worker;
	char bytes[sizeof(struct worker_section)];
};

static size_t budget;
static struct expansion expansion = {
    .worker = "w", .fleet = "f", .instance = 3, .budget = &budget};

static void
set_up(void)
{
	budget = 1 << 30;
	setenv("X", "\"quoted\" \\ $HOME % 'it'", 1);
	setenv("NEWLINE", "a\nb\t", 1);
}

/* --- format --- */

static const struct {
	const char *section, *key, *text, *formatted;
} values[] = {
    {"fleet", "name", "my-fleet.1", "my-fleet.1"},
    {"fleet", "include", "a.ini 'b c/*.ini'", "a.ini \"b c/*.ini\""},
    {"fleet", "on_empty", "exit", "exit"},
    {"fleet", "log_format", "json", "json"},
    {"worker", "command", "sh -c 'a \"$$b\" \\c' '' %% ${X}",
	"sh -c \"a \\\"$$b\\\" \\\\c\" \"\" %% "
	"\"\\\"quoted\\\" \\\\ $$HOME %% 'it'\""},
    {"worker", "command", "x a\\ b ${NEWLINE}", "x \"a b\" \"a\nb\t\""},
    {"worker", "environment", "A=1 \"B=x y\" C= D=%n", "A=1 \"B=x y\" C= D=3"},
    {"worker", "environment", "", ""},
    {"worker", "env_file", "-/etc/a%%b", "-/etc/a%%b"},
    {"worker", "env_file", "/etc/a b", "/etc/a b"},
    {"worker", "autostart", "off", "no"},
    {"worker", "autostart", "1", "yes"},
    {"worker", "type", "oneshot", "oneshot"},
    {"worker", "restart", "always", "always"},
    {"worker", "restart", "on-failure", "on-failure"},
    {"worker", "numprocs", "12", "12"},
    {"worker", "user", "nobody", "nobody"},
    {"worker", "directory", "/srv/%N/100%%", "/srv/w/100%%"},
    {"worker", "description", "it's $$5, \"100%%\" ${X}",
	"it's $$5, \"100%%\" \"quoted\" \\ $$HOME %% 'it'"},
    {"worker", "umask", "7", "007"},
    {"worker", "umask", "0777", "777"},
    {"worker", "stdin", "null", "null"},
    {"worker", "stdin", "file:/a b", "file:/a b"},
    {"worker", "stdout", "inherit", "inherit"},
    {"worker", "stderr", "stdout", "stdout"},
    {"worker", "stderr", "file:/var/%N.%n", "file:/var/w.3"},
    {"worker", "backoff_delay", "0", "0"},
    {"worker", "backoff_delay", "1500ms", "1500ms"},
    {"worker", "backoff_delay", "90", "90s"},
    {"worker", "backoff_delay", "120", "2min"},
    {"worker", "backoff_delay", "1d", "24h"},
    {"worker", "backoff_delay", "1", "1s"},
    {"worker", "backoff_factor", "2", "2"},
    {"worker", "backoff_factor", "1.25", "1.25"},
    {"worker", "backoff_factor", "1.1", "1.1"},
    {"worker", "backoff_factor", "3.141592653589793", "3.141592653589793"},
    {"worker", "backoff_jitter", "0.000001", "0.000001"},
    {"worker", "backoff_jitter", "0.3", "0.3"},
    {"worker", "success_exit_status", "0", "0"},
    {"worker", "success_exit_status", "TERM 3 4 5 7,8 255 RTMIN+1",
	"3-5 7-8 255 TERM RTMIN+1"},
    {"worker", "success_exit_status", "0-255", "0-255"},
    {"worker", "success_exit_status", "63 64 128", "63-64 128"},
    {"worker", "success_exit_status", "", ""},
    {"worker", "max_memory", "0", "0"},
    {"worker", "max_memory", "1536K", "1536K"},
    {"worker", "max_memory", "2048K", "2M"},
    {"worker", "max_memory", "1000", "1000"},
    {"worker", "max_memory", "3T", "3T"},
    {"worker", "stop_signal", "15", "TERM"},
    {"worker", "stop_signal", "rtmin+3", "RTMIN+3"},
    {"worker", "stop_command", "/bin/stop \"\\\"\"", "/bin/stop \"\\\"\""},
    {"worker", "kill_mode", "process", "process"},
    {"worker", "limit_nofile", "100", "100"},
    {"worker", "limit_nofile", "100:unlimited", "100:unlimited"},
    {"worker", "limit_nofile", "infinity", "unlimited"},
    {"worker", "limit_core", "1K:1M", "1K:1M"},
    {"worker", "nice", "-20", "-20"},
    {"worker", "nice", "0", "0"},
    {"worker", "oom_score_adj", "-1000", "-1000"},
    {"worker", "ready", "fd", "fd"},
    {"worker", "ready", "tcp:[::1]:80%n", "tcp:[::1]:803"},
    {"worker", "ready", "http:http://localhost/%%20", "http://localhost/%%20"},
    {"worker", "ready", "command:/x 'a b' %n", "command:/x \"a b\" 3"},
    {"worker", "floor", "app", "app"},
    {"worker", "entry", "%N.web:main%n", "w.web:main3"},
    {"worker", "args", "--port 80%n 'a b' ''", "--port 803 \"a b\" \"\""},
    {"worker", "args", "", ""},
    {"floor", "runtime", "native", "native"},
    {"floor", "runtime", "command", "command"},
    {"floor", "preload", "numpy scipy.stats", "numpy scipy.stats"},
    {"floor", "python", "python3.11", "python3.11"},
    {"floor", "python", "/opt/%F/bin/python", "/opt/f/bin/python"},
    {"floor", "path", "/srv/%N '/a b'", "/srv/w \"/a b\""},
    {"floor", "command", "ruby /x.rb", "ruby /x.rb"},
    {"floor", "init", "app:go", "app:go"},
    {"floor", "environment", "A=1", "A=1"},
    {"floor", "user", "nobody", "nobody"},
    {"floor", "spares", "3", "3"},
    {"floor", "preload_timeout", "90", "90s"},
    {"floor", "fork_timeout", "500ms", "500ms"},
    {"floor", "max_private", "1024K", "1M"},
    {"floor", "description", "it's", "it's"},
};

static void
parse(const struct conf_key *key, const char *text, union any *section)
{
	struct err e = {0};

	memset(section, 0, sizeof(*section));
	if (key->in_floor) {
		section->worker.conf.as_floor =
		    calloc(1, sizeof(struct floor_conf));
		ck_assert_ptr_nonnull(section->worker.conf.as_floor);
	}
	ck_assert_msg(
	    value_parse(key, &expansion, text, section, &e) == 0, "%s", e.text);
}

static void
release(const struct conf_key *key, union any *section)
{
	if (strcmp(key->section, "fleet") != 0) {
		worker_conf_release(&section->worker.conf);
		words_free(section->worker.environment);
		free(section->worker.env_file.path);
		return;
	}
	free(section->fleet.name);
	free(section->fleet.runtime_dir);
	free(section->fleet.control_group);
	words_free(section->fleet.include);
	free(section->fleet.user);
	words_free(section->fleet.environment);
	free(section->fleet.log.path);
}

START_TEST(a_value_is_written_as_it_would_be_read)
{
	const struct conf_key *key =
	    conf_key_find(values[_i].section, values[_i].key);
	struct buf first = {0}, second = {0};
	union any a, b;

	ck_assert_ptr_nonnull(key);
	parse(key, values[_i].text, &a);
	ck_assert_int_eq(value_format(key, &a, 0, &first), 1);
	ck_assert_str_eq(first.data, values[_i].formatted);
	parse(key, first.data, &b);
	ck_assert_int_eq(value_format(key, &b, 0, &second), 1);
	ck_assert_str_eq(first.data, second.data);
	/* Where there is no pointer, the bytes are the same too. */
	if (key->in_floor && !value_owns_memory(key->type))
		ck_assert_mem_eq(a.worker.conf.as_floor, b.worker.conf.as_floor,
		    sizeof(struct floor_conf));
	else if (!value_owns_memory(key->type))
		ck_assert_mem_eq(&a, &b, sizeof(a));
	buf_release(&first);
	buf_release(&second);
	release(key, &a);
	release(key, &b);
}
END_TEST

static int
is_tested(enum value_type type)
{
	int i;

	for (i = 0; i < NELEM(values); i++)
		if (conf_key_find(values[i].section, values[i].key)->type ==
		    type)
			return 1;
	return 0;
}

START_TEST(every_type_is_tested)
{
	int type;

	for (type = 0; type < TYPE_COUNT; type++)
		ck_assert_msg(
		    is_tested(type), "%s (%d)", value_type_name(type), type);
}
END_TEST

/* Else a fingerprint would change with a version that merely has a new key. */
START_TEST(a_default_is_written_as_in_the_table)
{
	const struct conf_key *key;
	struct buf b = {0};
	union any a;
	size_t i;

	for (i = 0; (key = conf_key_at(i)) != NULL; i++) {
		if (key->later || key->live || key->def == NULL ||
		    strcmp(key->section, "fleet") == 0)
			continue;
		parse(key, key->def, &a);
		b.len = 0;
		ck_assert_int_eq(value_format(key, &a, 0, &b), 1);
		ck_assert_str_eq(b.data, key->def);
		release(key, &a);
	}
	buf_release(&b);
}
END_TEST

START_TEST(what_is_not_set_has_no_value)
{
	static const char *const keys[] = {"user", "stop_command", "nice",
	    "oom_score_adj", "limit_as", "limit_nofile", "env_file",
	    "description"};
	struct buf b = {0};
	union any a = {.bytes = {0}};
	int i;

	for (i = 0; i < NELEM(keys); i++)
		ck_assert_int_eq(
		    value_format(conf_key_find("worker", keys[i]), &a, 0, &b),
		    0);
	ck_assert_uint_eq(b.len, 0);
}
END_TEST

START_TEST(values_of_variables_are_masked)
{
	const struct conf_key *key = conf_key_find("worker", "environment");
	struct buf b = {0};
	union any a;

	parse(key, "A=1 B= C=x=y \"D=e f\"", &a);
	ck_assert_int_eq(value_format(key, &a, 1, &b), 1);
	ck_assert_str_eq(b.data, "A=*** B=*** C=*** D=***");
	buf_release(&b);
	release(key, &a);
}
END_TEST

/* --- plan --- */

static struct fleet was, is;

static struct sources *
load_to(struct fleet *f, const char *text)
{
	char path[] = "/tmp/svd-plan-XXXXXX";
	struct sources *src = sources_new();
	struct diags d = {0};
	int fd = mkstemp(path);

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(write(fd, text, strlen(text)), (int)strlen(text));
	close(fd);
	ck_assert_msg(conf_load(f, path, src, &d) == 0, "%s",
	    d.n > 0 ? d.list[0].text : "?");
	diags_release(&d);
	unlink(path);
	return src;
}

static void
plan_of(const char *before, const char *after, struct plan *p)
{
	const struct worker_conf *list[32];
	size_t i;

	sources_free(load_to(&was, before));
	sources_free(load_to(&is, after));
	for (i = 0; i < was.nworkers; i++)
		list[i] = &was.workers[i];
	ck_assert_int_eq(
	    plan_make(p, list, was.nworkers, is.workers, is.nworkers), 0);
}

/* "name kind key key, name ..." */
static int
add_key(const struct conf_key *key, const char *before, const char *after,
    void *arg)
{
	char *out = arg;

	(void)before;
	(void)after;
	sprintf(out + strlen(out), " %s", key->name);
	return 0;
}

#define FLOOR "[floor:f]\nruntime=python\n"
#define ON_FLOOR "[worker:w]\nfloor=f\nentry=a:b\n"

static const struct {
	const char *before, *after, *plan;
} plans[] = {
    {"[worker:a]\ncommand=x\n", "[worker:a]\ncommand = 'x'\numask=022\n",
	"a =,"},
    {"[worker:a]\ncommand=x\n", "[worker:a]\ncommand=x y\n", "a ! command,"},
    {"[worker:a]\ncommand=x\n",
	"[worker:a]\ncommand=x\nstop_timeout=1\ndescription=d\n",
	"a ~ description stop_timeout,"},
    {"[worker:a]\ncommand=x\n",
	"[worker:a]\ncommand=x\nstop_timeout=1\nnice=0\n",
	"a ! stop_timeout nice,"},
    {"[worker:a]\ncommand=x\n[worker:b]\ncommand=x\n",
	"[worker:c]\ncommand=x\n[worker:a]\ncommand=x\n", "c +,a =,b -,"},
    {"[worker:a]\ncommand=x %n\nnumprocs=3\n",
	"[worker:a]\ncommand=x %n\nnumprocs=2\n", "a:0 =,a:1 =,a:2 -,"},
    {"[worker:a]\ncommand=x %n %N\n",
	"[worker:a]\ncommand=x %n %N\nnumprocs=2\n", "a:0 =,a:1 +,"},
    {"[fleet]\nenvironment=A=1\n[worker:a]\ncommand=x\n",
	"[fleet]\nenvironment=A=2\n[worker:a]\ncommand=x\n",
	"a ! environment,"},
    {"[fleet]\nenvironment=A=1\n[worker:a]\ncommand=x\n",
	"[worker:a]\ncommand=x\nenvironment=A=1\n", "a =,"},
    {"[worker:a]\ncommand=x\nnice=0\n", "[worker:a]\ncommand=x\n", "a ! nice,"},
    {"[worker:a]\ncommand=x\nlimit_core=1\n",
	"[worker:a]\ncommand=x\nlimit_core=1:2\n", "a ! limit_core,"},
    {"[worker:a]\ncommand=x\n[worker:a.b]\ncommand=x\n",
	"[worker:a.b]\ncommand=x\n[worker:a]\ncommand=x\n", "a.b =,a =,"},
    /* A floor is its two slots; a worker does not change with it. */
    {FLOOR "preload=a b\nspares=0\n" ON_FLOOR, FLOOR "preload='a' b\n" ON_FLOOR,
	"floor:f =,floor:f =,w =,"},
    {FLOOR "preload=a\n" ON_FLOOR, FLOOR "preload=b\nspares=1\n" ON_FLOOR,
	"floor:f ! preload spares,floor:f ! preload spares,w =,"},
    {FLOOR,
	FLOOR "spares=1\npreload_timeout=1\nfork_timeout=1\n"
	      "max_private=1M\ndescription=x\n",
	"floor:f ~ spares preload_timeout fork_timeout max_private "
	"description,floor:f ~ spares preload_timeout fork_timeout "
	"max_private description,"},
    {FLOOR, FLOOR "init=a:b\npath=/a\npython=x\nenvironment=A=1\n",
	"floor:f ! python path init environment,"
	"floor:f ! python path init environment,"},
    {FLOOR, "[floor:f]\nruntime=native\n",
	"floor:f ! runtime,floor:f ! runtime,"},
    {"[fleet]\nenvironment=A=1\n" FLOOR, FLOOR "environment=A=1\n",
	"floor:f =,floor:f =,"},
    {FLOOR, "", "floor:f -,floor:f -,"},
    {"", FLOOR, "floor:f +,floor:f +,"},
    {FLOOR ON_FLOOR, FLOOR ON_FLOOR "args=x\n",
	"floor:f =,floor:f =,"
	"w ! args,"},
    {FLOOR ON_FLOOR, FLOOR "[worker:w]\nfloor=f\nentry=b:c\n",
	"floor:f =,floor:f =,w ! entry,"},
    {FLOOR ON_FLOOR, FLOOR "[worker:w]\ncommand=x\n",
	"floor:f =,floor:f =,w ! command floor entry,"},
    /* A worker may be called as a floor is. */
    {FLOOR "[worker:f]\nfloor=f\nentry=a:b\nnumprocs=2\n",
	FLOOR "[worker:f]\nfloor=f\nentry=a:b\n",
	"floor:f =,floor:f =,f =,f:1 -,"},
};

START_TEST(a_plan_says_what_becomes_of_each)
{
	static const char signs[] = {[PLAN_SAME] = '=',
	    [PLAN_LIVE] = '~',
	    [PLAN_RESTART] = '!',
	    [PLAN_ADD] = '+',
	    [PLAN_REMOVE] = '-'};
	char text[512] = "";
	struct plan p;
	size_t i;

	plan_of(plans[_i].before, plans[_i].after, &p);
	for (i = 0; i < p.n; i++) {
		const struct plan_step *s = &p.steps[i];
		uint64_t a, b;

		sprintf(text + strlen(text), "%s %c",
		    s->is != NULL ? s->is->name : s->was->name, signs[s->kind]);
		if (s->is != NULL && s->was != NULL) {
			ck_assert_int_eq(
			    plan_changes(s->was, s->is, 0, add_key, text), 0);
			/* The fingerprint is of what needs a restart. */
			ck_assert_int_eq(plan_fingerprint(s->was, &a), 0);
			ck_assert_int_eq(plan_fingerprint(s->is, &b), 0);
			ck_assert_int_eq(a != b, s->kind == PLAN_RESTART);
			ck_assert_uint_eq(s->was->print, a);
			ck_assert_uint_eq(s->is->print, b);
		}
		strcat(text, ",");
	}
	ck_assert_str_eq(text, plans[_i].plan);
	plan_release(&p);
	fleet_release(&was);
	fleet_release(&is);
}
END_TEST

/* Written down, so that it is noticed when it changes: every worker of every
 * fleet would then be restarted by an upgrade and a reload. */
START_TEST(a_fingerprint_stays)
{
	uint64_t print;

	sources_free(
	    load_to(&was, "[worker:a]\ncommand=/bin/x 'a b'\nenvironment=A=1\n"
			  "limit_nofile=10\nstop_timeout=3\n"));
	ck_assert_int_eq(plan_fingerprint(&was.workers[0], &print), 0);
	ck_assert_msg(print == UINT64_C(0xdf3e4649e7fd4a74), "%llx",
	    (unsigned long long)print);
	fleet_release(&was);
}
END_TEST

static int
note_masked(const struct conf_key *key, const char *before, const char *after,
    void *arg)
{
	int *n = arg;

	ck_assert_str_eq(key->name, "environment");
	ck_assert_str_eq(before, "A=***");
	ck_assert_str_eq(after, "A=***");
	++*n;
	return 0;
}

START_TEST(a_masked_change_is_a_change)
{
	struct plan p;
	int n = 0;

	plan_of("[worker:a]\ncommand=x\nenvironment=A=1\n",
	    "[worker:a]\ncommand=x\nenvironment=A=2\n", &p);
	ck_assert_int_eq(
	    plan_changes(p.steps[0].was, p.steps[0].is, 1, note_masked, &n), 0);
	ck_assert_int_eq(n, 1);
	plan_release(&p);
	fleet_release(&was);
	fleet_release(&is);
}
END_TEST

START_TEST(a_fleet_has_changes_too)
{
	char text[256] = "";

	sources_free(load_to(&was, "[fleet]\nname=a\n[worker:a]\ncommand=x\n"));
	sources_free(
	    load_to(&is, "[fleet]\nname=b\non_empty=exit\nlog_format=json\n"
			 "user=0\n[worker:a]\ncommand=x\n"));
	ck_assert_int_eq(plan_fleet_changes(&was, &is, add_key, text), 0);
	ck_assert_str_eq(text, " name on_empty log_format");
	fleet_release(&was);
	fleet_release(&is);
}
END_TEST

/* --- scale --- */

/* An override is loaded with the rest, over a snapshot too. */
START_TEST(a_scale_is_part_of_the_sources)
{
	static const char text[] = "[worker:a]\ncommand=x\nnumprocs=5\n"
				   "[worker:b]\ncommand=x\n";
	struct sources *src = load_to(&was, text), *again;
	int fd = memfd_create("t", MFD_CLOEXEC);
	struct diags d = {0};
	struct err e;

	ck_assert_int_eq(sources_scaled(src, "a"), 0);
	ck_assert_int_eq(sources_scale(src, "a", 2), 0);
	ck_assert_int_eq(sources_scale(src, "a", 10), 0);
	ck_assert_int_eq(sources_scale(src, "b", 3), 0);
	ck_assert_int_eq(sources_save(src, fd, &e), 0);
	again = sources_load(fd, &e);
	ck_assert_ptr_nonnull(again);
	ck_assert_int_eq(sources_scaled(again, "a"), 10);
	ck_assert_int_eq(sources_scaled(again, "b"), 3);
	ck_assert_int_eq(sources_scaled(again, "c"), 0);
	ck_assert_int_eq(conf_load(&is, was.files[0], again, &d), 0);
	ck_assert_uint_eq(is.nworkers, 13);
	ck_assert_str_eq(is.workers[9].name, "a:9");
	ck_assert_int_eq(is.workers[9].numprocs, 10);
	/* As many as there may be, and not one more. */
	fleet_release(&is);
	ck_assert_int_eq(sources_scale(again, "b", FLEET_WORKERS_MAX - 9), 0);
	ck_assert_int_eq(conf_load(&is, was.files[0], again, &d), -1);
	ck_assert_ptr_nonnull(strstr(d.list[0].text, "at most"));
	diags_release(&d);
	sources_free(src);
	sources_free(again);
	fleet_release(&was);
	close(fd);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("plan");
	TCase *t = tcase_create("plan");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, set_up, NULL);
	tcase_add_loop_test(
	    t, a_value_is_written_as_it_would_be_read, 0, NELEM(values));
	tcase_add_test(t, every_type_is_tested);
	tcase_add_test(t, a_default_is_written_as_in_the_table);
	tcase_add_test(t, what_is_not_set_has_no_value);
	tcase_add_test(t, values_of_variables_are_masked);
	tcase_add_loop_test(
	    t, a_plan_says_what_becomes_of_each, 0, NELEM(plans));
	tcase_add_test(t, a_fingerprint_stays);
	tcase_add_test(t, a_masked_change_is_a_change);
	tcase_add_test(t, a_fleet_has_changes_too);
	tcase_add_test(t, a_scale_is_part_of_the_sources);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
