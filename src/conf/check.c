/*
 * check: see check.h and conf_check_machine in conf.h. Only the first instance
 * of each worker is looked at; each check is a row of a table.
 */
#include "conf/check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/group.h"
#include "conf/conf.h"

#define INTERPRETER_MAX 256    /* bytes of "#!" lines that the kernel reads */
#define LOOKUP_MAX (64 * 1024) /* bytes of one passwd or group entry */

/* The number that text is; -1 where it is none. */
static int64_t
as_number(const char *text)
{
	struct err e;
	int64_t id;

	return units_parse_int(text, 0, UINT32_MAX - 1, &id, &e) == 0 ? id : -1;
}

/* Whose id is a name's: -1 where nobody knows it. */
static int64_t
user_id(const char *user)
{
	int64_t id = as_number(user);
	struct passwd pw, *found = NULL;
	char *buf;

	if (id != -1 || (buf = malloc(LOOKUP_MAX)) == NULL)
		return id;
	if (getpwnam_r(user, &pw, buf, LOOKUP_MAX, &found) == 0 &&
	    found != NULL)
		id = pw.pw_uid;
	free(buf);
	return id;
}

static int64_t
group_id(const char *group)
{
	gid_t gid;

	return group_find(group, &gid) == -1 ? -1 : (int64_t)gid;
}

/* The group that a user's processes have if nothing else is said; -1: nobody
 * knows. */
static int64_t
group_of_user(const char *user)
{
	int64_t id = user_id(user), gid = id;
	struct passwd pw, *found = NULL;
	char *buf;

	if (id == -1 || (buf = malloc(LOOKUP_MAX)) == NULL)
		return -1;
	if (getpwuid_r((uid_t)id, &pw, buf, LOOKUP_MAX, &found) == 0 &&
	    found != NULL)
		gid = pw.pw_gid;
	free(buf);
	return gid;
}

/* NULL: svd's own. */
static int
is_same_user(const char *a, const char *b)
{
	int64_t x, y;

	if (a != NULL && b != NULL && strcmp(a, b) == 0)
		return 1;
	x = a == NULL ? geteuid() : user_id(a);
	y = b == NULL ? geteuid() : user_id(b);
	return x == y && x != -1;
}

const char *
check_stands_on(
    const struct worker_conf *w, const struct worker_conf *floor, struct err *e)
{
	const char *name = floor->group_name + 1;
	int64_t gid;

	if (floor->user != NULL && user_id(floor->user) == 0)
		return NULL;
	if (!is_same_user(w->user, floor->user)) {
		err_set(e,
		    "user: [floor:%s] runs as %s: only a floor with user = "
		    "root can have workers of other users",
		    name, floor->user == NULL ? "svd does" : floor->user);
		return "user";
	}
	gid = floor->user == NULL ? getegid() : group_of_user(floor->user);
	if (w->group == NULL || group_id(w->group) == gid)
		return NULL;
	err_set(e,
	    "group: [floor:%s] runs as another: only a floor with user = root "
	    "can have workers of other groups",
	    name);
	return "group";
}

const char *
check_identity_of(const struct worker_conf *w, struct err *e)
{
	if (geteuid() == 0)
		return NULL;
	if (w->user != NULL && user_id(w->user) != geteuid()) {
		err_set(e, "user: only root can run a %s as another user",
		    w->as_floor != NULL ? "floor" : "worker");
		return "user";
	}
	if (w->group != NULL && group_id(w->group) != getegid()) {
		err_set(
		    e, "group: only root can run a worker as another group");
		return "group";
	}
	return NULL;
}

static int
check_user(const struct worker_conf *w, struct err *e)
{
	if (w->user == NULL || user_id(w->user) != -1)
		return 0;
	return err_set(e, "user '%s' is not known here", w->user);
}

static int
check_group(const struct worker_conf *w, struct err *e)
{
	if (w->group == NULL || group_id(w->group) != -1)
		return 0;
	return err_set(e, "group '%s' is not known here", w->group);
}

static int
check_dir(const char *what, const char *path, struct err *e)
{
	struct stat st;

	if (stat(path, &st) == -1)
		return err_sys(e, errno, "%s '%s'", what, path);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, "%s '%s' is not a directory", what, path);
	return 0;
}

static int
check_directory(const struct worker_conf *w, struct err *e)
{
	return check_dir("directory", w->directory, e);
}

/* A file may be made at start; the directory it stands in may not. */
static int
check_stream(const struct stream_conf *s, const char *name, struct err *e)
{
	char *parent, *slash;
	int rc;

	if (s->kind != STREAM_FILE || (parent = strdup(s->path)) == NULL)
		return 0;
	slash = strrchr(parent, '/');
	slash[slash == parent] = '\0';
	rc = check_dir(name, parent, e);
	free(parent);
	return rc;
}

static int
check_stdout(const struct worker_conf *w, struct err *e)
{
	return check_stream(&w->std_out, "stdout: directory", e);
}

static int
check_stderr(const struct worker_conf *w, struct err *e)
{
	return check_stream(&w->std_err, "stderr: directory", e);
}

int
check_log(const struct fleet *f, struct err *e)
{
	return check_stream(&f->log, "log: directory", e);
}

static int
check_stdin(const struct worker_conf *w, struct err *e)
{
	struct stat st;

	if (w->std_in.kind != STREAM_FILE || stat(w->std_in.path, &st) == 0)
		return 0;
	return err_sys(e, errno, "stdin '%s'", w->std_in.path);
}

/* Where the PATH of the worker, or else of svd, has name. -1: nowhere. */
static int
search_path(
    const struct worker_conf *w, const char *name, char *out, size_t size)
{
	const char *path = NULL;
	size_t i, len;

	for (i = 0; w->environment[i] != NULL; i++)
		if (strncmp(w->environment[i], "PATH=", 5) == 0)
			path = w->environment[i] + 5;
	if (path == NULL && (path = getenv("PATH")) == NULL)
		path = FLEET_PATH_DEFAULT;
	for (; *path != '\0'; path += len + (path[len] == ':')) {
		len = strcspn(path, ":");
		if (len == 0 || len + strlen(name) + 2 > size)
			continue;
		snprintf(out, size, "%.*s/%s", (int)len, path, name);
		if (access(out, X_OK) == 0)
			return 0;
	}
	return -1;
}

static int
check_executable(const char *what, const char *path, struct err *e)
{
	struct stat st;

	if (stat(path, &st) == -1)
		return err_sys(e, errno, "%s '%s'", what, path);
	if (S_ISDIR(st.st_mode))
		return err_set(e, "%s '%s' is a directory", what, path);
	if (!S_ISREG(st.st_mode) || (st.st_mode & 0111) == 0)
		return err_set(e, "%s '%s' is not executable", what, path);
	return 0;
}

/* A script's "#! /path" must be there too, or execve's answer is misleading. */
static int
check_interpreter(const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char line[INTERPRETER_MAX + 1], *p;
	ssize_t n;

	if (fd == -1)
		return 0; /* it may be executed without being read */
	n = read(fd, line, INTERPRETER_MAX);
	fd_close(&fd);
	if (n < 2 || memcmp(line, "#!", 2) != 0)
		return 0;
	line[n] = '\0';
	p = line + 2 + strspn(line + 2, " \t");
	p[strcspn(p, " \t\n")] = '\0';
	if (p[0] != '\0' && p[strlen(p) - 1] == '\r')
		return err_set(e,
		    "the first line of '%s' ends with a carriage return", path);
	return check_executable("interpreter", p, e);
}

static int
check_program(const struct worker_conf *w, const char *what, const char *name,
    struct err *e)
{
	char path[PATH_MAX];

	if (*name == '/')
		snprintf(path, sizeof(path), "%s", name);
	else if (search_path(w, name, path, sizeof(path)) == -1)
		return err_set(e, "%s '%s' is not found in PATH", what, name);
	if (check_executable(what, path, e) == -1)
		return -1;
	return check_interpreter(path, e);
}

static int
check_command(const struct worker_conf *w, struct err *e)
{
	return w->argv == NULL ? 0 : check_program(w, "command", w->argv[0], e);
}

static int
check_python(const struct worker_conf *w, struct err *e)
{
	const struct floor_conf *f = w->as_floor;

	if (f == NULL || f->runtime != FLOOR_PYTHON)
		return 0;
	return check_program(w, "python",
	    f->python != NULL ? f->python : FLOOR_PYTHON_DEFAULT, e);
}

/* Those that are absolute; others are no files, or looked for. */
static int
check_files(const char *what, char *const *files, struct err *e)
{
	struct stat st;

	for (; files != NULL && *files != NULL; files++)
		if (**files == '/' && stat(*files, &st) == -1)
			return err_sys(e, errno, "%s '%s'", what, *files);
	return 0;
}

static int
check_preload(const struct worker_conf *w, struct err *e)
{
	return w->as_floor == NULL
	           ? 0
	           : check_files("preload", w->as_floor->preload, e);
}

/* Python takes archives too. */
static int
check_python_path(const struct worker_conf *w, struct err *e)
{
	return w->as_floor == NULL ? 0
	                           : check_files("path", w->as_floor->path, e);
}

static int
check_limits(const struct worker_conf *w, struct err *e)
{
	struct rlimit own;
	int i;

	for (i = 0; i < LIMIT_COUNT && geteuid() != 0; i++)
		if (w->limits[i].set &&
		    getrlimit(
			(__rlimit_resource_t)limit_resource((enum limit_id)i),
			&own) == 0 &&
		    w->limits[i].hard > own.rlim_max)
			return err_set(e,
			    "limit_%s is above svd's own, which only root may "
			    "raise",
			    limit_name((enum limit_id)i));
	return 0;
}

static int
check_nice(const struct worker_conf *w, struct err *e)
{
	struct rlimit own;

	if (geteuid() == 0 || !w->nice_set ||
	    w->nice >= getpriority(PRIO_PROCESS, 0) ||
	    getrlimit(RLIMIT_NICE, &own) == -1 ||
	    (rlim_t)(20 - w->nice) <= own.rlim_cur)
		return 0;
	return err_set(
	    e, "nice %d is below svd's own, which only root may set", w->nice);
}

static int
check_oom_score(const struct worker_conf *w, struct err *e)
{
	char text[16];
	ssize_t n = 0;
	int fd;

	if (geteuid() == 0 || !w->oom_score_adj_set)
		return 0;
	fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
	if (fd != -1)
		n = read(fd, text, sizeof(text) - 1);
	fd_close(&fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	if (w->oom_score_adj >= atoi(text))
		return 0;
	return err_set(e,
	    "oom_score_adj %d is below svd's own, which only root may set",
	    w->oom_score_adj);
}

static const struct floor_conf *
floor_under(const struct fleet *f, const struct worker_conf *w)
{
	size_t i;

	for (i = 0; i < f->nworkers && w->floor != NULL; i++)
		if (f->workers[i].as_floor != NULL &&
		    strcmp(f->workers[i].group_name + 1, w->floor) == 0)
			return f->workers[i].as_floor;
	return NULL;
}

/* "/path/lib.so:symbol" */
static int
check_entry(const struct fleet *f, const struct worker_conf *w, struct err *e)
{
	const struct floor_conf *floor = floor_under(f, w);
	struct stat st;
	char *path;
	int rc = 0;

	if (floor == NULL || floor->runtime != FLOOR_NATIVE ||
	    *w->entry != '/' || (path = strdup(w->entry)) == NULL)
		return 0;
	*strrchr(path, ':') = '\0';
	if (stat(path, &st) == -1)
		rc = err_sys(e, errno, "entry '%s'", path);
	free(path);
	return rc;
}

static int (*const checks[])(const struct worker_conf *, struct err *) = {
    check_command,
    check_python,
    check_preload,
    check_python_path,
    check_user,
    check_group,
    check_directory,
    check_stdin,
    check_stdout,
    check_stderr,
    check_limits,
    check_nice,
    check_oom_score,
};

static void
warn(struct diags *d, const struct worker_conf *w, const struct err *e)
{
	int is_floor = w->as_floor != NULL; /* "@NAME" */

	diags_add(d, 0, w->file, w->line, "[%s:%s] %s",
	    is_floor ? "floor" : "worker", w->group_name + is_floor, e->text);
}

void
conf_check_machine(const struct fleet *f, struct diags *d)
{
	const struct worker_conf *w;
	struct err e;
	size_t i, j;

	if (check_log(f, &e) == -1)
		diags_add(d, 0, f->files[0], 0, "%s", e.text);
	for (i = 0; i < f->nworkers; i++) {
		w = &f->workers[i];
		if (w->instance != 0)
			continue;
		for (j = 0; j < sizeof(checks) / sizeof(checks[0]); j++)
			if (checks[j](w, &e) == -1)
				warn(d, w, &e);
		if (check_entry(f, w, &e) == -1)
			warn(d, w, &e);
	}
}
