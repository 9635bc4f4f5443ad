/* former: see former.h. */
#include "former.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/identity.h"
#include "base/runtime.h"
#include "base/sys.h"
#include "conf/grow.h"
#include "core/record.h"
#include "launch.h"

#define STATE_MAX_BYTES (256 << 20)
/* A set-up has 10 s (set_up.h); whoever is killed, far less. */
#define WAIT_MS 12000
#define LOOK_MS 2

int
former_wait(int lock_fd, struct err *e)
{
	const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000};
	int64_t until = sys_now_ms() + WAIT_MS;

	while (flock(lock_fd, LOCK_EX | LOCK_NB) == -1) {
		/* A file system without such locks has nothing to say. */
		if (errno != EWOULDBLOCK && errno != EINTR)
			return 0;
		if (sys_now_ms() >= until)
			return err_set(e,
			    "something of the last svd does not end, and has "
			    "its lock open");
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* What its records say. */
struct findings {
	int header;    /* there is one: */
	int here;      /* of this boot and pid namespace */
	int known;     /* of a schema that we read */
	int is_fleets; /* of the fleet that it should be */
	struct fleet_record fleet;
	struct survivor {
		int pid;
		char name[WORKER_ID_SIZE];
	} * list; /* workers that run */
	size_t n, cap;
};

/* Does this worker still run? */
static int
survives(const struct worker_record *w)
{
	int pidfd, rc;

	if (w->pid == 0)
		return 0;
	pidfd = sys_pidfd_open(w->pid);
	if (pidfd == -1)
		return 0;
	rc = !sys_pidfd_is_dead(pidfd) &&
	     identity_holds(&w->id, w->pid, pidfd) == 1;
	fd_close(&pidfd);
	return rc;
}

static void
note_header(struct findings *f, const struct fleet_record *r, const char *fleet)
{
	char boot[IDENTITY_BOOT_SIZE];

	identity_boot(boot);
	f->header = 1;
	f->here = strcmp(boot, r->boot_id) == 0 && identity_pidns() == r->pidns;
	f->known = record_schema_known(r->schema);
	f->is_fleets = fleet != NULL && strcmp(fleet, r->name) == 0;
	f->fleet = *r;
}

static int
is_noted(const struct findings *f, int pid)
{
	size_t i;

	for (i = 0; i < f->n; i++)
		if (f->list[i].pid == pid)
			return 1;
	return 0;
}

/* A later line about a worker replaces an earlier one: only where a pid is the
 * last said of its worker may it still run, and then it is its own proof.
 * Without memory it is not named: one is enough to refuse. */
static void
note_worker(struct findings *f, const struct worker_record *w)
{
	struct survivor *list;

	if (!f->here || w->name[0] == '@' || is_noted(f, w->pid) ||
	    !survives(w))
		return;
	list = grow_list(f->list, f->n + 1, &f->cap, sizeof(*list));
	if (list == NULL)
		return;
	f->list = list;
	list[f->n].pid = w->pid;
	memcpy(list[f->n].name, w->name, sizeof(w->name));
	f->n++;
}

static void
look(struct findings *f, const char *text, size_t len, const char *fleet)
{
	struct record_reader rd;
	struct record r;

	record_read(&rd, text, len);
	while (record_next(&rd, &r))
		if (r.kind == RECORD_FLEET)
			note_header(f, &r.u.fleet, fleet);
		else if (r.kind == RECORD_WORKER && !(f->known && f->is_fleets))
			note_worker(f, &r.u.worker);
}

/* What others could put there might name any process of this machine. */
static int
check_file(int fd, const char *path, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return err_sys(e, errno, "cannot read '%s'", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, "'%s' is not a file", path);
	if (st.st_uid != geteuid())
		return err_set(e, "'%s' belongs to somebody else", path);
	return 0;
}

/* -1 and *e; *fd is -1 where there is none. */
static int
open_journal(const char *path, int *fd, struct err *e)
{
	*fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (*fd == -1 && errno == ENOENT)
		return 0;
	if (*fd == -1 && errno == ELOOP)
		return err_set(e,
		    "'%s' is a symbolic link: what an earlier svd has left "
		    "cannot be told; remove it",
		    path);
	if (*fd == -1)
		return err_sys(e, errno, "cannot open '%s'", path);
	return check_file(*fd, path, e);
}

/* As many as there is room for. */
static void
put_names(const struct findings *f, char *out, size_t size)
{
	const size_t more = sizeof(", ...");
	size_t i, len = 0;
	int n;

	for (i = 0; i < f->n; i++) {
		n = snprintf(out + len, size - len, "%s%s (pid %d)",
		    i > 0 ? ", " : "", f->list[i].name, f->list[i].pid);
		if ((size_t)n >= size - len - more) {
			snprintf(out + len, size - len, ", ...");
			return;
		}
		len += (size_t)n;
	}
}

static int
refuse(const struct findings *f, const char *fleet, struct err *e)
{
	char why[32 + FLEET_NAME_MAX], names[ERR_TEXT_MAX / 2];

	if (!f->known)
		snprintf(why, sizeof(why), "its journal is of schema %d",
		    f->fleet.schema);
	else if (fleet == NULL)
		snprintf(why, sizeof(why), "a command takes over nobody");
	else
		snprintf(
		    why, sizeof(why), "they are of fleet '%s'", f->fleet.name);
	put_names(f, names, sizeof(names));
	err_set(e,
	    "%zu worker%s of an earlier svd still run%s, and cannot be adopted "
	    "(%s): %s; end %s first",
	    f->n, f->n == 1 ? "" : "s", f->n == 1 ? "s" : "", why, names,
	    f->n == 1 ? "it" : "them");
	return EXIT_STATUS_RUNNING;
}

/* 1: it is of use. */
static int
judge(const struct findings *f, const char *path, size_t len)
{
	const char *why = NULL;

	if (len == 0)
		why = "is empty";
	else if (!f->header)
		why = "is no journal, or its first line is torn";
	else if (!f->here)
		why = "is of another boot or pid namespace";
	else if (!f->known)
		why = "is of another schema, and none of its workers runs";
	else if (!f->is_fleets)
		why = "is another fleet's, and none of its workers runs";
	if (why != NULL)
		fprintf(stderr, "svd: '%s' %s: nobody is adopted\n", path, why);
	return why == NULL;
}

int
former_find(const char *dir, const char *fleet, int *journal, struct err *e)
{
	struct findings f = {.header = 0};
	char path[PATH_MAX], *text = NULL;
	size_t len = 0;
	int fd = -1, rc = EXIT_STATUS_CONFIG;

	*journal = -1;
	if (runtime_path(path, sizeof(path), dir, RUNTIME_STATE, e) == -1 ||
	    open_journal(path, &fd, e) == -1)
		goto out;
	rc = 0;
	if (fd == -1)
		goto out;
	text = fd_read_all(fd, STATE_MAX_BYTES, &len);
	if (text == NULL) {
		err_sys(e, errno, "cannot read '%s'", path);
		rc = EXIT_STATUS_CONFIG;
		goto out;
	}
	look(&f, text, len, fleet);
	if (f.n > 0)
		rc = refuse(&f, fleet, e);
	else if (judge(&f, path, len)) {
		*journal = fd;
		fd = -1;
	}
out:
	free(f.list);
	free(text);
	fd_close(&fd);
	return rc;
}

int
former_cursors(const char *dir)
{
	char path[PATH_MAX];
	struct err e;
	int fd;

	if (runtime_path(path, sizeof(path), dir, RUNTIME_CURSORS, &e) == -1)
		return -1;
	fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd != -1 && check_file(fd, path, &e) == -1) {
		fprintf(stderr, "svd: %s\n", e.text);
		fd_close(&fd);
	}
	return fd;
}
