/* state: see state.h. */
#include "supervisor/state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

void
state_fill_header(struct fleet_record *h, const char *name, uint64_t epoch)
{
	*h = (struct fleet_record){
	    .schema = RECORD_SCHEMA, .epoch = epoch, .pidns = identity_pidns()};
	identity_boot(h->boot_id);
	snprintf(h->name, sizeof(h->name), "%s", name);
}

/* One write. 0, or why not all of it was written. */
static int
write_once(int fd, const char *line, size_t len)
{
	ssize_t n;

	do
		n = write(fd, line, len);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return errno;
	return (size_t)n == len ? 0 : ENOSPC;
}

static void
note_lag(struct state *st, int error)
{
	if (!st->lagging)
		log_error("cannot write '%s/%s': %s; it lags behind until it "
			  "can be written",
		    st->dir, RUNTIME_STATE, strerror(error));
	st->lagging = 1;
	fd_close(&st->file);
}

static void
note_failure(struct state *st, int error)
{
	if (!st->failed)
		log_error("cannot record what happens: %s; it is lost if the "
			  "supervisor dies now",
		    strerror(error));
	st->failed = 1;
}

static int
has_grown(const struct state *st)
{
	return st->size >= STATE_REWRITE_BYTES && st->size >= 2 * st->live;
}

int
state_degraded(const struct state *st)
{
	return st->failed || st->lagging;
}

/* A newline first where the line before is torn. */
void
state_put(struct state *st, const struct record *r)
{
	char text[1 + RECORD_MAX], *line = text + 1;
	size_t len;
	int error;

	text[0] = '\n';
	len = record_format(r, line);
	error = write_once(st->fd, line - st->torn, len + (size_t)st->torn);
	if (error != 0) {
		note_failure(st, error);
		st->torn = 1;
	} else {
		st->size += len + (size_t)st->torn;
		st->torn = 0;
	}
	if (st->file != -1) {
		error = write_once(st->file, line, len);
		if (error != 0)
			note_lag(st, error);
	}
	if ((state_degraded(st) || has_grown(st)) && st->grown != NULL)
		st->grown(st, st->arg);
}

static int
new_journal(struct err *e)
{
	int fd = sys_memfd("svd-state");

	if (fd == -1)
		return err_sys(e, errno, "cannot make a memfd");
	fcntl(fd, F_SETFL, O_APPEND);
	return fd;
}

/* Everything that matters, in a new memfd. */
static int
write_anew(struct state *st, struct err *e)
{
	struct record header = {.kind = RECORD_FLEET, .u.fleet = st->header};
	struct state next = *st;

	next.fd = new_journal(e);
	if (next.fd == -1)
		return -1;
	next.file = -1;
	next.size = 0;
	next.torn = next.failed = next.lagging = 0;
	next.grown = NULL;
	state_put(&next, &header);
	if (st->dump != NULL)
		st->dump(&next, st->arg);
	if (next.failed) {
		fd_close(&next.fd);
		return err_set(e, "cannot write state anew");
	}
	fd_close(&st->fd);
	st->fd = next.fd;
	st->size = st->live = next.size;
	st->torn = st->failed = 0;
	if (st->changed_fd != NULL)
		st->changed_fd(st, st->arg);
	return 0;
}

static char *
read_journal(struct state *st, size_t *len)
{
	if (lseek(st->fd, 0, SEEK_SET) == -1)
		return NULL;
	return fd_read_all(st->fd, STATE_MAX_BYTES, len);
}

/* The whole journal in a new file, which then takes the old one's name; what
 * it is open by, or -1 and errno. */
static int
copy_to(const char *dir, const char *text, size_t len)
{
	char from[PATH_MAX], to[PATH_MAX];
	int fd, error;

	snprintf(from, sizeof(from), "%s/%s", dir, STATE_NEW);
	snprintf(to, sizeof(to), "%s/%s", dir, RUNTIME_STATE);
	unlink(from);
	fd = open(
	    from, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	if (fd == -1)
		return -1;
	if (fd_write_all(fd, text, len) == 0 && rename(from, to) == 0)
		return fd;
	error = errno;
	fd_close(&fd);
	unlink(from);
	errno = error;
	return -1;
}

static void
copy_out(struct state *st)
{
	size_t len;
	char *text;

	fd_close(&st->file);
	if (st->dir == NULL)
		return;
	text = read_journal(st, &len);
	if (text != NULL)
		st->file = copy_to(st->dir, text, len);
	if (st->file == -1)
		note_lag(st, errno);
	else if (st->lagging) {
		log_info("state is written again");
		st->lagging = 0;
	}
	free(text);
}

void
state_maintain(struct state *st)
{
	struct err e;

	if (st->failed || has_grown(st)) {
		if (write_anew(st, &e) == -1) {
			log_error("%s", e.text);
			/* Not again before it has grown as much again. */
			st->live = st->size;
		}
		copy_out(st);
	} else if (st->lagging)
		copy_out(st);
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

/* What is_ours() says, -2 where it cannot be read; if 1, it was replayed. */
static int
replay_all(struct state *st, state_replay_fn *replay)
{
	char *text, *line, *end;
	size_t size;
	int ours = 0;

	text = read_journal(st, &size);
	if (text == NULL)
		return -2;
	for (line = text; *line != '\0'; line = end + 1) {
		end = strchr(line, '\n');
		if (end == NULL) {
			st->torn = 1;
			replay_line(st, line, strlen(line), &ours, replay);
			break;
		}
		replay_line(st, line, (size_t)(end - line), &ours, replay);
	}
	/* How much of it matters is not known: written anew if it is large. */
	st->size = size;
	st->live = 0;
	free(text);
	return ours;
}

int
state_open(struct state *st, int held, const char *dir,
    const struct fleet_record *header, state_replay_fn *replay, struct err *e)
{
	int ours;

	st->fd = held;
	st->file = -1;
	st->dir = dir;
	st->header = *header;
	ours = held == -1 ? 0 : replay_all(st, replay);
	if (ours == -1)
		return err_set(
		    e, "state is of a newer schema than %d", RECORD_SCHEMA);
	/* Not to be taken for an empty one: its workers live. */
	if (ours == -2)
		return err_sys(e, errno, "cannot read state");
	if (ours == 0 && write_anew(st, e) == -1)
		return -1;
	copy_out(st);
	if (st->lagging && st->grown != NULL)
		st->grown(st, st->arg);
	return 0;
}

void
state_close(struct state *st)
{
	fd_close(&st->fd);
	fd_close(&st->file);
}
