/*
 * control, verbs, outcome, view: the control protocol over real sockets and
 * the real loop, in front of a made-up supervisor whose workers change when
 * the test says so.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"
#include "ipc/varlink.h"
#include "supervisor/control.h"
#include "supervisor/events.h"
#include "supervisor/reload.h"
#include "supervisor/reattach.h"
#include "supervisor/supervisor.h"
#include "fake_channel.c"
#include "fake_readiness.c"
#include "fake_watchdog.c"

#define DEADLINE_MS 20000
#define CLIENTS_MAX 256 /* as control.c has it */
#define NOBODY 65534

/* --- the supervisor that is not there --------------------------------------
 */

enum {
	WEB0,
	WEB1,
	JOB, /* a oneshot */
	NWORKERS
};

static struct supervisor sup;
static struct worker workers[NWORKERS];
static struct worker_conf confs[NWORKERS];
static int stops, commands, signals_sent, kills;

int
supervisor_each_named(struct supervisor *s, const char *name,
    void (*fn)(struct worker *w, void *arg), void *arg)
{
	int i, n = 0;

	(void)s;
	for (i = 0; i < NWORKERS; i++) {
		const struct worker_conf *c = workers[i].conf;

		if (strcmp(name, "all") != 0 && strcmp(name, c->name) != 0 &&
		    strcmp(name, c->group_name) != 0)
			continue;
		fn(&workers[i], arg);
		n++;
	}
	return n;
}

int
supervisor_detach(struct supervisor *s, struct err *e)
{
	(void)s;
	return err_set(e, "not here");
}

json_t *
reattach_again(struct supervisor *s)
{
	(void)s;
	return NULL;
}

void
supervisor_stop(struct supervisor *s, int with_grace, int exit_code)
{
	ck_assert_int_eq(with_grace, 1);
	ck_assert_int_eq(exit_code, 0);
	s->stopping = 1;
	stops++;
}

static void
become(int i, enum worker_state state)
{
	struct worker_record *r = &workers[i].rec;
	enum worker_state from = r->state;

	if (state == WS_RUNNING || state == WS_STARTING)
		r->generation += r->pid == 0;
	if (state == WS_RUNNING && r->pid == 0)
		r->pid = 1000 + (int)r->generation;
	if (state != WS_RUNNING && state != WS_STOPPING)
		r->pid = 0;
	r->state = state;
	if (from != state)
		events_note(&sup, &workers[i], from);
	control_worker_changed(sup.control, &workers[i]);
}

/* As far as a command goes by itself; the rest is the test's. */
void
worker_command(struct worker *w, enum worker_event ev)
{
	int i = (int)(w - workers), up = w->rec.pid != 0;

	commands++;
	w->rec.want_up = ev != EV_STOP;
	if (ev == EV_START && !up)
		become(i, WS_STARTING);
	if (ev == EV_STOP)
		become(i, up ? WS_STOPPING : WS_STOPPED);
	if (ev == EV_RESTART)
		become(i, up ? WS_STOPPING : WS_STARTING);
}

int
worker_signal(struct worker *w, int sig, struct err *e)
{
	if (w->rec.pid == 0)
		return err_set(e, "it has no process");
	ck_assert_int_eq(sig, SIGUSR1);
	signals_sent++;
	return 0;
}

int
worker_kill(struct worker *w, struct err *e)
{
	(void)e;
	ck_assert_int_ne(w->rec.pid, 0);
	kills++;
	return 0;
}

int
worker_as_wanted(const struct worker *w)
{
	return w->rec.state == (w->rec.want_up ? WS_RUNNING : WS_STOPPED) ||
	       w->rec.state == WS_EXITED;
}

int
worker_in_set_up(const struct worker *w)
{
	return w->rec.state == WS_STARTING && !w->rec.started;
}

int
worker_alive(const struct worker *w)
{
	return w->rec.pid != 0;
}

int
worker_ready(const struct worker *w)
{
	return w->rec.state == WS_RUNNING;
}

void
worker_ref(struct worker *w)
{
	w->refs++;
}

void
worker_unref(struct worker *w)
{
	ck_assert_int_gt(w->refs--, 0);
}

/* One floor here, that can only be renewed. */
static struct floor the_floor = {.name = "f"};
static struct worker slots[FLOOR_SLOTS];
static struct worker_conf slot_conf;
static struct floor_conf floor_conf;

struct floor *
floor_find(struct supervisor *s, const char *name)
{
	(void)s;
	return strcmp(name, the_floor.name) == 0 ? &the_floor : NULL;
}

struct floor *
floor_of(const struct worker *w)
{
	return w->conf->floor == NULL ? NULL : &the_floor;
}

struct worker *
floor_newest(const struct floor *f)
{
	return f->slots[0];
}

struct worker *
floor_serving(const struct floor *f)
{
	return f->slots[0]->rec.state == WS_RUNNING ? f->slots[0] : NULL;
}

struct floor_socket *
floor_socket_of(const struct worker *slot)
{
	(void)slot;
	return NULL;
}

const char *
floor_failure(const struct floor *f)
{
	return f->slots[0]->rec.state == WS_BACKOFF ? f->slots[0]->error : NULL;
}

struct worker *
floor_renew(struct floor *f)
{
	f->halted[0] = '\0';
	f->slots[0]->rec.generation++;
	f->slots[0]->rec.rolls = 1;
	f->slots[0]->rec.want_up = 1;
	return f->slots[0];
}

int
floor_outdated(const struct floor *f)
{
	(void)f;
	return 0;
}

int
worker_outdated(const struct worker *w)
{
	(void)w;
	return 0;
}

/* A reload here never gets further than to what is wrong. */
int
reload_load(struct reload *r, struct supervisor *s, struct sources *src)
{
	*r = (struct reload){.sup = s, .fd = -1};
	ck_assert_ptr_nonnull(src);
	diags_add(&r->diags, 0, "f", 1, "a warning");
	diags_add(&r->diags, 1, "f", 2, "this");
	diags_add(&r->diags, 1, "f", 3, "that");
	return -1;
}

int
reload_prepare(struct reload *r, struct sources *src)
{
	(void)r;
	(void)src;
	return -1;
}

void
reload_commit(struct reload *r)
{
	(void)r;
	ck_abort();
}

void
reload_finish(struct reload *r)
{
	(void)r;
	ck_abort();
}

void
reload_release(struct reload *r)
{
	diags_release(&r->diags);
}

void
reload_by_signal(struct supervisor *s)
{
	(void)s;
}

void
reload_reconcile(struct worker *w)
{
	(void)w;
}

void
reload_forget(struct supervisor *s)
{
	(void)s;
}

int
snapshots_init(struct supervisor *s, const char *where, struct err *e)
{
	(void)s;
	(void)where;
	return err_set(e, "none");
}

struct sources *
snapshot_sources(const struct supervisor *s, struct err *e)
{
	(void)s;
	(void)e;
	return sources_new();
}

struct worker_conf *
snapshot_find_old(struct supervisor *s, const char *id, uint64_t *number)
{
	(void)s;
	(void)id;
	(void)number;
	return NULL;
}

uint64_t
snapshot_replace(struct supervisor *s, int fd, size_t users)
{
	(void)s;
	(void)fd;
	return users;
}

int
snapshot_reserve(struct supervisor *s)
{
	(void)s;
	return 0;
}

void
snapshot_leave(struct supervisor *s, uint64_t number)
{
	(void)s;
	(void)number;
}

void
snapshots_tidy(struct supervisor *s)
{
	(void)s;
}

/* --- the clients ------------------------------------------------------------
 */

static char dir[] = "/tmp/svd-control-XXXXXX", path[64];
static int listener;
static struct varlink_in in; /* of the one client most tests have */
static json_t *reply;
static struct loop_timer pump_timer;

static void
pump_cb(struct loop_timer *t)
{
	loop_stop(t->loop);
}

/* Lets the server run. */
static void
pump(int64_t ms)
{
	loop_timer_start(&pump_timer, ms);
	loop_run(sup.loop);
}

static int
new_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	ck_assert_int_ne(fd, -1);
	return fd;
}

static void
connect_to(int fd)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	strcpy(a.sun_path, path);
	while (connect(fd, (struct sockaddr *)&a, sizeof(a)) == -1) {
		ck_assert_int_eq(errno, EAGAIN);
		pump(1);
	}
}

static int
new_client(void)
{
	int fd = new_socket();

	connect_to(fd);
	return fd;
}

static void
put(int fd, const void *data, size_t len)
{
	ck_assert_int_eq(send(fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void
ask(int fd, const char *text)
{
	put(fd, text, strlen(text) + 1);
}

/* 1: a reply is in reply; 0: none within ms; -1: closed. */
static int
await(int fd, int64_t ms)
{
	int64_t deadline = sys_now_ms() + ms;
	struct err e;
	ssize_t n;

	json_decref(reply);
	reply = NULL;
	for (;;) {
		if (varlink_take(&in, VARLINK_REPLY_MAX, &reply, &e) == 1)
			return 1;
		ck_assert_int_eq(buf_reserve(&in.buf, 65536), 0);
		n = recv(fd, in.buf.data + in.buf.len, 65536, 0);
		if (n > 0)
			in.buf.len += (size_t)n;
		else if (n == 0 || errno != EAGAIN)
			return -1;
		else if (sys_now_ms() >= deadline)
			return 0;
		else
			pump(1);
	}
}

static json_t *
parameters(void)
{
	return json_object_get(reply, "parameters");
}

static const char *
text_at(json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text == NULL ? "" : text;
}

static void
expect_reply(int fd)
{
	ck_assert_int_eq(await(fd, DEADLINE_MS), 1);
	ck_assert_str_eq(text_at(reply, "error"), "");
}

static void
expect_error(int fd, const char *name, const char *key, const char *value)
{
	ck_assert_int_eq(await(fd, DEADLINE_MS), 1);
	ck_assert_str_eq(text_at(reply, "error"), name);
	if (key != NULL)
		ck_assert_str_eq(text_at(parameters(), key), value);
}

static void
expect_closed(int fd)
{
	ck_assert_int_eq(await(fd, DEADLINE_MS), -1);
}

static void
expect_nothing(int fd)
{
	ck_assert_int_eq(await(fd, 20), 0);
}

static void
expect_served(void)
{
	int fd = new_client();

	buf_consume(&in.buf, in.buf.len);
	in.scanned = 0;
	ask(fd, "{\"method\":\"org.svd.Fleet.Ping\"}");
	expect_reply(fd);
	close(fd);
}

static json_t *
result(size_t i)
{
	return json_array_get(json_object_get(parameters(), "results"), i);
}

static void
expect_result(size_t i, const char *name, const char *error)
{
	ck_assert_str_eq(text_at(result(i), "name"), name);
	ck_assert_str_eq(text_at(result(i), "error"), error);
	ck_assert_int_eq(
	    json_is_true(json_object_get(result(i), "done")), error[0] == '\0');
}

static int
count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void
set_up_workers(void)
{
	static const char *const names[] = {"web:0", "web:1", "job"};
	int i;

	memset(workers, 0, sizeof(workers));
	for (i = 0; i < NWORKERS; i++) {
		strcpy(confs[i].name, names[i]);
		strcpy(confs[i].group_name, i == JOB ? "job" : "web");
		confs[i].type = i == JOB ? WORKER_ONESHOT : WORKER_DAEMON;
		strcpy(workers[i].rec.name, names[i]);
		workers[i].conf = &confs[i];
		workers[i].sup = &sup;
		workers[i].trace = -1;
	}
}

static void
set_up_floor(void)
{
	memset(slots, 0, sizeof(slots));
	the_floor.slots[0] = &slots[0];
	the_floor.halted[0] = '\0';
	TAILQ_INIT(&the_floor.spares);
	LIST_INIT(&sup.floors);
	LIST_INSERT_HEAD(&sup.floors, &the_floor, link);
	slot_conf.as_floor = &floor_conf;
	strcpy(slot_conf.name, "floor:f");
	slots[0] = (struct worker){
	    .sup = &sup, .conf = &slot_conf, .floor = &the_floor, .trace = -1};
	slots[0].rec.state = WS_RUNNING;
	slots[0].rec.generation = 1;
	ck_assert_int_eq(roster_add(&sup.roster, &slots[0]), 0);
}

static void
set_up(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	log_init("test", LOG_LEVEL_ERROR);
	memset(&sup, 0, sizeof(sup));
	memset(&in, 0, sizeof(in));
	stops = commands = signals_sent = kills = 0;
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	strcpy(a.sun_path, path);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(listener, 128), 0);
	sup.loop = loop_new();
	loop_timer_init(sup.loop, &pump_timer, pump_cb, NULL);
	strcpy(sup.fleet.name, "test");
	sup.link.keeper_pid = 77;
	set_up_workers();
	set_up_floor();
	sup.control = control_new(&sup, listener);
	ck_assert_ptr_nonnull(sup.control);
}

static void
tear_down(void)
{
	control_free(sup.control);
	roster_release(&sup.roster);
	loop_timer_stop(&pump_timer);
	loop_free(sup.loop);
	close(listener);
	unlink(path);
	rmdir(dir);
	varlink_in_release(&in);
	json_decref(reply);
	reply = NULL;
}

/* --- what is said ------------------------------------------------------------
 */

START_TEST(test_ping_and_version)
{
	int fd = new_client();

	ask(fd, "{\"method\":\"org.svd.Fleet.Ping\"}");
	expect_reply(fd);
	ck_assert_uint_eq(json_object_size(parameters()), 0);
	ask(fd, "{\"method\":\"org.svd.Fleet.Version\",\"parameters\":{}}");
	expect_reply(fd);
	ck_assert_str_eq(text_at(parameters(), "version"), SVD_VERSION);
	close(fd);
}
END_TEST

START_TEST(test_status_has_the_members_of_the_contract)
{
	static const char *const members[] = {"name", "state", "want", "ready",
	    "pid", "generation", "since", "uptime", "restarts", "next_start",
	    "last_exit", "floor", "error"};
	int fd = new_client();
	json_t *w;
	size_t i;

	become(WEB0, WS_RUNNING);
	strcpy(workers[WEB1].error, "caf\xff");
	workers[WEB1].rec.state = WS_BACKOFF;
	workers[WEB1].rec.deadline = sys_now_ms() + 60000;
	workers[WEB1].rec.last = (struct death){.at = 1, .code = 3};
	ask(fd, "{\"method\":\"org.svd.Fleet.Status\"}");
	expect_reply(fd);
	ck_assert_str_eq(text_at(parameters(), "fleet"), "test");
	ck_assert_int_eq(
	    json_integer_value(json_object_get(parameters(), "keeper_pid")),
	    77);
	ck_assert_uint_eq(
	    json_array_size(json_object_get(parameters(), "workers")),
	    NWORKERS);
	w = json_array_get(json_object_get(parameters(), "workers"), WEB1);
	ck_assert_uint_eq(json_object_size(w), 13);
	for (i = 0; i < sizeof(members) / sizeof(*members); i++)
		ck_assert_ptr_nonnull(json_object_get(w, members[i]));
	ck_assert_str_eq(text_at(w, "error"), "caf?");
	ck_assert(json_real_value(json_object_get(w, "next_start")) > 50);
	w = json_object_get(w, "last_exit");
	ck_assert_int_eq(json_integer_value(json_object_get(w, "code")), 3);
	ck_assert(json_is_null(json_object_get(w, "signal")));
	ck_assert(json_is_true(json_object_get(w, "known")));
	close(fd);
}
END_TEST

START_TEST(test_status_of_some)
{
	int fd = new_client();

	ask(fd, "{\"method\":\"org.svd.Fleet.Status\",\"parameters\":"
		"{\"names\":[\"job\",\"web:1\",\"job\"]}}");
	expect_reply(fd);
	ck_assert_uint_eq(
	    json_array_size(json_object_get(parameters(), "workers")), 2);
	close(fd);
}
END_TEST

/* The last ten of more deaths, the newest last. */
START_TEST(test_why_shows_the_last_deaths)
{
	struct death d = {.at = 1};
	int fd = new_client(), i;
	json_t *deaths, *w;

	for (i = 0; i < 14; i++) {
		d.generation = (uint64_t)(19 + i);
		history_add(&workers[JOB].history, &d, 12);
	}
	workers[JOB].rec.state = WS_STOPPING;
	workers[JOB].rec.pid = 5;
	workers[JOB].rec.deadline = sys_now_ms() + 12900;
	ask(fd, "{\"method\":\"org.svd.Fleet.Why\",\"parameters\":"
		"{\"names\":[\"job\"]}}");
	expect_reply(fd);
	w = json_array_get(json_object_get(parameters(), "workers"), 0);
	deaths = json_object_get(w, "deaths");
	ck_assert_uint_eq(json_array_size(deaths), 10);
	ck_assert_int_eq(json_integer_value(json_object_get(
			     json_array_get(deaths, 0), "generation")),
	    23);
	ck_assert_int_eq(json_integer_value(json_object_get(
			     json_array_get(deaths, 9), "generation")),
	    32);
	ck_assert_ptr_nonnull(
	    strstr(text_at(w, "waiting_for"), "process 5 to end, KILL"));
	history_release(&workers[JOB].history);
	close(fd);
}
END_TEST

START_TEST(test_interface_describes_itself)
{
	static const char *const methods[] = {"Ping", "Version", "Status",
	    "Why", "Start", "Stop", "Restart", "Kill", "Signal", "Shutdown",
	    "Reload", "Diff", "Scale", "Config"};
	int fd = new_client();
	char want[40];
	size_t i;

	ask(fd, "{\"method\":\"org.varlink.service.GetInfo\"}");
	expect_reply(fd);
	ck_assert_uint_eq(
	    json_array_size(json_object_get(parameters(), "interfaces")), 2);
	ask(fd, "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
		"\"parameters\":{\"interface\":\"org.svd.Fleet\"}}");
	expect_reply(fd);
	for (i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
		snprintf(want, sizeof(want), "\nmethod %s(", methods[i]);
		ck_assert_ptr_nonnull(
		    strstr(text_at(parameters(), "description"), want));
	}
	ask(fd, "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
		"\"parameters\":{\"interface\":\"org.varlink.service\"}}");
	expect_reply(fd);
	ask(fd, "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
		"\"parameters\":{\"interface\":\"x.y\"}}");
	expect_error(
	    fd, "org.varlink.service.InterfaceNotFound", "interface", "x.y");
	close(fd);
}
END_TEST

/* All errors, and no warning; and nothing is done. */
START_TEST(test_a_bad_file_is_told_of)
{
	static const char *const calls[] = {
	    "{\"method\":\"org.svd.Fleet.Reload\"}",
	    "{\"method\":\"org.svd.Fleet.Diff\"}",
	    "{\"method\":\"org.svd.Fleet.Scale\",\"parameters\":"
	    "{\"name\":\"web\",\"numprocs\":3}}"};
	int fd = new_client();
	json_t *errors;

	sup.fleet_path = "f";
	ask(fd, calls[_i]);
	expect_error(fd, "org.svd.Fleet.BadConfiguration", NULL, NULL);
	errors = json_object_get(parameters(), "errors");
	ck_assert_uint_eq(json_array_size(errors), 2);
	ck_assert_str_eq(
	    json_string_value(json_array_get(errors, 0)), "f:2: this");
	close(fd);
}
END_TEST

START_TEST(test_without_a_fleet_file_there_is_no_reload)
{
	int fd = new_client();

	ask(fd, "{\"method\":\"org.svd.Fleet.Reload\"}");
	expect_error(fd, "org.svd.Fleet.Refused", NULL, NULL);
	sup.fleet_path = "f";
	sup.stopping = 1;
	ask(fd, "{\"method\":\"org.svd.Fleet.Reload\"}");
	expect_error(fd, "org.svd.Fleet.Refused", "reason",
	    "the fleet is shutting down");
	sup.stopping = 0;
	close(fd);
}
END_TEST

#define SERVICE(name) "org.varlink.service." name
#define CALL(method, p) \
	"{\"method\":\"org.svd.Fleet." method "\",\"parameters\":{" p "}}"

static const struct {
	const char *call, *error, *key, *value;
} bad_calls[] = {
    {"{}", SERVICE("InvalidParameter"), NULL, NULL},
    {"{\"method\":\"\"}", SERVICE("InvalidParameter"), "parameter", "method"},
    {"{\"method\":\"Ping\"}", SERVICE("InvalidParameter"), "parameter",
	"method"},
    {"{\"method\":\"a.b.C\"}", SERVICE("InterfaceNotFound"), "interface",
	"a.b"},
    {CALL("Reboot", ""), SERVICE("MethodNotFound"), "method",
	"org.svd.Fleet.Reboot"},
    {CALL("ping", ""), SERVICE("MethodNotFound"), NULL, NULL},
    {CALL("", ""), SERVICE("MethodNotFound"), NULL, NULL},
    {CALL("Ping", "\"x\":1"), SERVICE("InvalidParameter"), "parameter", "x"},
    {CALL("Start", ""), SERVICE("InvalidParameter"), "parameter", "names"},
    {CALL("Scale", "\"name\":\"web\""), SERVICE("InvalidParameter"),
	"parameter", "numprocs"},
    {CALL("Reload", "\"names\":[]"), SERVICE("InvalidParameter"), "parameter",
	"names"},
    {CALL("Start", "\"names\":[]"), SERVICE("InvalidParameter"), "parameter",
	"names"},
    {CALL("Start", "\"names\":\"web\""), SERVICE("InvalidParameter"),
	"parameter", "names"},
    {CALL("Start", "\"names\":[1]"), SERVICE("InvalidParameter"), "parameter",
	"names"},
    {CALL("Start", "\"names\":[\"web\"],\"wait\":1"),
	SERVICE("InvalidParameter"), "parameter", "wait"},
    {CALL("Start", "\"names\":[\"web\",\"nix\"]"), "org.svd.Fleet.NoSuchWorker",
	"name", "nix"},
    {CALL("Start", "\"names\":[\"\"]"), "org.svd.Fleet.NoSuchWorker", "name",
	""},
    {CALL("Signal", "\"names\":[\"web\"]"), SERVICE("InvalidParameter"),
	"parameter", "signal"},
    {CALL("Signal", "\"names\":[\"web\"],\"signal\":\"99\""),
	SERVICE("InvalidParameter"), "parameter", "signal"},
    {"{\"method\":\"org.svd.Fleet.Ping\",\"upgrade\":true}",
	SERVICE("InvalidParameter"), "parameter", "upgrade"},
};

/* It costs the caller an error, and does nothing else. */
START_TEST(test_bad_call_is_answered)
{
	int fd = new_client();

	ask(fd, bad_calls[_i].call);
	expect_error(
	    fd, bad_calls[_i].error, bad_calls[_i].key, bad_calls[_i].value);
	ck_assert_int_eq(commands, 0);
	ask(fd, CALL("Ping", ""));
	expect_reply(fd);
	close(fd);
}
END_TEST

START_TEST(test_a_stranger_may_nothing)
{
	int fd, status;
	char got[256] = "";
	pid_t pid;

	if (geteuid() != 0)
		return;
	ck_assert_int_eq(chmod(dir, 0755) + chmod(path, 0666), 0);
	pid = fork();
	if (pid == 0) {
		struct sockaddr_un a = {.sun_family = AF_UNIX};

		strcpy(a.sun_path, path);
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		if (setuid(NOBODY) == -1 ||
		    connect(fd, (struct sockaddr *)&a, sizeof(a)) == -1)
			_exit(1);
		ask(fd, CALL("Status", ""));
		if (recv(fd, got, sizeof(got) - 1, 0) <= 0)
			_exit(2);
		_exit(strstr(got, "org.svd.Fleet.PermissionDenied") == NULL ||
		      strstr(got, "workers") != NULL);
	}
	while (waitpid(pid, &status, WNOHANG) == 0)
		pump(5);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(test_shutdown_refuses_what_would_start)
{
	int fd = new_client();

	ask(fd, CALL("Shutdown", ""));
	expect_reply(fd);
	ck_assert_int_eq(stops, 1);
	ask(fd, CALL("Shutdown", ""));
	expect_reply(fd);
	ck_assert_int_eq(stops, 1);
	ask(fd, CALL("Start", "\"names\":[\"all\"]"));
	expect_error(fd, "org.svd.Fleet.Refused", "reason",
	    "the fleet is shutting down");
	ask(fd, CALL("Restart", "\"names\":[\"all\"]"));
	expect_error(fd, "org.svd.Fleet.Refused", NULL, NULL);
	ask(fd, CALL("Stop", "\"names\":[\"all\"]"));
	expect_reply(fd);
	close(fd);
}
END_TEST

START_TEST(test_signal_to_some)
{
	int fd = new_client();

	become(WEB1, WS_RUNNING);
	ask(fd, CALL("Signal", "\"names\":[\"web\"],\"signal\":\"USR1\""));
	expect_reply(fd);
	expect_result(0, "web:0", "it has no process");
	expect_result(1, "web:1", "");
	ck_assert_int_eq(signals_sent, 1);
	close(fd);
}
END_TEST

/* --- outcomes ----------------------------------------------------------------
 */

START_TEST(test_start_waits_for_every_worker)
{
	int fd = new_client();

	ask(fd, CALL("Start", "\"names\":[\"web\"]"));
	expect_nothing(fd);
	become(WEB1, WS_RUNNING);
	expect_nothing(fd);
	become(WEB0, WS_RUNNING);
	/* What comes after does not undo it. */
	become(WEB0, WS_BACKOFF);
	expect_reply(fd);
	expect_result(0, "web:0", "");
	expect_result(1, "web:1", "");
	close(fd);
}
END_TEST

START_TEST(test_start_without_waiting)
{
	int fd = new_client();

	ask(fd, CALL("Start", "\"names\":[\"web:0\"],\"wait\":false"));
	expect_reply(fd);
	ck_assert(json_is_false(json_object_get(result(0), "done")));
	ck_assert(json_is_null(json_object_get(result(0), "error")));
	ck_assert_str_eq(text_at(result(0), "state"), "STARTING");
	close(fd);
}
END_TEST

static const enum worker_state failures[] = {WS_BACKOFF, WS_FAILED};

START_TEST(test_start_that_fails)
{
	int fd = new_client();

	ask(fd, CALL("Start", "\"names\":[\"web:0\"]"));
	expect_nothing(fd);
	strcpy(workers[WEB0].error, "no such file");
	become(WEB0, failures[_i]);
	expect_reply(fd);
	expect_result(0, "web:0", "no such file");
	close(fd);
}
END_TEST

START_TEST(test_oneshot_is_started_once_ended)
{
	int fd = new_client();

	ask(fd, CALL("Start", "\"names\":[\"job\"]"));
	expect_nothing(fd);
	become(JOB, WS_RUNNING);
	expect_nothing(fd);
	become(JOB, WS_EXITED);
	expect_reply(fd);
	expect_result(0, "job", "");
	close(fd);
}
END_TEST

START_TEST(test_start_overtaken_by_a_stop)
{
	int fd = new_client(), other = new_client();

	ask(fd, CALL("Start", "\"names\":[\"web:0\"]"));
	expect_nothing(fd);
	ask(other, CALL("Stop", "\"names\":[\"web:0\"]"));
	expect_reply(other);
	expect_result(0, "web:0", "");
	expect_reply(fd);
	expect_result(0, "web:0", "stopped meanwhile");
	close(fd);
	close(other);
}
END_TEST

START_TEST(test_stop_waits_for_the_process)
{
	int fd = new_client(), other = new_client();

	become(WEB0, WS_RUNNING);
	ask(fd, CALL("Stop", "\"names\":[\"web\"]"));
	expect_nothing(fd);
	become(WEB0, WS_STOPPED);
	expect_reply(fd);
	expect_result(0, "web:0", "");
	expect_result(1, "web:1", "");
	become(WEB0, WS_RUNNING);
	ask(fd, CALL("Stop", "\"names\":[\"web:0\"]"));
	expect_nothing(fd);
	ask(other, CALL("Start", "\"names\":[\"web:0\"],\"wait\":false"));
	expect_reply(other);
	control_worker_changed(sup.control, &workers[WEB0]);
	expect_reply(fd);
	expect_result(0, "web:0", "started meanwhile");
	close(fd);
	close(other);
}
END_TEST

START_TEST(test_restart_waits_for_a_new_generation)
{
	int fd = new_client();

	become(WEB0, WS_RUNNING);
	ask(fd, CALL("Restart", "\"names\":[\"web:0\"]"));
	expect_nothing(fd);
	/* Some event that leaves it as it was. */
	workers[WEB0].rec.state = WS_RUNNING;
	control_worker_changed(sup.control, &workers[WEB0]);
	expect_nothing(fd);
	workers[WEB0].rec.pid = 0;
	become(WEB0, WS_STARTING);
	expect_nothing(fd);
	workers[WEB0].rec.pid = 5;
	become(WEB0, WS_RUNNING);
	expect_reply(fd);
	expect_result(0, "web:0", "");
	close(fd);
}
END_TEST

START_TEST(test_restart_that_fails)
{
	int fd = new_client();

	become(WEB0, WS_RUNNING);
	ask(fd, CALL("Restart", "\"names\":[\"web:0\"]"));
	expect_nothing(fd);
	workers[WEB0].rec.last = (struct death){.at = 1, .code = 4};
	become(WEB0, WS_FAILED);
	expect_reply(fd);
	expect_result(0, "web:0", "exit status 4");
	close(fd);
}
END_TEST

START_TEST(test_kill_waits_for_the_process_that_was_there)
{
	int fd = new_client();

	become(WEB0, WS_RUNNING);
	ask(fd, CALL("Kill", "\"names\":[\"web\"]"));
	expect_nothing(fd);
	become(WEB0, WS_BACKOFF);
	expect_reply(fd);
	expect_result(0, "web:0", "");
	expect_result(1, "web:1", "");
	close(fd);
}
END_TEST

/* --- clients that behave badly -----------------------------------------------
 */

START_TEST(test_two_calls_in_one_write)
{
	static const char calls[] =
	    CALL("Ping", "") "\0" CALL("Version", "") "\0" CALL("Ping", "");
	int fd = new_client();

	put(fd, calls, sizeof(calls));
	expect_reply(fd);
	ck_assert_uint_eq(json_object_size(parameters()), 0);
	expect_reply(fd);
	ck_assert_uint_eq(json_object_size(parameters()), 3);
	expect_reply(fd);
	close(fd);
}
END_TEST

START_TEST(test_one_call_in_many_writes)
{
	char call[1000];
	int fd = new_client();
	size_t i;

	memset(call, ' ', sizeof(call));
	memcpy(call, CALL("Ping", ""), strlen(CALL("Ping", "")));
	call[sizeof(call) - 1] = '\0';
	for (i = 0; i < sizeof(call); i++) {
		put(fd, call + i, 1);
		if (i % 10 == 0)
			pump(0);
	}
	expect_reply(fd);
	close(fd);
}
END_TEST

static const struct {
	const char *data;
	size_t len;
} garbage[] = {
    {"", 1},
    {"GET / HTTP/1.1\r\n\r\n\0", 19},
    {"[]\0", 3},
    {"{\"method\":\0", 11},
    {"\0\0\0\0\0\0\0\0", 8},
    {"\xff\xfe\xfd\0", 4},
};

START_TEST(test_garbage_costs_its_client_only)
{
	int fd = new_client();

	put(fd, garbage[_i].data, garbage[_i].len);
	expect_closed(fd);
	expect_served();
	close(fd);
}
END_TEST

START_TEST(test_half_a_message_disturbs_nobody)
{
	int fd = new_client();

	put(fd, "{\"method\":", 10);
	pump(5);
	expect_served();
	put(fd, "\"org.svd.Fleet.Ping\"}", 22);
	expect_reply(fd);
	close(fd);
}
END_TEST

START_TEST(test_oversize_message_costs_its_client_only)
{
	char chunk[4096];
	int fd = new_client();
	ssize_t n = 0;
	size_t sent = 0;

	memset(chunk, ' ', sizeof(chunk));
	while (n != -1 || errno == EAGAIN) {
		n = send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL);
		if (n > 0)
			sent += (size_t)n;
		pump(0);
		ck_assert_uint_lt(sent, 2 * VARLINK_CALL_MAX);
	}
	ck_assert_uint_gt(sent, VARLINK_CALL_MAX / 2);
	expect_closed(fd);
	expect_served();
	close(fd);
}
END_TEST

/* Its calls stay unread in its socket: what svd keeps for it is one reply. */
START_TEST(test_client_that_never_reads)
{
	static const char call[] =
	    CALL("Signal", "\"names\":[\"web:0\"],\"signal\":\"USR1\"");
	int fd = new_client(), i, before;
	ssize_t n;

	become(WEB0, WS_RUNNING);
	/* On a slow machine it takes its time to come to that. */
	for (i = 0; i < 200; i++) {
		before = signals_sent;
		do
			n = send(fd, call, sizeof(call), MSG_NOSIGNAL);
		while (n == sizeof(call));
		pump(20);
		if (i > 0 && signals_sent == before)
			break;
	}
	before = signals_sent;
	ck_assert_int_gt(before, 0);
	pump(50);
	ck_assert_int_eq(signals_sent, before);
	expect_served();
	ck_assert_int_eq(signals_sent, before);
	close(fd);
	pump(5);
}
END_TEST

/* One connection that floods must not keep the others waiting. */
START_TEST(test_each_turn_serves_one_call)
{
	static const char call[] =
	    CALL("Signal", "\"names\":[\"web:0\"],\"signal\":\"USR1\"");
	int fd = new_client(), i;

	become(WEB0, WS_RUNNING);
	for (i = 0; i < 50; i++)
		put(fd, call, sizeof(call));
	while (signals_sent == 0)
		pump(0);
	ck_assert_int_lt(signals_sent, 10);
	for (i = 0; i < 50; i++)
		expect_reply(fd);
	ck_assert_int_eq(signals_sent, 50);
	close(fd);
}
END_TEST

static void
be_killed(int fd)
{
	become(WEB0, WS_RUNNING);
	ask(fd, CALL("Kill", "\"names\":[\"web:0\"],\"wait\":false"));
}

/* Who acts does not wait for what a hundred others look at, neither where he
 * was there before nor where he comes behind them. */
START_TEST(test_who_acts_comes_before_those_who_look)
{
	int old = new_client(), fds[100], i, n;

	ask(old, CALL("Ping", ""));
	expect_reply(old);
	for (i = 0; i < 100; i++) {
		fds[i] = new_client();
		for (n = 0; n < 20; n++)
			ask(fds[i], CALL("Why", ""));
	}
	pump(0);
	for (i = 0; i < 2; i++) {
		be_killed(i == 0 ? old : new_client());
		for (n = 0; kills == i; n++)
			pump(0);
		ck_assert_int_lt(n, 8);
	}
	for (i = 0; i < 100; i++)
		for (n = 0; n < 20; n++)
			expect_reply(fds[i]);
	for (i = 0; i < 100; i++)
		close(fds[i]);
	close(old);
}
END_TEST

/* As svctl kill does it: the answer to the first call is out before the second
 * one is obeyed, which needs no turn of its own. */
START_TEST(test_a_look_and_an_act_in_one_breath)
{
	static const char calls[] =
	    CALL("Status", "\"names\":[\"web:0\"]") "\0" CALL(
		"Kill", "\"names\":[\"web:0\"],\"wait\":false");
	int fd = new_client();

	become(WEB0, WS_RUNNING);
	put(fd, calls, sizeof(calls));
	expect_reply(fd);
	ck_assert_ptr_nonnull(json_object_get(parameters(), "workers"));
	ck_assert_int_eq(kills, 1);
	expect_reply(fd);
	close(fd);
}
END_TEST

/* A socket counts as writable only while it is mostly empty. */
START_TEST(test_many_unread_replies_do_not_stop_it)
{
	int fd = new_client(), i;

	for (i = 0; i < 200; i++) {
		ask(fd, CALL("Ping", ""));
		pump(0);
		pump(0);
	}
	pump(20);
	/* All of them are there without the server's help. */
	for (i = 0; i < 200; i++)
		ck_assert_int_eq(await(fd, 0), 1);
	close(fd);
}
END_TEST

START_TEST(test_oneway_is_not_answered)
{
	int fd = new_client();

	ask(fd, "{\"method\":\"org.svd.Fleet.Start\",\"oneway\":true,"
		"\"parameters\":{\"names\":[\"web\"]}}");
	expect_nothing(fd);
	ck_assert_int_eq(commands, 2);
	become(WEB0, WS_RUNNING);
	become(WEB1, WS_RUNNING);
	ask(fd, CALL("Version", ""));
	expect_reply(fd);
	ck_assert_uint_eq(json_object_size(parameters()), 3);
	close(fd);
}
END_TEST

/* The second time with another call behind, which nobody has read. */
START_TEST(test_hang_up_while_waiting_is_noticed)
{
	int before = count_fds(), fd = new_client();

	ask(fd, CALL("Start", "\"names\":[\"web:0\"]"));
	expect_nothing(fd);
	if (_i == 1)
		ask(fd, CALL("Ping", ""));
	pump(5);
	ck_assert_int_eq(count_fds(), before + 2);
	close(fd);
	pump(20);
	ck_assert_int_eq(count_fds(), before);
	become(WEB0, WS_RUNNING);
	expect_served();
}
END_TEST

/* Nothing wakes us while somebody waits, whatever else he has sent. */
START_TEST(test_waiting_does_not_spin)
{
	struct rusage a, b;
	int fd = new_client();

	ask(fd, CALL("Start", "\"names\":[\"web:0\"]"));
	ask(fd, CALL("Ping", ""));
	expect_nothing(fd);
	getrusage(RUSAGE_SELF, &a);
	pump(200);
	getrusage(RUSAGE_SELF, &b);
	ck_assert_int_lt((b.ru_utime.tv_sec - a.ru_utime.tv_sec) * 1000000 +
			     b.ru_utime.tv_usec - a.ru_utime.tv_usec,
	    100000);
	become(WEB0, WS_RUNNING);
	expect_reply(fd);
	expect_reply(fd);
	close(fd);
}
END_TEST

/* As `printf ... | nc -N -U` does. */
START_TEST(test_half_closed_client_is_answered)
{
	int fd = new_client();

	ask(fd, CALL("Start", "\"names\":[\"web:0\"]"));
	ask(fd, CALL("Version", ""));
	shutdown(fd, SHUT_WR);
	expect_nothing(fd);
	become(WEB0, WS_RUNNING);
	expect_reply(fd);
	expect_result(0, "web:0", "");
	expect_reply(fd);
	expect_closed(fd);
	close(fd);
}
END_TEST

START_TEST(test_one_connection_too_many_ends_the_longest_idle)
{
	int fd[CLIENTS_MAX + 1], i;

	fd[0] = new_client();
	ask(fd[0], CALL("Start", "\"names\":[\"web:0\"]"));
	pump(5);
	for (i = 1; i < CLIENTS_MAX; i++) {
		fd[i] = new_client();
		pump(0);
	}
	/* The oldest waits, the next one has just spoken. */
	ask(fd[1], CALL("Ping", ""));
	expect_reply(fd[1]);
	fd[CLIENTS_MAX] = new_client();
	pump(5);
	expect_closed(fd[2]);
	expect_nothing(fd[0]);
	expect_nothing(fd[1]);
	expect_nothing(fd[3]);
	expect_served();
	for (i = 0; i <= CLIENTS_MAX; i++)
		close(fd[i]);
	pump(20);
}
END_TEST

/* No descriptor left: one client is still served, and nothing spins. */
START_TEST(test_without_descriptors)
{
	struct rlimit old, limit;
	struct rusage a, b;
	int fd[2];

	/* It closes what it has accepted over the limit by itself. */
	if (getenv("SVD_VALGRIND") != NULL)
		return;
	fd[0] = new_socket();
	fd[1] = new_socket();
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	limit = old;
	limit.rlim_cur = (rlim_t)fd[1] + 1;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	connect_to(fd[0]);
	connect_to(fd[1]);
	getrusage(RUSAGE_SELF, &a);
	pump(400);
	getrusage(RUSAGE_SELF, &b);
	ck_assert_int_lt(b.ru_utime.tv_sec + b.ru_stime.tv_sec -
			     a.ru_utime.tv_sec - a.ru_stime.tv_sec,
	    2);
	ck_assert_int_lt(b.ru_nvcsw - a.ru_nvcsw, 200);
	ask(fd[0], CALL("Ping", ""));
	expect_reply(fd[0]);
	close(fd[0]);
	ask(fd[1], CALL("Ping", ""));
	expect_reply(fd[1]);
	close(fd[1]);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	pump(5);
	expect_served();
}
END_TEST

/* --- streams -----------------------------------------------------------------
 */

#define EVENTS "{\"method\":\"org.svd.Fleet.Events\",\"more\":true,"

static json_t *
member(const char *key)
{
	return json_object_get(parameters(), key);
}

/* What a second client has received. */
static struct varlink_in other_in;

static void
swap_clients(void)
{
	struct varlink_in swap = in;

	in = other_in;
	other_in = swap;
}

static void
expect_snapshot(int fd, int gap)
{
	expect_reply(fd);
	ck_assert(json_is_true(json_object_get(reply, "continues")));
	ck_assert(json_is_true(member("snapshot")));
	ck_assert_int_eq(json_is_true(member("gap")), gap);
	ck_assert_str_eq(text_at(parameters(), "fleet"), "test");
}

static void
expect_event(int fd, int i, const char *from, const char *to)
{
	expect_reply(fd);
	ck_assert(json_is_true(json_object_get(reply, "continues")));
	ck_assert(json_is_false(member("snapshot")));
	ck_assert_str_eq(text_at(member("worker"), "name"), confs[i].name);
	ck_assert_str_eq(text_at(parameters(), "from"), from);
	ck_assert_str_eq(text_at(member("worker"), "state"), to);
}

/* Up and down, n times each. */
static void
flap(int i, int n)
{
	while (n-- > 0) {
		become(i, WS_RUNNING);
		become(i, WS_STOPPED);
	}
}

START_TEST(test_a_snapshot_and_what_follows)
{
	int fd = new_client();

	become(WEB0, WS_STARTING);
	ask(fd, EVENTS "\"parameters\":{}}");
	expect_snapshot(fd, 0);
	ck_assert_int_eq(json_integer_value(member("seq")), 1);
	ck_assert_uint_eq(json_array_size(member("workers")), NWORKERS);
	become(WEB0, WS_RUNNING);
	become(WEB1, WS_FAILED);
	expect_event(fd, WEB0, "STARTING", "RUNNING");
	ck_assert_int_eq(json_integer_value(member("seq")), 2);
	expect_event(fd, WEB1, "STOPPED", "FAILED");
	ck_assert_int_eq(json_integer_value(member("seq")), 3);
	expect_nothing(fd);
	ck_assert_ptr_null(sup.events.first);
	ck_assert_uint_eq(sup.events.bytes, 0);
	close(fd);
	pump(20);
	ck_assert(LIST_EMPTY(&sup.events.listeners));
}
END_TEST

START_TEST(test_events_of_some)
{
	int fd = new_client();

	ask(fd, EVENTS "\"parameters\":{\"names\":[\"job\",\"web:1\"]}}");
	expect_snapshot(fd, 0);
	ck_assert_uint_eq(json_array_size(member("workers")), 2);
	flap(WEB0, 3);
	become(WEB1, WS_STARTING);
	flap(WEB0, 3);
	become(JOB, WS_STARTING);
	expect_event(fd, WEB1, "STOPPED", "STARTING");
	expect_event(fd, JOB, "STOPPED", "STARTING");
	expect_nothing(fd);
	ck_assert_ptr_null(sup.events.first);
	close(fd);
}
END_TEST

/* A slow listener loses what a quick one still gets, and no memory. */
START_TEST(test_a_listener_that_falls_behind)
{
	int slow = new_client(), quick = new_client(), i;
	size_t most = 0;

	ask(slow, EVENTS "\"parameters\":{}}");
	ask(quick, EVENTS "\"parameters\":{}}");
	expect_snapshot(quick, 0);
	for (i = 0; i < 10000; i++) {
		if (i % 100 == 0)
			flap(WEB0, 50);
		expect_event(quick, WEB0, i % 2 ? "RUNNING" : "STOPPED",
		    i % 2 ? "STOPPED" : "RUNNING");
		if (sup.events.bytes > most)
			most = sup.events.bytes;
	}
	ck_assert_uint_gt(most, 400 * 1024);
	ck_assert_uint_lt(most, 600 * 1024);
	swap_clients();
	/* What was on its way, then the gap. */
	expect_snapshot(slow, 0);
	do
		expect_reply(slow);
	while (json_is_false(member("snapshot")));
	ck_assert(json_is_true(member("gap")));
	ck_assert_int_eq(json_integer_value(member("seq")), 10000);
	expect_nothing(slow);
	ck_assert_uint_eq(sup.events.bytes, 0);
	become(JOB, WS_STARTING);
	expect_event(slow, JOB, "STOPPED", "STARTING");
	swap_clients();
	expect_event(quick, JOB, "STOPPED", "STARTING");
	varlink_in_release(&other_in);
	close(slow);
	close(quick);
}
END_TEST

START_TEST(test_each_turn_sends_one_piece)
{
	int fd = new_client(), i;
	size_t all;

	ask(fd, EVENTS "\"parameters\":{}}");
	expect_snapshot(fd, 0);
	flap(WEB0, 150);
	all = sup.events.bytes;
	while (sup.events.bytes == all)
		pump(0);
	ck_assert_uint_gt(sup.events.bytes, all / 3);
	for (i = 0; i < 300; i++)
		expect_event(fd, WEB0, i % 2 ? "RUNNING" : "STOPPED",
		    i % 2 ? "STOPPED" : "RUNNING");
	expect_nothing(fd);
	close(fd);
}
END_TEST

START_TEST(test_other_workers_are_a_snapshot_without_a_gap)
{
	int fd = new_client();

	ask(fd, EVENTS "\"parameters\":{}}");
	expect_snapshot(fd, 0);
	become(WEB1, WS_STARTING);
	events_fleet_changed(&sup);
	become(WEB0, WS_STARTING);
	expect_event(fd, WEB1, "STOPPED", "STARTING");
	expect_snapshot(fd, 0);
	ck_assert_int_eq(json_integer_value(member("seq")), 2);
	expect_event(fd, WEB0, "STOPPED", "STARTING");
	close(fd);
}
END_TEST

/* What was seen last, as the caller says it. */
static void
come_back(int fd, const char *epoch, json_int_t seq)
{
	char text[256];

	snprintf(text, sizeof(text),
	    EVENTS "\"parameters\":{\"epoch\":\"%s\",\"seq\":%lld}}", epoch,
	    (long long)seq);
	ask(fd, text);
}

START_TEST(test_whoever_comes_back_is_told_of_a_gap)
{
	char epoch[64];
	int fd = new_client();

	ask(fd, EVENTS "\"parameters\":{}}");
	expect_snapshot(fd, 0);
	snprintf(epoch, sizeof(epoch), "%s", text_at(parameters(), "epoch"));
	close(fd);
	fd = new_client();
	come_back(fd, epoch, 0);
	expect_snapshot(fd, 0);
	close(fd);
	become(WEB0, WS_STARTING);
	fd = new_client();
	come_back(fd, epoch, 0);
	expect_snapshot(fd, 1);
	close(fd);
	fd = new_client();
	come_back(fd, "of another life", 1);
	expect_snapshot(fd, 1);
	close(fd);
	sup.link.life++;
	fd = new_client();
	come_back(fd, epoch, 1);
	expect_snapshot(fd, 1);
	close(fd);
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof(*(a))))

static TCase *
new_case(Suite *s, const char *name)
{
	TCase *t = tcase_create(name);

	tcase_set_timeout(t, 50);
	tcase_add_checked_fixture(t, set_up, tear_down);
	suite_add_tcase(s, t);
	return t;
}

static void
expect_renewed(int fd, const char *error)
{
	expect_reply(fd);
	ck_assert_int_eq(
	    json_integer_value(json_object_get(parameters(), "generation")),
	    (json_int_t)slots[0].rec.generation);
	expect_result(0, "floor:f", error);
}

#define REFLOOR(floor)                                           \
	"{\"method\":\"org.svd.Fleet.Refloor\",\"parameters\":{" \
	"\"floor\":\"" floor "\"}}"

START_TEST(test_refloor_waits_until_all_have_moved)
{
	int fd = new_client();

	ask(fd, REFLOOR("f"));
	expect_nothing(fd);
	control_worker_changed(sup.control, &slots[0]);
	expect_nothing(fd);
	slots[0].rec.rolls = 0;
	control_worker_changed(sup.control, &slots[0]);
	expect_renewed(fd, "");
	/* As the log calls it; and one that comes to no end. */
	ask(fd, REFLOOR("floor:f"));
	expect_nothing(fd);
	strcpy(the_floor.halted, "w:0 does not run on it");
	control_worker_changed(sup.control, &slots[0]);
	expect_renewed(fd, "w:0 does not run on it");
	ask(fd, REFLOOR("f"));
	expect_nothing(fd);
	slots[0].rec.want_up = 0;
	slots[0].rec.state = WS_STOPPING;
	control_worker_changed(sup.control, &slots[0]);
	expect_renewed(fd, "given up meanwhile");
	ck_assert_int_eq(slots[0].refs, 0);
	close(fd);
}
END_TEST

START_TEST(test_refloor_of_what_cannot_be)
{
	int fd = new_client();

	ask(fd, REFLOOR("g"));
	expect_error(fd, "org.svd.Fleet.NoSuchFloor", "floor", "g");
	ask(fd, REFLOOR(""));
	expect_error(fd, "org.svd.Fleet.NoSuchFloor", "floor", "");
	slots[0].snapshot = 1;
	ask(fd, REFLOOR("f"));
	expect_error(fd, "org.svd.Fleet.Refused", "reason",
	    "the floor is on its way out of the fleet");
	sup.stopping = 1;
	ask(fd, REFLOOR("f"));
	expect_error(fd, "org.svd.Fleet.Refused", "reason",
	    "the fleet is shutting down");
	ck_assert_int_eq((int)slots[0].rec.generation, 1);
	close(fd);
}
END_TEST

START_TEST(test_who_waits_for_a_floor_that_fails)
{
	int fd = new_client();
	json_t *w;

	confs[WEB0].floor = confs[WEB1].floor = (char *)"f";
	workers[WEB0].rec.state = workers[WEB1].rec.state = WS_STARTING;
	slots[0].rec.state = WS_STARTING;
	ask(fd, "{\"method\":\"org.svd.Fleet.Start\",\"parameters\":"
		"{\"names\":[\"web:0\"]}}");
	expect_nothing(fd);
	slots[0].rec.state = WS_BACKOFF;
	strcpy(slots[0].error, "no module");
	control_worker_changed(sup.control, &workers[WEB0]);
	expect_reply(fd);
	expect_result(0, "web:0", "floor 'f': no module");
	/* Each says of which floor, which is told of once. */
	ask(fd, "{\"method\":\"org.svd.Fleet.Why\",\"parameters\":"
		"{\"names\":[\"web\"]}}");
	expect_reply(fd);
	w = json_array_get(json_object_get(parameters(), "workers"), 1);
	ck_assert_str_eq(text_at(w, "name"), "web:1");
	ck_assert_str_eq(text_at(w, "error"), "floor 'f': no module");
	ck_assert_ptr_nonnull(strstr(text_at(w, "waiting_for"), "floor 'f'"));
	ck_assert_uint_eq(
	    json_array_size(json_object_get(parameters(), "floors")), 1);
	w = json_array_get(json_object_get(parameters(), "floors"), 0);
	ck_assert_str_eq(text_at(w, "name"), "floor:f");
	ck_assert_str_eq(text_at(w, "state"), "FAILED");
	ck_assert_str_eq(text_at(w, "error"), "no module");
	confs[WEB0].floor = confs[WEB1].floor = NULL;
	close(fd);
}
END_TEST

START_TEST(test_where_floors_may_be_named)
{
	int fd = new_client();

	ask(fd, "{\"method\":\"org.svd.Fleet.Why\",\"parameters\":"
		"{\"names\":[\"floor:f\"]}}");
	expect_reply(fd);
	ck_assert_uint_eq(
	    json_array_size(json_object_get(parameters(), "workers")), 0);
	ck_assert_uint_eq(
	    json_array_size(json_object_get(parameters(), "floors")), 1);
	ask(fd, "{\"method\":\"org.svd.Fleet.Why\",\"parameters\":"
		"{\"names\":[\"floor:g\"]}}");
	expect_error(fd, "org.svd.Fleet.NoSuchWorker", "name", "floor:g");
	ask(fd, "{\"method\":\"org.svd.Fleet.Stop\",\"parameters\":"
		"{\"names\":[\"floor:f\"]}}");
	expect_error(fd, "org.svd.Fleet.NoSuchWorker", "name", "floor:f");
	ask(fd, "{\"method\":\"org.svd.Fleet.Why\"}");
	expect_reply(fd);
	ck_assert_uint_eq(
	    json_array_size(json_object_get(parameters(), "floors")), 0);
	close(fd);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("control");
	TCase *t = new_case(s, "said");

	tcase_add_test(t, test_ping_and_version);
	tcase_add_test(t, test_refloor_waits_until_all_have_moved);
	tcase_add_test(t, test_refloor_of_what_cannot_be);
	tcase_add_test(t, test_who_waits_for_a_floor_that_fails);
	tcase_add_test(t, test_where_floors_may_be_named);
	tcase_add_test(t, test_status_has_the_members_of_the_contract);
	tcase_add_test(t, test_status_of_some);
	tcase_add_test(t, test_why_shows_the_last_deaths);
	tcase_add_test(t, test_interface_describes_itself);
	tcase_add_loop_test(t, test_a_bad_file_is_told_of, 0, 3);
	tcase_add_test(t, test_without_a_fleet_file_there_is_no_reload);
	tcase_add_loop_test(t, test_bad_call_is_answered, 0, COUNT(bad_calls));
	tcase_add_test(t, test_a_stranger_may_nothing);
	tcase_add_test(t, test_shutdown_refuses_what_would_start);
	tcase_add_test(t, test_signal_to_some);
	t = new_case(s, "outcome");
	tcase_add_test(t, test_start_waits_for_every_worker);
	tcase_add_test(t, test_start_without_waiting);
	tcase_add_loop_test(t, test_start_that_fails, 0, COUNT(failures));
	tcase_add_test(t, test_oneshot_is_started_once_ended);
	tcase_add_test(t, test_start_overtaken_by_a_stop);
	tcase_add_test(t, test_stop_waits_for_the_process);
	tcase_add_test(t, test_restart_waits_for_a_new_generation);
	tcase_add_test(t, test_restart_that_fails);
	tcase_add_test(t, test_kill_waits_for_the_process_that_was_there);
	t = new_case(s, "behaviour");
	tcase_add_test(t, test_two_calls_in_one_write);
	tcase_add_test(t, test_one_call_in_many_writes);
	tcase_add_loop_test(
	    t, test_garbage_costs_its_client_only, 0, COUNT(garbage));
	tcase_add_test(t, test_half_a_message_disturbs_nobody);
	tcase_add_test(t, test_oversize_message_costs_its_client_only);
	tcase_add_test(t, test_client_that_never_reads);
	tcase_add_test(t, test_each_turn_serves_one_call);
	tcase_add_test(t, test_who_acts_comes_before_those_who_look);
	tcase_add_test(t, test_a_look_and_an_act_in_one_breath);
	tcase_add_test(t, test_many_unread_replies_do_not_stop_it);
	tcase_add_test(t, test_oneway_is_not_answered);
	tcase_add_loop_test(t, test_hang_up_while_waiting_is_noticed, 0, 2);
	tcase_add_test(t, test_waiting_does_not_spin);
	tcase_add_test(t, test_half_closed_client_is_answered);
	tcase_add_test(t, test_one_connection_too_many_ends_the_longest_idle);
	tcase_add_test(t, test_without_descriptors);
	t = new_case(s, "streams");
	tcase_add_test(t, test_a_snapshot_and_what_follows);
	tcase_add_test(t, test_events_of_some);
	tcase_add_test(t, test_a_listener_that_falls_behind);
	tcase_add_test(t, test_each_turn_sends_one_piece);
	tcase_add_test(t, test_other_workers_are_a_snapshot_without_a_gap);
	tcase_add_test(t, test_whoever_comes_back_is_told_of_a_gap);
	return s;
}

int
main(void)
{
	SRunner *sr = srunner_create(suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
