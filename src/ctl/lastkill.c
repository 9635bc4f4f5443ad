/*
 * lastkill: see lastkill.h.
 *
 * The journal is its owner's word, and root must not be made to kill by it
 * what its owner could not: so root takes on that user's ids first, and the
 * kernel judges.
 */
#include "ctl/lastkill.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/identity.h"
#include "base/proctree.h"
#include "base/runtime.h"
#include "base/sys.h"
#include "core/record.h"
#include "ctl/exits.h"
#include "ctl/print.h"
#include "ipc/varlink.h"

#define STATE_MAX (64 * 1024 * 1024)

/* What the journal says. */
struct journal {
	struct fleet_record fleet; /* schema 0: none found */
	struct worker_record *workers;
	size_t nworkers, cap;
	json_t *index; /* name to place in workers */
};

static int
state_path(const char *socket, char *out, size_t size, struct err *e)
{
	const char *slash = strrchr(socket, '/');
	int len = slash == NULL ? 1 : (int)(slash - socket);
	char dir[PATH_MAX];

	snprintf(dir, sizeof(dir), "%.*s", len, slash == NULL ? "." : socket);
	return runtime_path(out, size, dir, RUNTIME_STATE, e);
}

int
lastkill_possible(const char *socket)
{
	char path[PATH_MAX];
	struct stat st;
	struct err e;

	return state_path(socket, path, sizeof(path), &e) == 0 &&
	       lstat(path, &st) == 0;
}

/* May svctl go by a journal of this owner? Not by a third party's. */
static int
owner_trusted(uid_t owner, const char *socket)
{
	struct stat st;

	return owner == 0 || owner == geteuid() ||
	       (lstat(socket, &st) == 0 && st.st_uid == owner);
}

/* The journal's text, to be freed; *owner is the file's. */
static char *
read_state(const char *socket, size_t *len, uid_t *owner, struct err *e)
{
	char path[PATH_MAX], *text = NULL;
	struct stat st;
	int fd = -1;

	if (state_path(socket, path, sizeof(path), e) == -1)
		return NULL;
	/* Non-blocking: it may be a FIFO that somebody has put there. */
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd == -1 || fstat(fd, &st) == -1) {
		err_sys(e, errno, "cannot open '%s'", path);
		goto out;
	}
	if (!S_ISREG(st.st_mode) || !owner_trusted(st.st_uid, socket)) {
		err_set(e, "'%s' is not a file of the fleet's owner", path);
		goto out;
	}
	*owner = st.st_uid;
	text = fd_read_all(fd, STATE_MAX, len);
	if (text == NULL)
		err_sys(e, errno, "cannot read '%s'", path);
out:
	fd_close(&fd);
	return text;
}

/* The last record of a worker is all that counts. -1: no memory. */
static int
journal_put(struct journal *j, const struct worker_record *w)
{
	size_t cap = j->cap == 0 ? 64 : j->cap * 2;
	struct worker_record *workers = j->workers;
	char id[WORKER_ID_SIZE];
	json_t *at;

	if (worker_id_complete(w->name, id) == -1)
		return 0; /* nobody's */
	at = json_object_get(j->index, id);
	if (at != NULL) {
		workers[json_integer_value(at)] = *w;
		return 0;
	}
	if (j->nworkers == j->cap) {
		workers = realloc(workers, cap * sizeof(*workers));
		if (workers == NULL)
			return -1;
		j->workers = workers;
		j->cap = cap;
	}
	if (json_object_set_new(
		j->index, id, json_integer((json_int_t)j->nworkers)) == -1)
		return -1;
	workers[j->nworkers++] = *w;
	return 0;
}

/* An only instance goes by its bare name. */
static void
use_names(struct journal *j)
{
	char sibling[WORKER_ID_SIZE];
	size_t i;

	for (i = 0; i < j->nworkers; i++) {
		char *name = j->workers[i].name, *colon = strchr(name, ':');

		if (colon == NULL || strcmp(colon, ":0") != 0)
			continue;
		snprintf(sibling, sizeof(sibling), "%.*s:1",
		    (int)(colon - name), name);
		if (json_object_get(j->index, sibling) == NULL)
			*colon = '\0';
	}
}

/* It has left the fleet, and no process of it is left. */
static void
journal_forget(struct journal *j, const char *name)
{
	char id[WORKER_ID_SIZE];
	json_t *at;

	if (worker_id_complete(name, id) == -1 ||
	    (at = json_object_get(j->index, id)) == NULL)
		return;
	j->workers[json_integer_value(at)].name[0] = '\0';
	json_object_del(j->index, id);
}

static int
journal_read(struct journal *j, char *text, size_t len, struct err *e)
{
	char *line = text, *end = text + len, *eol;
	struct record r;

	j->index = json_object();
	for (; line < end; line = eol + 1) {
		eol = memchr(line, '\n', (size_t)(end - line));
		if (eol == NULL)
			break; /* torn */
		if (record_parse(line, (size_t)(eol - line), &r) == -1)
			continue;
		if (r.kind == RECORD_FLEET)
			j->fleet = r.u.fleet;
		else if (r.kind == RECORD_WORKER &&
			 journal_put(j, &r.u.worker) == -1)
			return err_set(e, "out of memory");
		else if (r.kind == RECORD_GONE)
			journal_forget(j, r.u.gone.name);
	}
	if (j->fleet.schema == 0)
		return err_set(e, "the journal has no valid first line");
	if (j->fleet.schema > RECORD_SCHEMA)
		return err_set(e, "the journal is of a newer svd");
	use_names(j);
	return 0;
}

static void
journal_release(struct journal *j)
{
	json_decref(j->index);
	free(j->workers);
}

/* Do the journal's pids mean anything here and now? */
static int
check_place(const struct fleet_record *f, struct err *e)
{
	char boot[IDENTITY_BOOT_SIZE];
	uint64_t pidns = identity_pidns();

	identity_boot(boot);
	if (boot[0] == '\0' || strcmp(boot, f->boot_id) != 0)
		return err_set(e, "the journal is from another boot");
	if (pidns == 0 || pidns != f->pidns)
		return err_set(e, "the journal is from another pid namespace");
	return 0;
}

static int
become(uid_t owner, struct err *e)
{
	if (owner == 0 || geteuid() != 0)
		return 0;
	if (setresuid(owner, owner, owner) == -1)
		return err_sys(e, errno, "cannot act for uid %ld", (long)owner);
	return 0;
}

/* Is the process behind pidfd the one on record? pidfd -1: a kernel without
 * them, or valgrind. */
static int
check_identity(const struct worker_record *w, int pidfd, struct err *e)
{
	switch (identity_holds(&w->id, w->pid, pidfd)) {
	case 1:
		return 0;
	case 0:
		return err_set(e, "process %d is another one by now", w->pid);
	default:
		return err_set(e,
		    "nothing on record proves that process %d is its own",
		    w->pid);
	}
}

/* A pidfd is readable once its process has ended; -1 never is. */
static int
has_ended(int pidfd, int wait_ms)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	return poll(&p, 1, wait_ms) == 1;
}

/* Stopped, it cannot end and leave its pid to another meanwhile. */
static int
stop(pid_t pid, int pidfd)
{
	if (pidfd == -1)
		return kill(pid, SIGSTOP);
	return sys_pidfd_send_signal(pidfd, SIGSTOP);
}

/* Kills what pidfd proves. -1: it was not to be. */
static int
kill_proven(
    const struct worker_record *w, int pidfd, int wait_ms, struct err *e)
{
	int killed;

	if (check_identity(w, pidfd, e) == -1)
		return -1;
	if (has_ended(pidfd, 0)) {
		print_error("%s: process %d has ended", w->name, w->pid);
		return 0;
	}
	if (stop(w->pid, pidfd) == -1)
		return err_sys(e, errno, "cannot kill process %d", w->pid);
	killed = has_ended(pidfd, 0) ? 0 : proctree_kill(w->pid);
	print_error("%s: killed process %d and %d more of its tree", w->name,
	    w->pid, killed > 0 ? killed - 1 : 0);
	if (pidfd != -1 && wait_ms > 0 && !has_ended(pidfd, wait_ms))
		return err_set(
		    e, "process %d, killed, is not gone yet", w->pid);
	return 0;
}

static int
kill_worker(const struct worker_record *w, int wait_ms, struct err *e)
{
	int pidfd, rc;

	if (w->pid == 0) {
		print_error("%s: has no process", w->name);
		return 0;
	}
	if (kill(w->pid, 0) == -1 && errno == ESRCH) {
		print_error("%s: process %d is gone", w->name, w->pid);
		return 0;
	}
	pidfd = sys_pidfd_open(w->pid);
	if (pidfd == -1 && errno != ENOSYS)
		return err_sys(e, errno, "cannot open process %d", w->pid);
	rc = kill_proven(w, pidfd, wait_ms, e);
	fd_close(&pidfd);
	return rc;
}

/* As supervisor_each_named() takes it. */
static int
is_named(const char *worker, const char *name)
{
	char id[WORKER_ID_SIZE];
	size_t len = strlen(name);

	if (*worker == '\0')
		return 0; /* gone */
	return strcmp(name, "all") == 0 || strcmp(worker, name) == 0 ||
	       (strncmp(worker, name, len) == 0 && worker[len] == ':') ||
	       (worker_id_complete(worker, id) == 0 && strcmp(id, name) == 0);
}

static int
check_names(const struct journal *j, const struct lastkill *k)
{
	size_t i, n;

	for (n = 0; n < k->nnames; n++) {
		for (i = 0; i < j->nworkers; i++)
			if (is_named(j->workers[i].name, k->names[n]))
				break;
		if (i == j->nworkers) {
			print_error("no such worker: '%s'", k->names[n]);
			return EXIT_NO_SUCH_NAME;
		}
	}
	return EXIT_DONE;
}

static int
is_wanted(const struct worker_record *w, const struct lastkill *k)
{
	size_t n;

	for (n = 0; n < k->nnames; n++)
		if (is_named(w->name, k->names[n]))
			return 1;
	return 0;
}

static int
kill_all_named(
    const struct journal *j, const struct lastkill *k, json_t *results)
{
	int status = EXIT_DONE, rc;
	struct err e;
	size_t i;

	for (i = 0; i < j->nworkers; i++) {
		const struct worker_record *w = &j->workers[i];

		if (!is_wanted(w, k))
			continue;
		rc = kill_worker(w, k->wait_ms, &e);
		if (rc == -1) {
			print_error("%s: %s", w->name, e.text);
			status = EXIT_FAILED;
		}
		json_array_append_new(results,
		    json_pack("{s:s, s:b, s:s, s:i, s:o}", "name", w->name,
			"done", rc == 0, "state", worker_state_name(w->state),
			"pid", w->pid, "error",
			varlink_string(rc == 0 ? NULL : e.text)));
	}
	return status;
}

int
lastkill_run(const struct lastkill *k, json_t **results)
{
	struct journal j = {.cap = 0};
	uid_t owner = 0;
	size_t len = 0;
	struct err e;
	char *text;
	int status = EXIT_FAILED;

	*results = NULL;
	text = read_state(k->socket, &len, &owner, &e);
	if (text == NULL || journal_read(&j, text, len, &e) == -1 ||
	    check_place(&j.fleet, &e) == -1) {
		print_error("%s", e.text);
		goto out;
	}
	status = check_names(&j, k);
	if (status != EXIT_DONE)
		goto out;
	status = EXIT_FAILED;
	if (become(owner, &e) == -1) {
		print_error("%s", e.text);
		goto out;
	}
	*results = json_array();
	status = kill_all_named(&j, k, *results);
out:
	journal_release(&j);
	free(text);
	return status;
}
