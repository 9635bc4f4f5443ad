/* launch: see launch.h. */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "background.h"
#include "base/fd.h"
#include "base/group.h"
#include "base/runtime.h"
#include "base/sys.h"
#include "conf/check.h"
#include "conf/conf.h"
#include "conf/source.h"
#include "former.h"
#include "inherited.h"
#include "keeper/handover.h"
#include "program.h"

#define LISTEN_BACKLOG 128
/* Of lines that the logger has yet to take. */
#define OWN_PIPE_BYTES (1 << 20)
#define FIXED_ARGS 10 /* of the keeper, at most, with the last NULL */

struct launching {
	const struct launch_options *o;
	char fleet_path[PATH_MAX];
	char dir[PATH_MAX]; /* "" : none */
	struct fleet fleet;
	struct sources *sources;
	struct handover handover;    /* what the keeper begins with */
	struct inherited *inherited; /* by this process */
	size_t ninherited;
	int log_fd; /* where svd's own log is written; -1: standard error */
};

/* Takes fd, for the keeper to hold. -1 and errno in e: it is -1. */
static int
hold(struct launching *l, const char *name, int fd, struct err *e)
{
	if (fd == -1 || fd_set_cloexec(fd, 0) == -1)
		return err_sys(e, errno, "cannot hold '%s'", name);
	handover_put_held(&l->handover, name, fd, NULL);
	return 0;
}

static int
complain(const struct err *e, int status)
{
	fprintf(stderr, "svd: %s\n", e->text);
	return status;
}

/* Later roles have another working directory. */
static int
make_absolute(const char *path, char *out, size_t size, struct err *e)
{
	size_t n = 0;

	out[0] = '\0';
	if (path[0] != '/') {
		if (getcwd(out, size) == NULL)
			return err_sys(
			    e, errno, "cannot tell the working directory");
		n = strlen(out);
	}
	if ((size_t)snprintf(
		out + n, size - n, "%s%s", n > 0 ? "/" : "", path) >= size - n)
		return err_set(e, "path too long: '%s'", path);
	return 0;
}

static int
load(struct launching *l, struct err *e)
{
	struct diags d = {0};
	size_t i;
	int rc;

	l->sources = sources_new();
	if (l->sources == NULL)
		return err_sys(e, ENOMEM, "fleet file");
	rc = conf_load(&l->fleet, l->fleet_path, l->sources, &d);
	if (rc == 0 && l->o->check)
		conf_check_machine(&l->fleet, &d);
	for (i = 0; i < d.n; i++)
		fprintf(stderr, "%s\n", d.list[i].text);
	err_set(e, "%zu error%s in the configuration", d.nerrors,
	    d.nerrors == 1 ? "" : "s");
	diags_release(&d);
	return rc;
}

static int
make_dirs(const char *dir, struct err *e)
{
	char path[PATH_MAX];
	char *p;

	snprintf(path, sizeof(path), "%s", dir);
	for (p = path + 1;; p++) {
		if (*p != '/' && *p != '\0')
			continue;
		char c = *p;

		*p = '\0';
		if (mkdir(path, 0755) == -1 && errno != EEXIST)
			return err_sys(e, errno, "cannot create '%s'", path);
		*p = c;
		if (c == '\0')
			return 0;
	}
}

/* Held by the keeper for its life; the kernel forgets it with the process. */
static int
take_lock(struct launching *l, struct err *e)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[PATH_MAX];
	int fd;

	if (runtime_path(path, sizeof(path), l->dir, RUNTIME_LOCK, e) == -1)
		return EXIT_STATUS_CONFIG;
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1) {
		err_sys(e, errno, "cannot open '%s'", path);
		return EXIT_STATUS_CONFIG;
	}
	if (fcntl(fd, F_SETLK, &fl) == 0) {
		if (former_wait(fd, e) == -1)
			return EXIT_STATUS_RUNNING;
		return hold(l, "lock", fd, e) == 0 ? 0 : EXIT_STATUS_CONFIG;
	}
	if (errno != EACCES && errno != EAGAIN) {
		err_sys(e, errno, "cannot lock '%s'", path);
		return EXIT_STATUS_CONFIG;
	}
	if (fcntl(fd, F_GETLK, &fl) == -1)
		fl.l_pid = 0;
	err_set(e, "another svd (pid %d) runs a fleet in '%s'", (int)fl.l_pid,
	    l->dir);
	return EXIT_STATUS_RUNNING;
}

/* 0, or the exit status. */
static int
take_over(struct launching *l, struct err *e)
{
	int journal, cursors, rc;

	rc = former_find(l->dir,
	    l->o->fleet_path == NULL ? NULL : l->fleet.name, &journal, e);
	if (rc != 0 || journal == -1)
		return rc;
	if (hold(l, "journal", journal, e) == -1)
		return EXIT_STATUS_CONFIG;
	cursors = former_cursors(l->dir);
	if (cursors != -1 && hold(l, "cursors", cursors, e) == -1)
		return EXIT_STATUS_CONFIG;
	return 0;
}

/* With the lock held, whatever is at the socket's name is stale. */
static int
make_control(struct launching *l, struct err *e)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	const char *group = l->fleet.control_group;
	gid_t gid = 0;
	mode_t before;
	int fd, rc;

	if (runtime_path(sun.sun_path, sizeof(sun.sun_path), l->dir,
		RUNTIME_CONTROL, e) == -1)
		return -1;
	if (group != NULL && group_find(group, &gid) == -1)
		return err_set(e, "control_group: unknown group '%s'", group);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return err_sys(e, errno, "cannot make a socket");
	unlink(sun.sun_path);
	before = umask(group == NULL ? 0177 : 0117);
	rc = bind(fd, (struct sockaddr *)&sun, sizeof(sun));
	umask(before);
	if (rc == -1)
		return err_sys(e, errno, "cannot bind '%s'", sun.sun_path);
	if (group != NULL && lchown(sun.sun_path, (uid_t)-1, gid) == -1)
		return err_sys(e, errno, "cannot give '%s' to group '%s'",
		    sun.sun_path, group);
	if (listen(fd, LISTEN_BACKLOG) == -1)
		return err_sys(e, errno, "cannot listen on '%s'", sun.sun_path);
	return hold(l, "control", fd, e);
}

/* What a restarted supervisor will read instead of the files. */
static int
make_snapshot(struct launching *l, struct err *e)
{
	int fd = sys_memfd("svd-fleet");

	if (fd == -1)
		return err_sys(e, errno, "cannot make a memfd");
	if (sources_save(l->sources, fd, e) == -1)
		return -1;
	return hold(l, "fleet", fd, e);
}

/* A pipe that the logger reads: writing to it never blocks. */
static int
make_own_log(struct launching *l, struct err *e)
{
	int ends[2];

	if (l->fleet.log.kind == STREAM_STDERR)
		return 0;
	/* Later on nobody would hear of it. */
	if (check_log(&l->fleet, e) == -1)
		return -1;
	if (pipe2(ends, O_CLOEXEC) == -1)
		return err_sys(e, errno, "cannot make a pipe");
	if (fcntl(ends[1], F_SETFL, O_WRONLY | O_NONBLOCK) == -1)
		return err_sys(e, errno, "cannot set up a pipe");
	/* Less where a user may not have so much. */
	fcntl(ends[1], F_SETPIPE_SZ, OWN_PIPE_BYTES);
	fd_close(&l->log_fd);
	l->log_fd = ends[1];
	return hold(l, "own", ends[0], e);
}

/* 0, or the exit status. */
static int
prepare_runtime(struct launching *l, struct err *e)
{
	int rc;

	if (make_dirs(l->dir, e) == -1)
		return EXIT_STATUS_CONFIG;
	rc = take_lock(l, e);
	if (rc == 0)
		rc = take_over(l, e);
	if (rc != 0)
		return rc;
	return make_control(l, e) == -1 ? EXIT_STATUS_CONFIG : 0;
}

/* The keeper's arguments, which it hands on to its supervisors. NULL: no
 * memory for them. */
static char **
make_arguments(struct launching *l, char *role, char *log)
{
	static const char *const verbosity[] = {
	    "-qq", "-q", "-v", "-vv", "-vvv"};
	const struct launch_options *o = l->o;
	char **argv, **word;
	size_t n = 0;

	for (word = o->command; word != NULL && *word != NULL; word++)
		n++;
	argv = calloc(n + FIXED_ARGS, sizeof(*argv));
	if (argv == NULL)
		return NULL;
	n = 0;
	argv[n++] = (char *)"svd: keeper";
	argv[n++] = (char *)"-P";
	argv[n++] = role;
	if (o->verbosity != 0)
		argv[n++] =
		    (char *)verbosity[o->verbosity + 2 - (o->verbosity > 0)];
	if (log[0] != '\0') {
		argv[n++] = (char *)"-L";
		argv[n++] = log;
	}
	if (l->dir[0] != '\0') {
		argv[n++] = (char *)"-r";
		argv[n++] = l->dir;
	}
	argv[n++] = o->fleet_path != NULL ? l->fleet_path : (char *)"--";
	for (word = o->command; word != NULL && *word != NULL; word++)
		argv[n++] = *word;
	return argv;
}

/* Where an upgrade will look for a newer svd. */
static int
hold_program(struct launching *l, struct err *e)
{
	char path[PATH_MAX];
	int fd;

	if (program_find(path) == -1)
		return 0;
	fd = sys_memfd("svd-program");
	if (fd != -1 && fd_write_all(fd, path, strlen(path)) == -1)
		return err_sys(e, errno, "cannot write a memfd");
	return hold(l, "program", fd, e);
}

static int
begin_handover(struct launching *l, struct err *e)
{
	int fd = sys_memfd("svd-keeper");

	if (fd == -1)
		return err_sys(e, errno, "cannot make a memfd");
	handover_begin(&l->handover, fd);
	return hold_program(l, e);
}

/* Those by number, and none is closed on the way. */
static int
end_handover(struct launching *l, int self, struct err *e)
{
	handover_put(&l->handover, "self", self);
	handover_put(&l->handover, "log", l->log_fd);
	if (handover_end(&l->handover) == -1 ||
	    fd_set_cloexec(l->handover.fd, 0) == -1 ||
	    fd_set_cloexec(self, 0) == -1 ||
	    (l->log_fd != -1 && fd_set_cloexec(l->log_fd, 0) == -1))
		return err_sys(e, errno, "cannot write the keeper's table");
	return 0;
}

static int
hold_inherited(struct launching *l, struct err *e)
{
	size_t i;

	for (i = 0; i < l->ninherited; i++)
		if (hold(l, l->inherited[i].name, l->inherited[i].fd, e) == -1)
			return -1;
	return 0;
}

/* This program again, as the keeper. */
static void
become_keeper(struct launching *l, struct err *e)
{
	char role[32], log[32] = "", **argv;
	int self = sys_open_self();

	if (self == -1) {
		err_sys(e, errno, "cannot open svd itself");
		return;
	}
	if (end_handover(l, self, e) == -1)
		return;
	snprintf(role, sizeof(role), "keeper=%d", l->handover.fd);
	if (l->log_fd != -1 || l->fleet.log_format != LOGLINE_TEXT)
		snprintf(log, sizeof(log), "%d,%s", l->log_fd,
		    logline_format_name(l->fleet.log_format));
	argv = make_arguments(l, role, log);
	if (argv == NULL) {
		err_sys(e, ENOMEM, "arguments");
		return;
	}
	sys_exec_fd(self, argv, environ);
	err_sys(e, errno, "cannot execute svd itself");
	free(argv);
}

/* From here on in the child that will be the keeper. */
static int
go_to_background(struct launching *l, struct err *e)
{
	struct err ignored;
	char socket_path[108];

	if (runtime_path(socket_path, sizeof(socket_path), l->dir,
		RUNTIME_CONTROL, &ignored) == -1)
		socket_path[0] = '\0';
	return background_fork(socket_path, &l->log_fd, e);
}

static int
launch_fleet(struct launching *l, struct err *e)
{
	const struct launch_options *o = l->o;
	int rc;

	/* From within a worker, whom it may outlive, svd is started; but what
	 * has this in its environment ends with that worker. */
	unsetenv("SVD_WORKER");
	if (make_absolute(
		o->fleet_path, l->fleet_path, sizeof(l->fleet_path), e) == -1)
		return complain(e, EXIT_STATUS_CONFIG);
	if (load(l, e) == -1)
		return complain(e, EXIT_STATUS_CONFIG);
	if (o->check) {
		puts("configuration OK");
		return 0;
	}
	l->inherited = inherited_take(&l->ninherited);
	if (runtime_dir(l->dir, sizeof(l->dir), o->runtime_dir,
		l->fleet.runtime_dir, l->fleet.name, e) == -1)
		return complain(e, EXIT_STATUS_CONFIG);
	if (o->background && go_to_background(l, e) == -1)
		return complain(e, EXIT_STATUS_CONFIG);
	if (begin_handover(l, e) == -1)
		return complain(e, EXIT_STATUS_CONFIG);
	rc = prepare_runtime(l, e);
	if (rc != 0)
		return complain(e, rc);
	if (hold_inherited(l, e) == -1)
		return complain(e, EXIT_STATUS_CONFIG);
	if (make_snapshot(l, e) == -1 || make_own_log(l, e) == -1 ||
	    (o->background && background_detach(e) == -1))
		return complain(e, EXIT_STATUS_CONFIG);
	if (chdir("/") == -1) {
		err_sys(e, errno, "cannot change to '/'");
		return complain(e, EXIT_STATUS_CONFIG);
	}
	become_keeper(l, e);
	return complain(e, EXIT_STATUS_CONFIG);
}

static int
launch_command(struct launching *l, struct err *e)
{
	const char *dir = l->o->runtime_dir;
	int rc;

	if (begin_handover(l, e) == -1)
		return complain(e, EXIT_STATUS_CONFIG);
	if (dir != NULL) {
		if (runtime_dir(l->dir, sizeof(l->dir), dir, NULL, "init", e) ==
		    -1)
			return complain(e, EXIT_STATUS_CONFIG);
		rc = prepare_runtime(l, e);
		if (rc != 0)
			return complain(e, rc);
	}
	become_keeper(l, e);
	return complain(e, EXIT_STATUS_CONFIG);
}

int
launch(const struct launch_options *o)
{
	static struct launching l;
	struct err e;

	l.o = o;
	l.log_fd = -1;
	if (fd_fill_standard(&e) == -1)
		return complain(&e, EXIT_STATUS_CONFIG);
	if (o->fleet_path == NULL)
		return launch_command(&l, &e);
	return launch_fleet(&l, &e);
}
