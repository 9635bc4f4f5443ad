/* conf: from fleet files to a fleet, and every way in which they are wrong. */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "conf/check.h"
#include "conf/conf.h"
#include "conf/keys.h"
#include "conf/source.h"
#include "conf/value.h"

#define NELEM(a) ((int)(sizeof(a) / sizeof((a)[0])))

static struct sources *sources;
static struct diags diags;
static struct fleet fleet;
static char *messages; /* of the last load, a line each, without the folder */

static void
setup(void)
{
	char dir[] = "/tmp/svd-conf-XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_int_eq(setenv("SET", "a b", 1), 0);
	ck_assert_int_eq(setenv("COUNT", "3", 1), 0);
	ck_assert_int_eq(unsetenv("UNSET"), 0);
	sources = sources_new();
}

static void
forget(void)
{
	fleet_release(&fleet);
	diags_release(&diags);
	free(messages);
	messages = NULL;
}

static void
teardown(void)
{
	char dir[64], command[128];

	forget();
	sources_free(sources);
	ck_assert_ptr_nonnull(getcwd(dir, sizeof(dir)));
	ck_assert_int_eq(chdir("/"), 0);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	ck_assert_int_eq(system(command), 0);
}

static void
write_bytes(const char *name, const char *data, size_t len)
{
	FILE *f = fopen(name, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(data, 1, len, f), len);
	ck_assert_int_eq(fclose(f), 0);
}

static void
write_file(const char *name, const char *text)
{
	write_bytes(name, text, strlen(text));
}

static void
join_messages(void)
{
	struct buf b = {0};
	size_t i;

	ck_assert_int_eq(buf_adds(&b, ""), 0);
	for (i = 0; i < diags.n; i++)
		ck_assert_int_eq(buf_addf(&b, "%s\n", diags.list[i].text), 0);
	free(messages);
	messages = b.data;
}

/* Loads "f.ini" as it is on disk. */
static int
load_file(void)
{
	int rc;

	forget();
	rc = conf_load(&fleet, "f.ini", sources, &diags);
	join_messages();
	ck_assert_int_eq(rc == -1, diags.nerrors > 0);
	return rc;
}

static int
load(const char *text)
{
	write_file("f.ini", text);
	sources_free(sources);
	sources = sources_new();
	return load_file();
}

/* [worker:web], with a command, and these keys. */
static const struct worker_conf *
worker(const char *keys)
{
	char text[4096];

	snprintf(text, sizeof(text),
	    "[worker:web]\ncommand = /bin/sleep 1\n%s\n", keys);
	ck_assert_msg(load(text) == 0, "%s", messages);
	ck_assert_uint_ge(fleet.nworkers, 1);
	return &fleet.workers[0];
}

/* The message for one wrong key, which is on line 3. */
static void
refuse(const char *key, const char *message)
{
	char text[4096], want[4096];

	snprintf(text, sizeof(text),
	    "[worker:web]\ncommand = /bin/sleep 1\n%s\n", key);
	ck_assert_msg(load(text) == -1, "'%s' was taken", key);
	snprintf(want, sizeof(want), "f.ini:3: %s\n", message);
	ck_assert_str_eq(messages, want);
}

static void
check_words(char *const *words, ...)
{
	const char *want;
	va_list ap;
	int i;

	ck_assert_ptr_nonnull(words);
	va_start(ap, words);
	for (i = 0; (want = va_arg(ap, const char *)) != NULL; i++) {
		ck_assert_ptr_nonnull(words[i]);
		ck_assert_str_eq(words[i], want);
	}
	va_end(ap);
	ck_assert_ptr_null(words[i]);
}

START_TEST(defaults)
{
	const struct worker_conf *w = worker("");
	int i;

	ck_assert_str_eq(fleet.name, "f");
	ck_assert_ptr_null(fleet.runtime_dir);
	ck_assert_int_eq(fleet.on_empty, ON_EMPTY_WAIT);
	ck_assert_int_eq(fleet.supervisor_watchdog, 0);
	ck_assert_str_eq(w->name, "web");
	ck_assert_str_eq(w->group_name, "web");
	ck_assert_str_eq(w->file, "f.ini");
	ck_assert_int_eq(w->line, 1);
	ck_assert_int_eq(w->instance, 0);
	ck_assert_int_eq(w->numprocs, 1);
	check_words(w->argv, "/bin/sleep", "1", NULL);
	check_words(w->environment, NULL);
	ck_assert_int_eq(w->autostart, 1);
	ck_assert_int_eq(w->type, WORKER_DAEMON);
	ck_assert_ptr_null(w->user);
	ck_assert_ptr_null(w->group);
	ck_assert_ptr_null(w->description);
	ck_assert_str_eq(w->directory, "/");
	ck_assert_uint_eq(w->umask, 022);
	ck_assert_int_eq(w->std_in.kind, STREAM_NULL);
	ck_assert_int_eq(w->std_out.kind, STREAM_LOG);
	ck_assert_int_eq(w->std_err.kind, STREAM_STDOUT);
	ck_assert_int_eq(w->restart, RESTART_ALWAYS);
	ck_assert_int_eq(w->backoff_delay, 1000);
	ck_assert_double_eq(w->backoff_factor, 2);
	ck_assert_int_eq(w->backoff_limit, 30000);
	ck_assert_double_eq(w->backoff_jitter, 0);
	ck_assert_int_eq(w->backoff_reset, 10000);
	ck_assert_int_eq(w->restart_limit, 0);
	ck_assert_int_eq(w->restart_interval, 60000);
	ck_assert(exit_set_has_code(&w->success, 0));
	ck_assert(!exit_set_has_code(&w->success, 1));
	ck_assert(!exit_set_has_code(&w->permanent, 0));
	ck_assert_int_eq(w->essential, 0);
	ck_assert_int_eq(w->max_age, 0);
	ck_assert_uint_eq(w->max_memory, 0);
	ck_assert_int_eq(w->stop_signal, SIGTERM);
	ck_assert_int_eq(w->stop_timeout, 15000);
	ck_assert_ptr_null(w->stop_command);
	ck_assert_int_eq(w->kill_mode, KILL_MODE_TREE);
	ck_assert_int_eq(w->watchdog, 0);
	ck_assert_int_eq(w->watchdog_signal, SIGABRT);
	ck_assert_int_eq(w->watchdog_mode, WATCHDOG_KILL);
	for (i = 0; i < LIMIT_COUNT; i++)
		ck_assert_int_eq(w->limits[i].set, 0);
	ck_assert_int_eq(w->nice_set, 0);
	ck_assert_int_eq(w->oom_score_adj_set, 0);
}
END_TEST

START_TEST(process_keys)
{
	const struct worker_conf *w;
	char keys[512], user[16], group[16];

	/* Somebody else would need root. */
	snprintf(user, sizeof(user), "%u", (unsigned int)geteuid());
	snprintf(group, sizeof(group), "%u", (unsigned int)getegid());
	snprintf(keys, sizeof(keys),
	    "user = %s\ngroup = %s\n"
	    "autostart = no\n"
	    "type = oneshot\n"
	    "directory = /tmp\n"
	    "umask = 077\n"
	    "stdin = file:/dev/zero\n"
	    "stdout = file:/tmp/%%N.log\n"
	    "stderr = null\n"
	    "log_tail = 0\nlog_size = 10M\nlog_keep = 0\n"
	    "description = it's %%N, \"x\"; y\n"
	    "nice = -5\n"
	    "oom_score_adj = 500\n",
	    user, group);
	w = worker(keys);

	ck_assert_int_eq(w->autostart, 0);
	ck_assert_int_eq(w->type, WORKER_ONESHOT);
	ck_assert_int_eq(w->restart, RESTART_NO);
	ck_assert_str_eq(w->user, user);
	ck_assert_str_eq(w->group, group);
	ck_assert_str_eq(w->directory, "/tmp");
	ck_assert_uint_eq(w->umask, 077);
	ck_assert_int_eq(w->std_in.kind, STREAM_FILE);
	ck_assert_str_eq(w->std_in.path, "/dev/zero");
	ck_assert_int_eq(w->std_out.kind, STREAM_FILE);
	ck_assert_str_eq(w->std_out.path, "/tmp/web.log");
	ck_assert_int_eq(w->std_err.kind, STREAM_NULL);
	ck_assert_uint_eq(w->log_tail, 0);
	ck_assert_uint_eq(w->log_size, 10 << 20);
	ck_assert_int_eq(w->log_keep, 0);
	ck_assert_ptr_eq(worker_output(w, OUTPUT_OUT), &w->std_out);
	ck_assert_ptr_eq(worker_output(w, OUTPUT_ERR), NULL);
	ck_assert_str_eq(w->description, "it's web, \"x\"; y");
	ck_assert_int_eq(w->nice, -5);
	ck_assert_int_eq(w->nice_set, 1);
	ck_assert_int_eq(w->oom_score_adj, 500);
	ck_assert_int_eq(w->oom_score_adj_set, 1);
}
END_TEST

START_TEST(restart_keys)
{
	const struct worker_conf *w =
	    worker("restart = on-failure\n"
		   "backoff_delay = 0\n"
		   "backoff_factor = 1.5\n"
		   "backoff_limit = 1min\n"
		   "backoff_jitter = 0.25\n"
		   "backoff_reset = 5s\n"
		   "restart_limit = 5\n"
		   "restart_interval = 500ms\n"
		   "success_exit_status = 0 3-5 TERM\n"
		   "permanent_exit_status = 78\n"
		   "essential = yes\n"
		   "max_age = 1d\n"
		   "max_memory = 100M\n");

	ck_assert_int_eq(w->restart, RESTART_ON_FAILURE);
	ck_assert_int_eq(w->backoff_delay, 0);
	ck_assert_double_eq(w->backoff_factor, 1.5);
	ck_assert_int_eq(w->backoff_limit, 60000);
	ck_assert_double_eq(w->backoff_jitter, 0.25);
	ck_assert_int_eq(w->backoff_reset, 5000);
	ck_assert_int_eq(w->restart_limit, 5);
	ck_assert_int_eq(w->restart_interval, 500);
	ck_assert(exit_set_has_code(&w->success, 4));
	ck_assert(exit_set_has_signal(&w->success, SIGTERM));
	ck_assert(exit_set_has_code(&w->permanent, 78));
	ck_assert_int_eq(w->essential, 1);
	ck_assert_int_eq(w->max_age, 86400000);
	ck_assert_uint_eq(w->max_memory, 100 << 20);
}
END_TEST

START_TEST(watchdog_keys)
{
	const struct worker_conf *w = worker("watchdog = 10ms\n"
					     "watchdog_signal = QUIT\n"
					     "watchdog_mode = warn\n");

	ck_assert_int_eq(w->watchdog, 10);
	ck_assert_int_eq(w->watchdog_signal, SIGQUIT);
	ck_assert_int_eq(w->watchdog_mode, WATCHDOG_WARN);
}
END_TEST

START_TEST(stop_and_limit_keys)
{
	const struct worker_conf *w = worker("stop_signal = USR1\n"
					     "stop_timeout = 0\n"
					     "stop_command = /bin/stop '%N'\n"
					     "kill_mode = process\n"
					     "limit_nofile = 100:200\n"
					     "limit_nproc = unlimited\n"
					     "limit_core = 0:infinity\n"
					     "limit_as = 1G\n"
					     "limit_memlock = 64K\n");

	ck_assert_int_eq(w->stop_signal, SIGUSR1);
	ck_assert_int_eq(w->stop_timeout, 0);
	check_words(w->stop_command, "/bin/stop", "web", NULL);
	ck_assert_int_eq(w->kill_mode, KILL_MODE_PROCESS);
	ck_assert_int_eq(w->limits[LIMIT_NOFILE].set, 1);
	ck_assert_uint_eq(w->limits[LIMIT_NOFILE].soft, 100);
	ck_assert_uint_eq(w->limits[LIMIT_NOFILE].hard, 200);
	ck_assert_uint_eq(w->limits[LIMIT_NPROC].soft, LIMIT_INFINITY);
	ck_assert_uint_eq(w->limits[LIMIT_CORE].soft, 0);
	ck_assert_uint_eq(w->limits[LIMIT_CORE].hard, LIMIT_INFINITY);
	ck_assert_uint_eq(w->limits[LIMIT_AS].soft, 1 << 30);
	ck_assert_uint_eq(w->limits[LIMIT_MEMLOCK].hard, 65536);
}
END_TEST

START_TEST(instances)
{
	const struct worker_conf *w;

	ck_assert_int_eq(load("[fleet]\n"
			      "name = shop\n"
			      "[worker:web]\n"
			      "command = x %n %N %F %% ${SET} '%n'\n"
			      "numprocs = ${COUNT}\n"
			      "directory = /srv/%n\n"
			      "environment = PORT=80%n N=\"%N %F\"\n"
			      "[worker:one]\n"
			      "command = y\n"),
	    0);
	ck_assert_uint_eq(fleet.nworkers, 4);
	w = &fleet.workers[2];
	ck_assert_str_eq(w->name, "web:2");
	ck_assert_str_eq(w->group_name, "web");
	ck_assert_int_eq(w->instance, 2);
	ck_assert_int_eq(w->numprocs, 3);
	check_words(w->argv, "x", "2", "web", "shop", "%", "a b", "2", NULL);
	ck_assert_str_eq(w->directory, "/srv/2");
	check_words(w->environment, "N=web shop", "PORT=802", NULL);
	ck_assert_str_eq(fleet.workers[3].name, "one");
}
END_TEST

START_TEST(fleet_keys)
{
	char text[512], user[16];

	snprintf(user, sizeof(user), "%u", (unsigned int)geteuid());
	snprintf(text, sizeof(text),
	    "[worker:a]\ncommand = x\n"
	    "[fleet]\n"
	    "name = shop\n"
	    "runtime_dir = /tmp/${COUNT}\n"
	    "user = %s\n"
	    "on_empty = exit\n"
	    "supervisor_watchdog = 30s\n"
	    "environment = A=50%% B=%%%%\n"
	    "[worker:b]\ncommand = x\nuser = 0%s\n",
	    user, user);
	ck_assert_msg(load(text) == 0, "%s", messages);
	ck_assert_str_eq(fleet.name, "shop");
	ck_assert_str_eq(fleet.runtime_dir, "/tmp/3");
	ck_assert_int_eq(fleet.on_empty, ON_EMPTY_EXIT);
	ck_assert_int_eq(fleet.supervisor_watchdog, 30000);
	ck_assert_str_eq(fleet.workers[0].user, user);
	ck_assert_str_eq(fleet.workers[1].user + 1, user);
	check_words(fleet.workers[0].environment, "A=50%", "B=%", NULL);
}
END_TEST

START_TEST(fleet_name_from_file)
{
	static const char *const names[][2] = {{"./a.b.ini", "a.b"},
	    {"plain", "plain"}, {"-x.ini", "fleet"}, {".ini", "fleet"},
	    {"all.ini", "fleet"},
	    {"n23456789012345678901234567890123456789012345.ini", "fleet"}};
	int i;

	for (i = 0; i < NELEM(names); i++) {
		forget();
		write_file(names[i][0], "");
		ck_assert_int_eq(
		    conf_load(&fleet, names[i][0], sources, &diags), 0);
		ck_assert_str_eq(fleet.name, names[i][1]);
		ck_assert_uint_eq(fleet.nworkers, 0);
	}
}
END_TEST

START_TEST(environment_merged)
{
	char keys[256], dir[64];
	const struct worker_conf *w;

	ck_assert_ptr_nonnull(getcwd(dir, sizeof(dir)));
	write_file("env",
	    "# comment\n; too\n\nexport A=file\n"
	    "  B = in the middle  \nC=\"q \\\" \\\\ ' %n ${X}\"\r\n"
	    "D='a\\b \"'\nE=\nE=last\nF=x#y");
	snprintf(keys, sizeof(keys),
	    "env_file = %s/env\n"
	    "environment = Z=1 B=worker 'S=x y' E=\n"
	    "[fleet]\nenvironment = A=fleet Y=fleet\n",
	    dir);
	w = worker(keys);
	check_words(w->environment, "A=file", "B=worker", "C=q \" \\ ' %n ${X}",
	    "D=a\\b \"", "E=", "F=x#y", "S=x y", "Y=fleet", "Z=1", NULL);
}
END_TEST

START_TEST(environment_file_errors)
{
	static const char file[] = "A=1\nnonsense\nB=\"x\nC='x' y\n"
				   "SVD_X=1\n1=2\nD=x\\\nE=\0\n";
	char text[1024], dir[64], want[2048];

	ck_assert_ptr_nonnull(getcwd(dir, sizeof(dir)));
	write_bytes("env", file, sizeof(file) - 1);
	snprintf(text, sizeof(text),
	    "[worker:a]\nnumprocs = 3\ncommand = x\nenv_file = %s/env\n"
	    "[worker:b]\ncommand = x\nenv_file = -%s/env\n"
	    "[worker:c]\ncommand = x\nenv_file = %s/none\n"
	    "[worker:d]\ncommand = x\nenv_file = -%s/none\n"
	    "[worker:e]\ncommand = x\nenv_file = -%s\n",
	    dir, dir, dir, dir, dir);
	ck_assert_int_eq(load(text), -1);
	snprintf(want, sizeof(want),
	    "f.ini:10: env_file: cannot read '%s/none': No such file or "
	    "directory\n"
	    "f.ini:16: env_file: cannot read '%s': it is a directory\n"
	    "%s/env:2: 'nonsense' is not NAME=VALUE\n"
	    "%s/env:3: no closing \"\n"
	    "%s/env:4: text after the closing '\n"
	    "%s/env:5: SVD_X: names in SVD_ are svd's own\n"
	    "%s/env:6: '1' is not a variable's name\n"
	    "%s/env:7: backslash at the end of the line: a value ends with "
	    "its line\n"
	    "%s/env:8: NUL byte, this is no text\n",
	    dir, dir, dir, dir, dir, dir, dir, dir, dir);
	ck_assert_str_eq(messages, want);
}
END_TEST

static const struct {
	const char *key, *message;
} refused[] = {
    {"comand = x",
	"unknown key 'comand' in [worker:web], did you mean 'command'?"},
    {"numproc = 1",
	"unknown key 'numproc' in [worker:web], did you mean 'numprocs'?"},
    {"umaks = 1", "unknown key 'umaks' in [worker:web], did you mean 'umask'?"},
    {"colour = x", "unknown key 'colour' in [worker:web]"},
    {"redy = x", "unknown key 'redy' in [worker:web], did you mean 'ready'?"},
    {"Command = x",
	"unknown key 'Command' in [worker:web], did you mean 'command'?"},
    {"command = y",
	"duplicate key 'command' in [worker:web], first at f.ini:2"},
    {"memory_max = 1G", "'memory_max' is not supported by this version"},
    {"ready = fd\ntype = oneshot",
	"ready: a oneshot is ready once it has ended with success, and knows "
	"only exec"},
    {"ready = soon", "ready: 'soon' is not exec, notify, fd, tcp:HOST:PORT, "
		     "unix:PATH, http:URL or command:CMD"},
    {"start_timeout = 366d", "start_timeout: '366d' is not within 0s to 365d"},
    {"stdin = pipe\ntty = yes",
	"stdin: with tty = yes the terminal is standard input"},
    {"stdin = file:/dev/null\ntty = yes",
	"stdin: with tty = yes the terminal is standard input"},
    {"stderr = log\ntty = yes",
	"stderr: with tty = yes the terminal is standard error, and stdout "
	"says where its output goes"},
    {"stdout = null\ntty = yes",
	"stdout: with tty = yes the terminal's output is captured: log, "
	"file:PATH, syslog or journal, not null"},
    {"stdout = inherit\ntty = yes",
	"stdout: with tty = yes the terminal's output is captured: log, "
	"file:PATH, syslog or journal, not inherit"},
    {"stdin = log", "stdin: 'log' is not null, pipe or file:PATH"},
    {"log_tail = 65M", "log_tail: '65M' is more than 67108864 bytes"},
    {"log_size = big",
	"log_size: 'big' is not a size, such as 4096, 64K, 10M or "
	"1G"},
    {"log_keep = 1001", "log_keep: '1001' is not within 0 to 1000"},
    {"stdin = inherit", "stdin: 'inherit' is not null, pipe or file:PATH"},
    {"stdout = stdout",
	"stdout: 'stdout' is not log, inherit, null, file:PATH, syslog or "
	"journal"},
    {"stderr = stderr",
	"stderr: 'stderr' is not log, stdout, inherit, null, file:PATH, "
	"syslog or journal"},
    {"stdout = file:x", "stdout: 'x' is not an absolute path"},
    {"stdout =", "stdout: '' is not log, inherit, null, file:PATH, syslog or "
		 "journal"},
    {"type = daemno", "type: 'daemno' is not daemon or oneshot"},
    {"restart = default", "restart: 'default' is not always, on-failure or no"},
    {"restart = always\ntype = oneshot",
	"restart: a oneshot cannot be restarted always, use on-failure or "
	"no"},
    {"numprocs = 0", "numprocs: '0' is not within 1 to 10000"},
    {"numprocs = 10001", "numprocs: '10001' is not within 1 to 10000"},
    {"autostart = maybe", "autostart: 'maybe' is neither yes nor no"},
    {"directory = tmp", "directory: 'tmp' is not an absolute path"},
    {"directory =", "directory: '' is not an absolute path"},
    {"env_file = -x", "env_file: 'x' is not an absolute path"},
    {"umask = 8", "umask: '8' is not an octal number, such as 022"},
    {"umask = 1000", "umask: '1000' is not within 0 to 0777"},
    {"user =", "user: '' is neither a name nor a number"},
    {"user = a:b", "user: 'a:b' is neither a name nor a number"},
    {"user = 4294967295", "user: '4294967295' is not within 0 to 4294967294"},
    {"backoff_delay = -1s",
	"backoff_delay: '-1s' is not a duration, such as 500ms, 2s, 1min, "
	"1h or 1d"},
    {"backoff_delay = 366d", "backoff_delay: '366d' is not within 0s to 365d"},
    {"backoff_factor = 0.5", "backoff_factor: '0.5' is not within 1 to 100"},
    {"backoff_jitter = 1.1", "backoff_jitter: '1.1' is not within 0 to 1"},
    {"backoff_reset = 0", "backoff_reset: '0' is not within 100ms to 365d"},
    {"restart_limit = 1001", "restart_limit: '1001' is not within 0 to 1000"},
    {"restart_interval = 0", "restart_interval: '0' is not within 1ms to 365d"},
    {"success_exit_status = 256",
	"success_exit_status: '256' is neither an exit status (0 to 255, "
	"or FROM-TO) nor the name of a signal"},
    {"max_memory = 1.5G",
	"max_memory: '1.5G' is not a size, such as 4096, 64K, 10M or 1G"},
    {"stop_signal = FOO",
	"stop_signal: 'FOO' is not a signal, such as TERM, SIGUSR1 or "
	"RTMIN+3"},
    {"kill_mode = all", "kill_mode: 'all' is not tree, group or process"},
    {"watchdog = 9ms", "watchdog: 0, for none, or at least 10ms"},
    {"watchdog = 25h", "watchdog: '25h' is not within 0s to 1d"},
    {"watchdog_mode = stop", "watchdog_mode: 'stop' is not kill or warn"},
    {"nice = 20", "nice: '20' is not within -20 to 19"},
    {"oom_score_adj = -1001",
	"oom_score_adj: '-1001' is not within -1000 to 1000"},
    {"limit_nofile = 20:10",
	"limit_nofile: '20:10': the soft limit is above the hard one"},
    {"limit_nofile = unlimited:5",
	"limit_nofile: 'unlimited:5': the soft limit is above the hard "
	"one"},
    {"limit_nofile = 1K", "limit_nofile: '1K' is not a whole number"},
    {"limit_core = 1:2:3",
	"limit_core: '2:3' is not a size, such as 4096, 64K, 10M or 1G"},
    {"environment = FOO", "environment: 'FOO' is not NAME=VALUE"},
    {"environment = 1A=x", "environment: '1A' is not a variable's name"},
    {"environment = A=1 SVD_X=1",
	"environment: SVD_X: names in SVD_ are svd's own"},
    {"environment = LISTEN_FDS=1",
	"environment: LISTEN_FDS is set by svd itself"},
    {"environment = A='x", "environment: no closing '"},
    {"stop_command =", "stop_command: no program is named"},
    {"stop_command = ''", "stop_command: no program is named"},
    {"stop_command = ./x",
	"stop_command: './x' is neither an absolute path nor a name to be "
	"found in PATH"},
    {"description = ${UNSET}",
	"description: environment variable 'UNSET' is not set"},
    {"description = 100%",
	"description: unknown '%': %n (instance), %N (worker), %F (fleet) "
	"and %% are known"},
};

START_TEST(key_refused)
{
	refuse(refused[_i].key, refused[_i].message);
}
END_TEST

static const struct {
	const char *text, *messages;
} wrong[] = {
    {"[worker:web]\n",
	"f.ini:1: [worker:web] has neither 'command' nor 'floor'\n"},
    {"[worker:web]\ncommand =\n", "f.ini:2: command: no program is named\n"},
    {"[worker:web]\ncommand = ${SET:-\n", "f.ini:2: command: no '}' after "
					  "'${'\n"},
    {"[workr:web]\n", "f.ini:1: unknown section [workr:web], did you mean "
		      "[worker:web]?\n"},
    {"[flet]\n", "f.ini:1: unknown section [flet], did you mean [fleet]?\n"},
    {"[program:web]\ncommand = x\n",
	"f.ini:1: unknown section [program:web]\n"},
    {"[]\n", "f.ini:1: unknown section []\n"},
    {"[worker]\n", "f.ini:1: [worker] needs a name: [worker:NAME]\n"},
    {"[fleet:x]\n", "f.ini:1: [fleet:x]: [fleet] takes no name\n"},
    {"[worker:all]\n", "f.ini:1: [worker:all]: the name 'all' is reserved\n"},
    {"[worker:a:b]\n",
	"f.ini:1: [worker:a:b]: 'a:b' is not a name: a letter or digit, "
	"then letters, digits and '_', '.', '-'\n"},
    {"[worker:-a]\n",
	"f.ini:1: [worker:-a]: '-a' is not a name: a letter or digit, "
	"then letters, digits and '_', '.', '-'\n"},
    {"[worker:]\n",
	"f.ini:1: [worker:]: '' is not a name: a letter or digit, then "
	"letters, digits and '_', '.', '-'\n"},
    {"[worker:w1234567890123456789012345678901234567890]\n",
	"f.ini:1: [worker:w1234567890123456789012345678901234567890]: "
	"'w1234567890123456789012345678901234567890' of 41 bytes, at most "
	"40 are allowed\n"},
    {"[socket:s]\nlisten = tcp:80\n",
	"f.ini:1: [socket:s] is not supported by this version\n"},
    {"[worker:a]\ncommand=x\n[worker:a]\ncommand=y\nnonsens = 1\n",
	"f.ini:3: duplicate section [worker:a], first at f.ini:1\n"
	"f.ini:5: unknown key 'nonsens' in [worker:a]\n"},
    {"[fleet]\n[fleet]\n",
	"f.ini:2: duplicate section [fleet], first at f.ini:1\n"},
    {"[fleet]\nname = all\n", "f.ini:2: name: the name 'all' is reserved\n"},
    {"[fleet]\nlog = inherit\nlog_format = xml\n",
	"f.ini:2: log: 'inherit' is not stderr, file:PATH, syslog or "
	"journal\n"
	"f.ini:3: log_format: 'xml' is not text, json or logfmt\n"},
    /* Who shares a file shares its rotation; svd's own log is nobody's. */
    {"[worker:a]\ncommand=x\nstdout = file:/l\nlog_size = 1M\n"
     "[worker:b]\ncommand=x\nstderr = file:/l\n"
     "[worker:c]\ncommand=x\nlog_size = 1M\nlog_keep = 2\n"
     "stdout = file:/l\n"
     "[worker:d]\ncommand=x\nlog_size = 1K\nstdout = file:/k\n",
	"f.ini:7: log_size: not the same for '/l' as in [worker:a] "
	"(f.ini:4)\n"
	"f.ini:10: log_size: not the same for '/l' as in [worker:b] "
	"(f.ini:7)\n"},
    {"[worker:a]\ncommand=x\nstdout = file:/l\n"
     "[worker:c]\ncommand=x\nstdout = null\nstderr = file:/l\n"
     "log_keep = 2\n",
	"f.ini:8: log_keep: not the same for '/l' as in [worker:a] "
	"(f.ini:3)\n"},
    {"[fleet]\nlog = file:/l\n[worker:a]\ncommand=x\n"
     "stderr = file:/l\n",
	"f.ini:5: stderr: '/l' is svd's own log, use stderr = log\n"},
    {"[fleet]\nruntime_dir = x\non_empty = stay\ninclude = none.ini\n",
	"f.ini:2: runtime_dir: 'x' is not an absolute path\n"
	"f.ini:3: on_empty: 'stay' is not wait or exit\n"
	"f.ini:4: include: cannot read 'none.ini': No such file or "
	"directory\n"},
    {"[worker:a]\nnumprocs = 9999\ncommand = x\nstdout = "
     "null\n[worker:b]\nnumprocs = 2\n"
     "command = y\n",
	"f.ini:5: [worker:b] brings the fleet to 10001 instances, at most "
	"10000 are allowed\n"},
    /* One instance's error is reported once, others' all the same. */
    {"[worker:a]\nnumprocs = 500\ncommand = x %x\nnice = 99\n"
     "[worker:b]\nnice = 98\nfoo bar\n",
	"f.ini:3: command: unknown '%x': %n (instance), %N (worker), %F "
	"(fleet) and %% are known\n"
	"f.ini:4: nice: '99' is not within -20 to 19\n"
	"f.ini:5: [worker:b] has neither 'command' nor 'floor'\n"
	"f.ini:6: nice: '98' is not within -20 to 19\n"
	"f.ini:7: no '=' in 'foo bar': neither a section, a key nor a "
	"comment\n"},
    /* Only the second instance is wrong. */
    {"[worker:a]\nnumprocs = 3\ncommand = x\nnice = 1%n0\n",
	"f.ini:4: nice: '100' is not within -20 to 19\n"},
    /* Floors: keys and their runtimes. */
    {"[floor:f]\n", "f.ini:1: [floor:f] has no 'runtime'\n"},
    {"[floor:f]\nruntime = ruby\n",
	"f.ini:2: runtime: 'ruby' is not native, python or command\n"},
    {"[floor:f]\nruntime = command\n",
	"f.ini:2: [floor:f] has no 'command', which runtime = command "
	"needs\n"},
    {"[floor:f]\npreload = a\npython = x\npath = /a\ninit = i\n"
     "runtime = command\n",
	"f.ini:2: preload: is for runtime = native or python, this floor has "
	"runtime = command\n"
	"f.ini:3: python: is for runtime = python, this floor has runtime = "
	"command\n"
	"f.ini:4: path: is for runtime = python, this floor has runtime = "
	"command\n"
	"f.ini:5: init: is for runtime = native or python, this floor has "
	"runtime = command\n"
	"f.ini:6: [floor:f] has no 'command', which runtime = command "
	"needs\n"},
    {"[floor:f]\nruntime = native\ncommand = x\npython = python3\n",
	"f.ini:3: command: is for runtime = command, this floor has runtime = "
	"native\n"
	"f.ini:4: python: is for runtime = python, this floor has runtime = "
	"native\n"},
    {"[floor:f]\nruntime = python\ncommand = x\n",
	"f.ini:3: command: is for runtime = command, this floor has runtime = "
	"python\n"},
    {"[floor:f]\nruntime = python\npython = ./python3\npath = /a b\n"
     "spares = 1001\npreload_timeout = 0\nfork_timeout = 366d\n"
     "max_private = 1.5G\nenvironment = SVD_X=1\nuser = a:b\n",
	"f.ini:3: python: './python3' is neither an absolute path nor a name "
	"to be found in PATH\n"
	"f.ini:4: path: 'b' is not an absolute path\n"
	"f.ini:5: spares: '1001' is not within 0 to 1000\n"
	"f.ini:6: preload_timeout: '0' is not within 1ms to 365d\n"
	"f.ini:7: fork_timeout: '366d' is not within 1ms to 365d\n"
	"f.ini:8: max_private: '1.5G' is not a size, such as 4096, 64K, 10M or "
	"1G\n"
	"f.ini:9: environment: SVD_X: names in SVD_ are svd's own\n"
	"f.ini:10: user: 'a:b' is neither a name nor a number\n"},
    {"[floor:f]\nruntime = python\npython =\npreload = 'a\n",
	"f.ini:3: python: no program is named\n"
	"f.ini:4: preload: no closing '\n"},
    {"[floor:f]\nruntime = python\nenv_file = /x\nnumprocs = 2\n"
     "stdout = null\npreloads = x\n",
	"f.ini:3: unknown key 'env_file' in [floor:f]\n"
	"f.ini:4: unknown key 'numprocs' in [floor:f]\n"
	"f.ini:5: unknown key 'stdout' in [floor:f]\n"
	"f.ini:6: unknown key 'preloads' in [floor:f], did you mean "
	"'preload'?\n"},
    {"[floor:f]\nruntime = python\npreload = %N%n\n",
	"f.ini:3: preload: '%n' is of workers only: a floor has no "
	"instances\n"},
    {"[floor:f]\nruntime = native\ndescription = 100%\n",
	"f.ini:3: description: unknown '%': %n (instance), %N (worker), %F "
	"(fleet) and %% are known\n"},
    {"[floor]\n[floor:all]\n[flor:x]\n",
	"f.ini:1: [floor] needs a name: [floor:NAME]\n"
	"f.ini:2: [floor:all]: the name 'all' is reserved\n"
	"f.ini:3: unknown section [flor:x], did you mean [floor:x]?\n"},
    {"[floor:f]\nruntime = native\n[floor:f]\nruntime = native\n",
	"f.ini:3: duplicate section [floor:f], first at f.ini:1\n"},
    /* Workers that stand on them. */
    {"[floor:f]\nruntime = python\n[worker:w]\nfloor = f\ncommand = x\n",
	"f.ini:4: floor: [worker:w] has a 'command' too, it can have only one "
	"of them\n"},
    {"[floor:f]\nruntime = python\n[worker:w]\nfloor = f\n",
	"f.ini:4: floor: [worker:w] has no 'entry', which says what it calls "
	"there\n"},
    {"[worker:w]\nentry = a:b\n",
	"f.ini:2: entry: is for workers with a 'floor'\n"},
    {"[worker:w]\ncommand = x\nentry = a:b\nargs = x\n",
	"f.ini:3: entry: is for workers with a 'floor'\n"
	"f.ini:4: args: is for workers with a 'floor'\n"},
    {"[worker:w]\nfloor = a b\nentry = a:b\n",
	"f.ini:2: floor: 'a b' is not a name: a letter or digit, then letters, "
	"digits and '_', '.', '-'\n"},
    {"[worker:w]\nnumprocs = 3\nfloor = f\nentry = a:b\n",
	"f.ini:3: floor: there is no [floor:f]\n"},
    {"[worker:w]\nfloor = shop-ap\nentry = a:b\n"
     "[floor:web]\nruntime = python\n[floor:shop-app]\nruntime = python\n",
	"f.ini:2: floor: there is no [floor:shop-ap], did you mean "
	"'shop-app'?\n"},
    /* What is wrong with the floor is said of that alone. */
    {"[worker:w]\nfloor = f\nentry = nonsense\n"
     "[floor:f]\nruntime = python\nspares = x\n",
	"f.ini:6: spares: 'x' is not a whole number\n"},
    /* One instance's entry is wrong, and is told of once. */
    {"[worker:w]\nfloor = f\nentry = a:b%n-\nnumprocs = 3\n"
     "[floor:f]\nruntime = python\n",
	"f.ini:3: entry: 'a:b0-' is not a python function, "
	"package.module:function\n"},
    {"[floor:0]\nruntime = python\n"
     "[worker:floor]\nfloor = 0\nentry = a:b\n",
	"f.ini:1: [floor:0] is called as an instance of [worker:floor] is "
	"(f.ini:3): one of them needs another name\n"},
    {"[worker:a]\nnumprocs = 9999\ncommand = x\nstdout = null\n"
     "[floor:f]\nruntime = python\n",
	"f.ini:5: [floor:f] brings the fleet to 10001 instances, at most "
	"10000 are allowed\n"},
};

START_TEST(file_refused)
{
	ck_assert_int_eq(load(wrong[_i].text), -1);
	ck_assert_str_eq(messages, wrong[_i].messages);
}
END_TEST

START_TEST(a_floor)
{
	const struct worker_conf *w;
	const struct floor_conf *f;
	char id[WORKER_ID_SIZE], text[1024];
	int i;

	snprintf(text, sizeof(text),
	    "[fleet]\nname = shop\nenvironment = A=1 B=2\nuser = %u\n"
	    "[worker:app]\nfloor = app\nentry = %%N.web:C.main%%n\n"
	    "args = --n %%n ''\nenvironment = C=3\n"
	    "[floor:app]\nruntime = python\npython = /v/bin/python\n"
	    "preload = numpy my-mod %%N\npath = /srv/%%F /b\n"
	    "init = app.start:go\nenvironment = B=4\nspares = 2\n"
	    "preload_timeout = 2min\nfork_timeout = 500ms\n"
	    "max_private = 1M\ndescription = x\n",
	    (unsigned int)geteuid());
	ck_assert_msg(load(text) == 0, "%s", messages);
	ck_assert_uint_eq(fleet.nworkers, 3);
	w = &fleet.workers[0];
	ck_assert_str_eq(w->name, "app");
	ck_assert_ptr_null(w->argv);
	ck_assert_ptr_null(w->as_floor);
	ck_assert_str_eq(w->floor, "app");
	ck_assert_str_eq(w->entry, "app.web:C.main0");
	check_words(w->args, "--n", "0", "", NULL);
	check_words(w->environment, "A=1", "B=2", "C=3", NULL);
	for (i = 0; i < FLOOR_SLOTS; i++) {
		w = &fleet.workers[1 + i];
		ck_assert_str_eq(w->name, "floor:app");
		ck_assert_str_eq(w->group_name, "@app");
		ck_assert_int_eq(w->instance, i);
		ck_assert_int_eq(w->numprocs, FLOOR_SLOTS);
		worker_conf_id(w, id);
		ck_assert_str_eq(id, i == 0 ? "@app:0" : "@app:1");
		ck_assert_int_eq(w->line, 10);
		ck_assert_ptr_null(w->argv);
		ck_assert_ptr_null(w->floor);
		ck_assert_ptr_null(w->args);
		ck_assert_str_eq(w->user, fleet.workers[0].user);
		ck_assert_str_eq(w->description, "x");
		ck_assert_str_eq(w->directory, "/");
		ck_assert_int_eq(w->std_in.kind, STREAM_NULL);
		ck_assert_int_eq(w->std_out.kind, STREAM_LOG);
		ck_assert_int_eq(w->std_err.kind, STREAM_STDOUT);
		ck_assert_int_eq(w->type, WORKER_DAEMON);
		ck_assert_int_eq(w->restart, RESTART_ALWAYS);
		ck_assert_int_eq(w->autostart, 1);
		ck_assert_int_eq(w->stop_signal, SIGTERM);
		ck_assert_int_eq(w->stop_timeout, 5000);
		ck_assert_int_eq(w->backoff_delay, 1000);
		ck_assert_int_eq(w->kill_mode, KILL_MODE_TREE);
		check_words(w->environment, "A=1", "B=4", NULL);
		f = w->as_floor;
		ck_assert_int_eq(f->runtime, FLOOR_PYTHON);
		ck_assert_str_eq(f->python, "/v/bin/python");
		check_words(f->preload, "numpy", "my-mod", "app", NULL);
		check_words(f->path, "/srv/shop", "/b", NULL);
		ck_assert_str_eq(f->init, "app.start:go");
		ck_assert_int_eq(f->spares, 2);
		ck_assert_int_eq(f->preload_timeout, 120000);
		ck_assert_int_eq(f->fork_timeout, 500);
		ck_assert_uint_eq(f->max_private, 1 << 20);
	}
	ck_assert_ptr_ne(fleet.workers[1].as_floor, fleet.workers[2].as_floor);
	ck_assert_uint_eq(fleet.workers[1].print, fleet.workers[2].print);
}
END_TEST

START_TEST(floors_of_each_runtime)
{
	const struct floor_conf *f;

	ck_assert_msg(load("[floor:c]\nruntime = command\n"
			   "command = ruby /x.rb %N\n"
			   "[floor:n]\nruntime = native\n"
			   "[floor:p]\nruntime = python\n") == 0,
	    "%s", messages);
	ck_assert_uint_eq(fleet.nworkers, 6);
	check_words(fleet.workers[1].argv, "ruby", "/x.rb", "c", NULL);
	ck_assert_int_eq(fleet.workers[3].as_floor->runtime, FLOOR_NATIVE);
	f = fleet.workers[5].as_floor;
	ck_assert_int_eq(f->runtime, FLOOR_PYTHON);
	ck_assert_ptr_null(f->python);
	ck_assert_ptr_null(f->preload);
	ck_assert_ptr_null(f->path);
	ck_assert_ptr_null(f->init);
	ck_assert_int_eq(f->spares, 0);
	ck_assert_int_eq(f->preload_timeout, 60000);
	ck_assert_int_eq(f->fork_timeout, 10000);
	ck_assert_uint_eq(f->max_private, 0);
}
END_TEST

#define NO_FUNCTION " is not a python function, package.module:function"
#define NO_MODULE " is not the name of a module, such as package.module"
#define NO_NATIVE \
	" is not a native function, /path/lib.so:symbol or lib.so:symbol"
#define NO_FILE " is neither an absolute path nor the name of a library"

/* A key of a floor of that runtime, or the entry of a worker on it; message
 * NULL: it is right. */
static const struct {
	const char *runtime, *key, *value, *message;
} texts[] = {
    {"python", "entry", "m:f", NULL},
    {"python", "entry", "a.b-c.2to3:Class.method_1", NULL},
    {"python", "entry", "m\303\266d:f\303\274r", NULL},
    {"python", "entry", "", "''" NO_FUNCTION},
    {"python", "entry", "m", "'m'" NO_FUNCTION},
    {"python", "entry", "m:", "'m:'" NO_FUNCTION},
    {"python", "entry", ":f", "':f'" NO_FUNCTION},
    {"python", "entry", "a..b:f", "'a..b:f'" NO_FUNCTION},
    {"python", "entry", ".a:f", "'.a:f'" NO_FUNCTION},
    {"python", "entry", "a.:f", "'a.:f'" NO_FUNCTION},
    {"python", "entry", "a:f()", "'a:f()'" NO_FUNCTION},
    {"python", "entry", "a:f:g", "'a:f:g'" NO_FUNCTION},
    {"python", "entry", "a:f-g", "'a:f-g'" NO_FUNCTION},
    {"python", "entry", "/a/b.py:f", "'/a/b.py:f'" NO_FUNCTION},
    {"python", "init", "m:f", NULL},
    {"python", "init", "f", "'f'" NO_FUNCTION},
    {"python", "preload", "a a.b a-b", NULL},
    {"python", "preload", "", NULL},
    {"python", "preload", "a ''", "''" NO_MODULE},
    {"python", "preload", "a /x/b.py", "'/x/b.py'" NO_MODULE},
    {"python", "preload", "a,b", "'a,b'" NO_MODULE},
    {"python", "preload", ".a", "'.a'" NO_MODULE},
    {"native", "entry", "/x/lib.so:main", NULL},
    {"native", "entry", "libx.so.1:_ZN1x1yEv", NULL},
    {"native", "entry", "/a:b/lib.so:m", NULL},
    {"native", "entry", "./lib.so:m", "'./lib.so:m'" NO_NATIVE},
    {"native", "entry", "lib.so:", "'lib.so:'" NO_NATIVE},
    {"native", "entry", ":m", "':m'" NO_NATIVE},
    {"native", "entry", "/x/lib.so", "'/x/lib.so'" NO_NATIVE},
    {"native", "entry", "lib.so:a b", "'lib.so:a b'" NO_NATIVE},
    {"native", "init", "go_$1", NULL},
    {"native", "init", "lib:go", "'lib:go' is not the name of a symbol"},
    {"native", "init", "", "'' is not the name of a symbol"},
    {"native", "preload", "libx.so /x/y.so '/a b.dat'", NULL},
    {"native", "preload", "x/y.so", "'x/y.so'" NO_FILE},
    {"native", "preload", "''", "''" NO_FILE},
    {"command", "entry", "any thing :/ at all", NULL},
    {"command", "entry", "", "nothing is named"},
};

START_TEST(what_a_runtime_takes)
{
	int entry = strcmp(texts[_i].key, "entry") == 0;
	const char *message = texts[_i].message;
	char text[1024], want[1024] = "";

	snprintf(text, sizeof(text), "[floor:f]\nruntime = %s\n%s\n%s%s = %s\n",
	    texts[_i].runtime, *texts[_i].runtime == 'c' ? "command = x" : "",
	    entry ? "[worker:w]\nfloor = f\n" : "", texts[_i].key,
	    texts[_i].value);
	ck_assert_msg(
	    (load(text) == 0) == (message == NULL), "%s%s", text, messages);
	if (message != NULL)
		snprintf(want, sizeof(want), "f.ini:%d: %s: %s\n",
		    entry ? 6 : 4, texts[_i].key, message);
	ck_assert_str_eq(messages, want);
}
END_TEST

#define ONLY_ROOT ": only a floor with user = root can have workers of other "

/* A worker has its floor's user, unless that is root and says so. */
static const struct {
	const char *fleet, *floor, *worker, *message;
} users[] = {
    {"", "", "", ""},
    {"", "", "user = root", ""},
    {"", "user = root", "", ""},
    {"", "user = root", "user = nobody", ""},
    {"", "user = 0", "user = nobody\ngroup = daemon", ""},
    {"user = root", "", "user = nobody", ""},
    {"user = nobody", "", "", ""},
    {"user = nobody", "", "user = 65534", ""},
    {"", "user = nobody", "user = nobody", ""},
    {"", "user = nobody", "user = nobody\ngroup = nogroup", ""},
    {"", "user = nobody", "user = nobody\ngroup = 65534", ""},
    {"", "user = gone-by", "user = gone-by", ""},
    {"", "", "user = nobody",
	"f.ini:9: user: [floor:f] runs as svd does" ONLY_ROOT "users\n"},
    {"", "", "group = daemon",
	"f.ini:9: group: [floor:f] runs as another" ONLY_ROOT "groups\n"},
    {"", "user = nobody", "",
	"f.ini:6: user: [floor:f] runs as nobody" ONLY_ROOT "users\n"},
    {"", "user = nobody", "user = root",
	"f.ini:9: user: [floor:f] runs as nobody" ONLY_ROOT "users\n"},
    {"", "user = nobody", "user = nobody\ngroup = root",
	"f.ini:10: group: [floor:f] runs as another" ONLY_ROOT "groups\n"},
    {"user = nobody", "user = daemon", "",
	"f.ini:6: user: [floor:f] runs as daemon" ONLY_ROOT "users\n"},
    {"", "user = gone-by", "user = not-there",
	"f.ini:9: user: [floor:f] runs as gone-by" ONLY_ROOT "users\n"},
};

START_TEST(users_of_a_floor)
{
	int rc = *users[_i].message == '\0' ? 0 : -1;
	char text[1024];

	if (geteuid() != 0)
		return;
	snprintf(text, sizeof(text),
	    "[fleet]\n%s\n[floor:f]\nruntime = native\n%s\n"
	    "[worker:w]\nfloor = f\nentry = l:m\n%s\n",
	    users[_i].fleet, users[_i].floor, users[_i].worker);
	ck_assert_msg(load(text) == rc, "%s%s", text, messages);
	ck_assert_str_eq(messages, users[_i].message);
}
END_TEST

/* It asks no user data base, which may say something else by now. */
START_TEST(a_successor_does_not_ask_whose_floor_it_is)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	struct err e;

	if (geteuid() == 0) {
		ck_assert_int_eq(load("[floor:f]\nruntime = native\n"
				      "[worker:w]\nfloor = f\nentry = l:m\n"
				      "user = nobody\n"),
		    -1);
		ck_assert_int_eq(sources_save(sources, fd, &e), 0);
		sources_free(sources);
		sources = sources_load(fd, &e);
		ck_assert_ptr_nonnull(sources);
		ck_assert_int_eq(load_file(), 0);
	}
	close(fd);
}
END_TEST

/* In whatever order, and file, they stand. */
START_TEST(floors_elsewhere)
{
	write_file("w.inc", "[worker:w]\nfloor = f\nentry = a:b\n"
			    "[worker:v]\nfloor = g\nentry = a:b\n");
	write_file("f.inc", "[floor:f]\nruntime = python\n");
	ck_assert_int_eq(load("[fleet]\ninclude = w.inc f.inc\n"), -1);
	ck_assert_str_eq(messages,
	    "w.inc:5: floor: there is no [floor:g], did you mean 'f'?\n");
	ck_assert_int_eq(load("[fleet]\ninclude = w.inc f.inc\n"
			      "[floor:g]\nruntime = python\n"),
	    0);
	ck_assert_uint_eq(fleet.nworkers, 6);
}
END_TEST

START_TEST(many_floors_are_fast)
{
	struct timespec from, to;
	struct buf b = {0};
	int i;

	for (i = 0; i < 3300; i++)
		ck_assert_int_eq(
		    buf_addf(&b,
			"[worker:w%d]\nfloor = f%d\n"
			"entry = a:b\nstdout = null\n"
			"[floor:f%d]\nruntime = python\nuser = nobody\n",
			i, 3299 - i, i),
		    0);
	clock_gettime(CLOCK_MONOTONIC, &from);
	ck_assert_int_eq(load(b.data), -1); /* nobody's floors, not ours */
	clock_gettime(CLOCK_MONOTONIC, &to);
	buf_release(&b);
	ck_assert_uint_ge(diags.nerrors, 3300);
	ck_assert_int_lt(to.tv_sec - from.tv_sec, 10);
}
END_TEST

/* Those of lines, of which each spare has one: per slot; and of outputs. */
START_TEST(floors_need_descriptors)
{
	struct rlimit limit;
	struct buf b = {0};
	char want[256];
	rlim_t i, n, need;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	n = limit.rlim_max / 2000 + 1;
	if (n > FLEET_WORKERS_MAX / FLOOR_SLOTS)
		return; /* no fleet needs so many */
	for (i = 0; i < n; i++)
		ck_assert_int_eq(
		    buf_addf(&b,
			"[floor:f%llu]\nruntime = python\nspares = 1000\n",
			(unsigned long long)i),
		    0);
	ck_assert_int_eq(load(b.data), -1);
	need = n * FLOOR_SLOTS * (2 + 2 + 1000) + 100;
	snprintf(want, sizeof(want),
	    "f.ini: the streams and floors of this fleet need %llu "
	    "descriptors, the hard limit is %llu\n",
	    (unsigned long long)need, (unsigned long long)limit.rlim_max);
	ck_assert_str_eq(messages, want);
	/* And each worker on a floor, with a socket to notify. */
	ck_assert_int_eq(buf_adds(&b, "[worker:w]\nfloor = f0\nentry = a:b\n"
				      "numprocs = 7\nstdout = null\n"),
	    0);
	ck_assert_int_eq(load(b.data), -1);
	snprintf(want, sizeof(want), "%llu", (unsigned long long)need + 14);
	ck_assert_ptr_nonnull(strstr(messages, want));
	buf_release(&b);
}
END_TEST

START_TEST(unreadable)
{
	ck_assert_int_eq(mkdir("f.ini", 0700), 0);
	ck_assert_int_eq(load_file(), -1);
	ck_assert_str_eq(
	    messages, "f.ini: cannot read 'f.ini': it is a directory\n");
	ck_assert_int_eq(rmdir("f.ini"), 0);
	sources_free(sources);
	sources = sources_new();
	ck_assert_int_eq(load_file(), -1);
	ck_assert_str_eq(messages,
	    "f.ini: cannot read 'f.ini': No such file or directory\n");
	ck_assert_int_eq(mkfifo("f.ini", 0600), 0);
	sources_free(sources);
	sources = sources_new();
	ck_assert_int_eq(load_file(), -1);
	ck_assert_str_eq(messages,
	    "f.ini: cannot read 'f.ini': it is a FIFO, not a regular file\n");
}
END_TEST

START_TEST(included)
{
	ck_assert_int_eq(mkdir("d", 0700), 0);
	write_file("d/2.ini", "[worker:two]\ncommand = x\n");
	write_file("d/1.ini", "[worker:one]\ncommand = x\n");
	write_file("d/3.txt", "nonsense");
	write_file("a b.ini", "[worker:blank]\ncommand = x\n");
	/* The fleet file itself is matched, and one file twice. */
	ck_assert_int_eq(
	    load("[fleet]\ninclude = d/*.ini '${SET}.ini'\n  none/*.ini *.ini\n"
		 "[worker:main]\ncommand = x\n"),
	    0);
	ck_assert_uint_eq(fleet.nworkers, 4);
	ck_assert_str_eq(fleet.workers[0].name, "main");
	ck_assert_str_eq(fleet.workers[1].name, "one");
	ck_assert_str_eq(fleet.workers[1].file, "d/1.ini");
	ck_assert_int_eq(fleet.workers[1].line, 1);
	ck_assert_str_eq(fleet.workers[2].name, "two");
	ck_assert_str_eq(fleet.workers[3].name, "blank");
}
END_TEST

START_TEST(include_errors)
{
	write_file("1.inc", "[fleet]\nname = x\n[worker:a]\ncommnd = x\n");
	write_file("2.inc", "[worker:main]\ncommand = x\n[x\n");
	ck_assert_int_eq(load("[fleet]\ninclude = *.inc none /none\n"
			      "[worker:main]\nnice = x\n"),
	    -1);
	ck_assert_str_eq(messages,
	    "f.ini:2: include: cannot read 'none': No such file or "
	    "directory\n"
	    "f.ini:2: include: cannot read '/none': No such file or "
	    "directory\n"
	    "f.ini:3: [worker:main] has neither 'command' nor 'floor'\n"
	    "f.ini:4: nice: 'x' is not a whole number\n"
	    "1.inc:1: [fleet] may stand in the fleet file only, not in an "
	    "included one\n"
	    "1.inc:3: [worker:a] has neither 'command' nor 'floor'\n"
	    "1.inc:4: unknown key 'commnd' in [worker:a], did you mean "
	    "'command'?\n"
	    "2.inc:1: duplicate section [worker:main], first at f.ini:3\n"
	    "2.inc:3: no ']' after '[x'\n");
}
END_TEST

/* A successor sees the files as they were, whatever became of them. */
START_TEST(from_snapshot)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	char text[512], dir[64];
	struct err e;

	ck_assert_ptr_nonnull(getcwd(dir, sizeof(dir)));
	write_file("one.inc", "[worker:one]\ncommand = x\n");
	write_file("env", "A=then\n");
	snprintf(text, sizeof(text),
	    "[fleet]\ninclude = *.inc\n[worker:main]\ncommand = y\n"
	    "env_file = %s/env\n[worker:b]\ncommand = y\n"
	    "env_file = -%s/none\n",
	    dir, dir);
	ck_assert_int_eq(load(text), 0);
	ck_assert_int_eq(sources_save(sources, fd, &e), 0);
	sources_free(sources);
	sources = sources_load(fd, &e);
	ck_assert_ptr_nonnull(sources);
	close(fd);

	write_file("f.ini", "nonsense");
	write_file("two.inc", "nonsense");
	write_file("none", "nonsense");
	write_file("env", "A=now\n");
	ck_assert_int_eq(unlink("one.inc"), 0);
	ck_assert_int_eq(load_file(), 0);
	ck_assert_str_eq(messages, "");
	ck_assert_uint_eq(fleet.nworkers, 3);
	ck_assert_str_eq(fleet.workers[2].name, "one");
	check_words(fleet.workers[0].environment, "A=then", NULL);
}
END_TEST

/* A long command must not end as a key of its own. */
START_TEST(nothing_injected)
{
	char text[1024], pad[251];
	int n;

	for (n = 150; n <= 250; n++) {
		memset(pad, 'x', (size_t)n);
		pad[n] = '\0';
		snprintf(text, sizeof(text),
		    "[worker:a]\ncommand = /bin/%s user = root ; nice = 5\n",
		    pad);
		ck_assert_int_eq(load(text), 0);
		ck_assert_ptr_null(fleet.workers[0].user);
		ck_assert_str_eq(fleet.workers[0].argv[1], "user");
		ck_assert_str_eq(fleet.workers[0].argv[4], ";");
		ck_assert_str_eq(fleet.workers[0].argv[7], "5");
	}
}
END_TEST

START_TEST(many_workers_are_fast)
{
	struct timespec from, to;
	struct buf b = {0};
	int i;

	for (i = 0; i < 5000; i++)
		ck_assert_int_eq(buf_addf(&b,
				     "[worker:w%d]\ncommand = /bin/sleep %d\n"
				     "env_file = -/nonexistent/%d\n"
				     "stdout = null\n",
				     i, i, i),
		    0);
	ck_assert_int_eq(
	    buf_adds(&b,
		"[worker:n]\nnumprocs = 5000\ncommand = x %n\nstdout = null\n"),
	    0);
	clock_gettime(CLOCK_MONOTONIC, &from);
	ck_assert_int_eq(load(b.data), 0);
	clock_gettime(CLOCK_MONOTONIC, &to);
	buf_release(&b);
	ck_assert_uint_eq(fleet.nworkers, 10000);
	ck_assert_str_eq(fleet.workers[9999].name, "n:4999");
	/* A tenth of a second in truth; more than this is quadratic. */
	ck_assert_int_lt(to.tv_sec - from.tv_sec, 10);
}
END_TEST

START_TEST(memory_is_bounded)
{
	char *big = malloc(100001);

	memset(big, 'x', 100000);
	big[100000] = '\0';
	ck_assert_int_eq(setenv("BIG", big, 1), 0);
	free(big);
	ck_assert_int_eq(load("[worker:a]\nnumprocs = 10000\n"
			      "command = x ${BIG} %n\n"),
	    -1);
	ck_assert_str_eq(messages,
	    "f.ini:3: command: the fleet's values are too large together\n");
	ck_assert_int_eq(unsetenv("BIG"), 0);
}
END_TEST

START_TEST(machine_warnings)
{
	const char *head = "#!/nonexistent/sh\n";
	char text[1024], dir[64], want[2048];

	ck_assert_ptr_nonnull(getcwd(dir, sizeof(dir)));
	write_file("plain", "x");
	write_file("script", head);
	write_file("dos", "#!/bin/sh\r\n");
	ck_assert_int_eq(chmod("plain", 0644), 0);
	ck_assert_int_eq(chmod("script", 0755), 0);
	ck_assert_int_eq(chmod("dos", 0755), 0);
	snprintf(text, sizeof(text),
	    "[worker:ok]\ncommand = sh\n"
	    "[worker:a]\ncommand = nonexistent-command\nnumprocs = 3\n"
	    "[worker:b]\ncommand = /nonexistent\ndirectory = /nonexistent\n"
	    "[worker:c]\ncommand = %s/plain\nstdin = file:/nonexistent\n"
	    "[worker:d]\ncommand = %s/script\nstdout = file:/none/x\n"
	    "[worker:e]\ncommand = %s/dos\nstderr = file:/x\n"
	    "[worker:f]\ncommand = /\ndirectory = /dev/null\n"
	    "[worker:g]\ncommand = sh\nenvironment = PATH=/nonexistent\n",
	    dir, dir, dir);
	ck_assert_msg(load(text) == 0, "%s", messages);
	conf_check_machine(&fleet, &diags);
	join_messages();
	snprintf(want, sizeof(want),
	    "f.ini:3: warning: [worker:a] command 'nonexistent-command' is "
	    "not found in PATH\n"
	    "f.ini:6: warning: [worker:b] command '/nonexistent': No such "
	    "file or directory\n"
	    "f.ini:6: warning: [worker:b] directory '/nonexistent': No such "
	    "file or directory\n"
	    "f.ini:9: warning: [worker:c] command '%s/plain' is not "
	    "executable\n"
	    "f.ini:9: warning: [worker:c] stdin '/nonexistent': No such file "
	    "or directory\n"
	    "f.ini:12: warning: [worker:d] interpreter '/nonexistent/sh': No "
	    "such file or directory\n"
	    "f.ini:12: warning: [worker:d] stdout: directory '/none': No such "
	    "file or directory\n"
	    "f.ini:15: warning: [worker:e] the first line of '%s/dos' ends "
	    "with a carriage return\n"
	    "f.ini:18: warning: [worker:f] command '/' is a directory\n"
	    "f.ini:18: warning: [worker:f] directory '/dev/null' is not a "
	    "directory\n"
	    "f.ini:21: warning: [worker:g] command 'sh' is not found in "
	    "PATH\n",
	    dir, dir);
	ck_assert_str_eq(messages, want);
	ck_assert_uint_eq(diags.nerrors, 0);
}
END_TEST

START_TEST(machine_warnings_of_floors)
{
	ck_assert_msg(
	    load("[floor:a]\nruntime = python\npython = nonexistent-python\n"
		 "preload = a.b\npath = / /nonexistent/p\n"
		 "[floor:b]\nruntime = python\npython = /nonexistent/python\n"
		 "[floor:c]\nruntime = python\n"
		 "environment = PATH=/nonexistent\n"
		 "[floor:d]\nruntime = native\n"
		 "preload = libc.so.6 /nonexistent/x.so\n"
		 "[floor:e]\nruntime = command\ncommand = /nonexistent/x\n"
		 "[floor:f]\nruntime = native\npreload = libx.so\n"
		 "[worker:w]\nfloor = f\nentry = /nonexistent/l:m\n"
		 "[worker:v]\nfloor = f\nentry = libx.so:m\n"
		 "[worker:u]\nfloor = e\nentry = /nonexistent/l:m\n") == 0,
	    "%s", messages);
	conf_check_machine(&fleet, &diags);
	join_messages();
	ck_assert_str_eq(messages,
	    "f.ini:1: warning: [floor:a] python 'nonexistent-python' is not "
	    "found in PATH\n"
	    "f.ini:1: warning: [floor:a] path '/nonexistent/p': No such file "
	    "or directory\n"
	    "f.ini:6: warning: [floor:b] python '/nonexistent/python': No such "
	    "file or directory\n"
	    "f.ini:9: warning: [floor:c] python 'python3' is not found in "
	    "PATH\n"
	    "f.ini:12: warning: [floor:d] preload '/nonexistent/x.so': No such "
	    "file or directory\n"
	    "f.ini:15: warning: [floor:e] command '/nonexistent/x': No such "
	    "file or directory\n"
	    "f.ini:21: warning: [worker:w] entry '/nonexistent/l': No such "
	    "file or directory\n");
	ck_assert_uint_eq(diags.nerrors, 0);
}
END_TEST

START_TEST(unknown_user_is_a_warning)
{
	if (geteuid() != 0)
		return;
	worker("user = nobody-knows-me\ngroup = nor-me");
	conf_check_machine(&fleet, &diags);
	join_messages();
	ck_assert_str_eq(messages,
	    "f.ini:1: warning: [worker:web] user 'nobody-knows-me' is not "
	    "known here\n"
	    "f.ini:1: warning: [worker:web] group 'nor-me' is not known "
	    "here\n");
}
END_TEST

START_TEST(other_user_needs_root)
{
	struct worker_conf w = {0};
	struct err e;
	char own[16];

	if (geteuid() == 0)
		ck_assert_int_eq(seteuid(65534), 0);
	snprintf(own, sizeof(own), "%u", (unsigned int)geteuid());
	ck_assert_ptr_null(check_identity_of(&w, &e));
	w.user = own;
	ck_assert_ptr_null(check_identity_of(&w, &e));
	w.user = (char *)(uintptr_t) "nobody-knows-me";
	ck_assert_str_eq(check_identity_of(&w, &e), "user");
	w.user = (char *)(uintptr_t) "root";
	ck_assert_str_eq(check_identity_of(&w, &e), "user");
	ck_assert_str_eq(
	    e.text, "user: only root can run a worker as another user");
	w.user = NULL;
	w.group = (char *)(uintptr_t) "4242";
	ck_assert_str_eq(check_identity_of(&w, &e), "group");
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

/* The table itself: nothing twice, all of it explained, its defaults right. */
START_TEST(table_is_sound)
{
	const struct conf_key *key;
	struct err e;
	size_t i, budget = 1 << 20;
	struct expansion x = {"w", "f", 0, &budget};
	struct worker_section section;
	struct floor_conf floor;

	for (i = 0; (key = conf_key_at(i)) != NULL; i++) {
		ck_assert_ptr_eq(conf_key_find(key->section, key->name), key);
		ck_assert_ptr_nonnull(
		    conf_section_find(key->section, strlen(key->section)));
		if (key->later)
			continue;
		ck_assert_ptr_nonnull(key->help);
		ck_assert_int_gt(strlen(key->help), 0);
		ck_assert_ptr_nonnull(value_type_name(key->type));
		ck_assert_ptr_null(
		    conf_key_at(i)->def == NULL ? NULL : strchr(key->def, '$'));
		if (key->def == NULL || value_owns_memory(key->type))
			continue;
		memset(&section, 0, sizeof(section));
		section.conf.as_floor = &floor;
		ck_assert_msg(value_parse(key, &x, key->def, &section, &e) == 0,
		    "%s", e.text);
	}
	ck_assert_ptr_null(conf_key_at(i + 1000));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("conf");
	TCase *t = tcase_create("conf");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, defaults);
	tcase_add_test(t, process_keys);
	tcase_add_test(t, restart_keys);
	tcase_add_test(t, stop_and_limit_keys);
	tcase_add_test(t, watchdog_keys);
	tcase_add_test(t, instances);
	tcase_add_test(t, fleet_keys);
	tcase_add_test(t, fleet_name_from_file);
	tcase_add_test(t, environment_merged);
	tcase_add_test(t, environment_file_errors);
	tcase_add_loop_test(t, key_refused, 0, NELEM(refused));
	tcase_add_loop_test(t, file_refused, 0, NELEM(wrong));
	tcase_add_test(t, a_floor);
	tcase_add_test(t, floors_of_each_runtime);
	tcase_add_loop_test(t, what_a_runtime_takes, 0, NELEM(texts));
	tcase_add_loop_test(t, users_of_a_floor, 0, NELEM(users));
	tcase_add_test(t, a_successor_does_not_ask_whose_floor_it_is);
	tcase_add_test(t, floors_elsewhere);
	tcase_add_test(t, many_floors_are_fast);
	tcase_add_test(t, floors_need_descriptors);
	tcase_add_test(t, unreadable);
	tcase_add_test(t, included);
	tcase_add_test(t, include_errors);
	tcase_add_test(t, from_snapshot);
	tcase_add_test(t, nothing_injected);
	tcase_add_test(t, many_workers_are_fast);
	tcase_add_test(t, memory_is_bounded);
	tcase_add_test(t, machine_warnings);
	tcase_add_test(t, machine_warnings_of_floors);
	tcase_add_test(t, unknown_user_is_a_warning);
	tcase_add_test(t, other_user_needs_root);
	tcase_add_test(t, table_is_sound);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
