/* state: see state.h. */
#include "supervisor/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/runtime.h"
#include "base/sys.h"

#define STATE_MAX_BYTES (256 << 20)
#define STATE_NEW RUNTIME_STATE ".new"
#define PATH_BYTES 512

void
state_fill_header(struct fleet_record *h, const char *name, uint64_t epoch)
{
	*h = (struct fleet_record){
	    .schema = RECORD_SCHEMA, .epoch = epoch, .pidns = identity_pidns()};
	identity_boot(h->boot_id);
	snprintf(h->name, sizeof(h->name), "%s", name);
}

/* A file that is not yet there under its name, or a memfd. */
static int
open_new(const char *dir, struct err *e)
{
	char path[PATH_BYTES];
	int fd;

	if (dir == NULL) {
		fd = sys_memfd("svd-state");
		if (fd == -1)
			return err_sys(e, errno, "cannot make a memfd");
		fcntl(fd, F_SETFL, O_APPEND);
		return fd;
	}
	snprintf(path, sizeof(path), "%s/%s", dir, STATE_NEW);
	unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	if (fd == -1)
		return err_sys(e, errno, "cannot create '%s'", path);
	return fd;
}

static int
put_in_place(const char *dir, struct err *e)
{
	char from[PATH_BYTES], to[PATH_BYTES];

	if (dir == NULL)
		return 0;
	snprintf(from, sizeof(from), "%s/%s", dir, STATE_NEW);
	snprintf(to, sizeof(to), "%s/%s", dir, RUNTIME_STATE);
	if (rename(from, to) == -1)
		return err_sys(e, errno, "cannot rename '%s'", from);
	return 0;
}

static void
note_failure(struct state *st, int error)
{
	if (!st->failed)
		log_error("cannot write state: %s; workers run on, but what "
			  "happens now is lost if the supervisor dies too",
		    strerror(error));
	st->failed = 1;
	st->failure = error;
}

/* One write: a newline first where the line before is torn. */
static void
append(struct state *st, const struct record *r)
{
	char line[1 + RECORD_MAX];
	size_t len;
	ssize_t n;

	line[0] = '\n';
	len = record_format(r, line + 1) + 1;
	do
		n = write(st->fd, line + !st->torn, len - !st->torn);
	while (n == -1 && errno == EINTR);
	if (n != (ssize_t)(len - !st->torn)) {
		note_failure(st, n == -1 ? errno : ENOSPC);
		st->torn = st->torn || n > 0;
		return;
	}
	st->torn = 0;
	st->size += (size_t)n;
}

static int
needs_care(const struct state *st)
{
	return st->failed ||
	       (st->size >= STATE_REWRITE_BYTES && st->size >= 2 * st->live);
}

void
state_put(struct state *st, const struct record *r)
{
	append(st, r);
	if (needs_care(st) && st->grown != NULL)
		st->grown(st, st->arg);
}

/*
 * Everything that matters into a new file, which then takes the old one's
 * place. The keeper may hold the old one a moment longer: until the next
 * record, both say the same.
 */
static int
rewrite(struct state *st, struct err *e)
{
	struct record header = {.kind = RECORD_FLEET, .u.fleet = st->header};
	struct state next = *st;

	next.grown = NULL;
	next.fd = open_new(st->dir, e);
	if (next.fd == -1)
		return -1;
	next.size = 0;
	next.torn = next.failed = 0;
	append(&next, &header);
	if (st->dump != NULL && !next.failed)
		st->dump(&next, st->arg);
	if (next.failed) {
		fd_close(&next.fd);
		return err_sys(e, next.failure, "cannot write state anew");
	}
	if (put_in_place(st->dir, e) == -1) {
		fd_close(&next.fd);
		return -1;
	}
	fd_close(&st->fd);
	next.grown = st->grown;
	*st = next;
	st->live = st->size;
	if (st->changed_fd != NULL)
		st->changed_fd(st, st->arg);
	return 0;
}

void
state_maintain(struct state *st)
{
	int was_failed = st->failed;
	struct err e;

	if (!needs_care(st))
		return;
	if (rewrite(st, &e) == 0) {
		if (was_failed)
			log_info("state can be written again");
		return;
	}
	if (!was_failed)
		log_error("%s", e.text);
	/* Not again at every step. */
	st->live = st->size;
	st->failed = 1;
}

/* Is the journal of this header this keeper's? -1: it is, and of a schema that
 * we do not know. */
static int
is_ours(const struct state *st, const struct fleet_record *f)
{
	if (f->epoch != st->header.epoch)
		return 0;
	return f->schema <= RECORD_SCHEMA ? 1 : -1;
}

static void
replay_line(struct state *st, const char *line, size_t len, int *ours,
    state_replay_fn *replay)
{
	struct record r;

	if (len == 0)
		return;
	if (record_parse(line, len, &r) == -1) {
		log_warn("state has a torn line of %zu bytes, skipped", len);
		return;
	}
	if (r.kind == RECORD_FLEET)
		*ours = is_ours(st, &r.u.fleet);
	else if (*ours == 1)
		replay(&r, st->arg);
}

/* What is_ours() says; if 1, it was replayed. */
static int
replay_all(struct state *st, state_replay_fn *replay)
{
	char *text, *line, *end;
	size_t size;
	int ours = 0;

	if (lseek(st->fd, 0, SEEK_SET) == -1)
		return 0;
	text = fd_read_all(st->fd, STATE_MAX_BYTES, &size);
	if (text == NULL)
		return 0;
	for (line = text; *line != '\0'; line = end + 1) {
		end = strchr(line, '\n');
		if (end == NULL) {
			st->torn = 1;
			replay_line(st, line, strlen(line), &ours, replay);
			break;
		}
		replay_line(st, line, (size_t)(end - line), &ours, replay);
	}
	st->size = st->live = size;
	free(text);
	return ours;
}

/* Is the file under its name still the one that is held? */
static int
is_in_place(const struct state *st)
{
	char path[PATH_BYTES];
	struct stat a, b;

	if (st->dir == NULL)
		return 1;
	snprintf(path, sizeof(path), "%s/%s", st->dir, RUNTIME_STATE);
	return stat(path, &a) == 0 && fstat(st->fd, &b) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

int
state_open(struct state *st, int held, const char *dir,
    const struct fleet_record *header, state_replay_fn *replay, struct err *e)
{
	int ours;

	st->fd = held;
	st->dir = dir;
	st->header = *header;
	ours = held == -1 ? 0 : replay_all(st, replay);
	if (ours == -1)
		return err_set(
		    e, "state is of a newer schema than %d", RECORD_SCHEMA);
	if (ours == 1) {
		if (is_in_place(st))
			return 0;
		/* A rewrite was cut short, or the directory is gone; what is
		 * held is whole, so the file's place can wait. */
		if (rewrite(st, e) == -1)
			log_warn("%s", e->text);
		return 0;
	}
	return rewrite(st, e);
}

void
state_close(struct state *st)
{
	fd_close(&st->fd);
}
