/* journal: see journal.h. */
#include "ctl/journal.h"

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

#include "base/fd.h"
#include "base/identity.h"
#include "base/runtime.h"
#include "base/sys.h"
#include "ctl/exits.h"
#include "ctl/print.h"

#define STATE_MAX (64 * 1024 * 1024)

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
journal_exists(const char *socket)
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
journal_take(struct journal *j, const struct record *r, struct err *e)
{
	if (r->kind == RECORD_FLEET)
		j->fleet = r->u.fleet;
	else if (r->kind == RECORD_WORKER && journal_put(j, &r->u.worker) == -1)
		return err_set(e, "out of memory");
	else if (r->kind == RECORD_GONE)
		journal_forget(j, r->u.gone.name);
	return 0;
}

static int
journal_read(struct journal *j, const char *text, size_t len, struct err *e)
{
	struct record_reader rd;
	struct record r;

	j->index = json_object();
	record_read(&rd, text, len);
	while (record_next(&rd, &r))
		if (journal_take(j, &r, e) == -1)
			return -1;
	j->ntorn = rd.ntorn;
	if (j->fleet.schema == 0)
		return err_set(e, "the journal has no valid first line");
	if (!record_schema_known(j->fleet.schema))
		return err_set(e,
		    "the journal is of schema %d, this svctl reads schema %d "
		    "to %d",
		    j->fleet.schema, RECORD_SCHEMA_OLDEST, RECORD_SCHEMA);
	use_names(j);
	return 0;
}

int
journal_load(struct journal *j, const char *socket, struct err *e)
{
	size_t len = 0;
	char *text;
	int rc;

	*j = (struct journal){.cap = 0};
	text = read_state(socket, &len, &j->owner, e);
	rc = text == NULL ? -1 : journal_read(j, text, len, e);
	free(text);
	return rc;
}

void
journal_release(struct journal *j)
{
	json_decref(j->index);
	free(j->workers);
}

int
journal_check_place(const struct journal *j, struct err *e)
{
	const struct fleet_record *f = &j->fleet;
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
has_ended(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

enum journal_process
journal_prove(const struct worker_record *w, int *pidfd)
{
	int holds;

	*pidfd = -1;
	if (w->pid == 0)
		return PROCESS_NONE;
	if (kill(w->pid, 0) == -1 && errno == ESRCH)
		return PROCESS_GONE;
	*pidfd = sys_pidfd_open(w->pid);
	if (*pidfd == -1 && errno == ESRCH)
		return PROCESS_GONE;
	if (*pidfd == -1 && errno != ENOSYS)
		return PROCESS_UNKNOWN;
	holds = identity_holds(&w->id, w->pid, *pidfd);
	if (holds == 1 && !has_ended(*pidfd))
		return PROCESS_ALIVE;
	fd_close(pidfd);
	if (holds == 1)
		return PROCESS_GONE;
	return holds == 0 ? PROCESS_ANOTHER : PROCESS_UNKNOWN;
}

int
journal_is_named(const struct worker_record *w, const char *name)
{
	char id[WORKER_ID_SIZE];
	const char *worker = w->name;
	size_t len = strlen(name);

	if (*worker == '\0')
		return 0; /* gone */
	return strcmp(name, "all") == 0 || strcmp(worker, name) == 0 ||
	       (strncmp(worker, name, len) == 0 && worker[len] == ':') ||
	       (worker_id_complete(worker, id) == 0 && strcmp(id, name) == 0);
}

int
journal_check_names(const struct journal *j, char *const *names, size_t n)
{
	size_t i, k;

	for (k = 0; k < n; k++) {
		for (i = 0; i < j->nworkers; i++)
			if (journal_is_named(&j->workers[i], names[k]))
				break;
		if (i == j->nworkers) {
			print_error("no such worker: '%s'", names[k]);
			return EXIT_NO_SUCH_NAME;
		}
	}
	return EXIT_DONE;
}

int
journal_is_picked(const struct worker_record *w, char *const *names, size_t n)
{
	size_t k;

	for (k = 0; k < n; k++)
		if (journal_is_named(w, names[k]))
			return 1;
	return n == 0 && w->name[0] != '\0';
}
