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

static int
has_grown(const struct state *st)
{
	return st->size >= STATE_REWRITE_BYTES && st->size >= 2 * st->live;
}

int
state_degraded(const struct state *st)
{
	return st->failed || st->narrow || st->lagging;
}

int
state_behind(const struct state *st)
{
	return st->failed != 0;
}

const char *
state_trouble(const struct state *st)
{
	return state_degraded(st) ? st->trouble : NULL;
}

/* After each change of what is wrong. */
static void
put_into_words(struct state *st)
{
	size_t size = sizeof(st->trouble);

	if (st->failed)
		snprintf(st->trouble, size, "cannot record what happens: %s",
		    strerror(st->failed));
	else if (st->narrow)
		snprintf(st->trouble, size,
		    "no room to record what happens: %s", strerror(st->narrow));
	else if (st->lagging)
		snprintf(st->trouble, size, "cannot write '%s/%s': %s", st->dir,
		    RUNTIME_STATE, strerror(st->lagging));
}

static void
note_lag(struct state *st, int error)
{
	if (!st->lagging)
		log_error("cannot write '%s/%s': %s; it lags behind until it "
			  "can be written",
		    st->dir, RUNTIME_STATE, strerror(error));
	st->lagging = error;
	put_into_words(st);
	fd_close(&st->file);
}

static void
note_failure(struct state *st, int error)
{
	if (!st->failed)
		log_error("cannot record what happens: %s; nobody is born and "
			  "no exit is taken before that is mended",
		    strerror(error));
	st->failed = error;
	put_into_words(st);
}

static void
ask_for_maintenance(struct state *st)
{
	if (st->grown != NULL)
		st->grown(st, st->arg);
}

/* Memory for what comes next. Where the kernel does not know of this, it is
 * found out when it is needed. 0, or an errno. */
static int
make_room(struct state *st)
{
	if (st->room >= st->size + STATE_ROOM_BYTES / 2)
		return 0;
	if (fallocate(st->fd, FALLOC_FL_KEEP_SIZE, (off_t)st->size,
		STATE_ROOM_BYTES) == -1 &&
	    errno != EOPNOTSUPP && errno != ENOSYS)
		return errno;
	st->room = st->size + STATE_ROOM_BYTES;
	return 0;
}

int
state_reserve(struct state *st)
{
	int error = make_room(st);

	if (error != 0 && !st->narrow) {
		log_warn("no room to record what happens: %s; it is asked for "
			 "again and again",
		    strerror(error));
		st->narrow = error;
		put_into_words(st);
		ask_for_maintenance(st);
	}
	if (!st->failed && st->room >= st->size + STATE_LIFE_BYTES)
		return 0;
	errno = st->failed ? st->failed : error;
	return -1;
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
	if (st->batch != NULL) {
		if (buf_add(st->batch, line, len) == -1)
			st->failed = ENOMEM;
		return;
	}
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
	if (state_degraded(st) || has_grown(st))
		ask_for_maintenance(st);
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

/* All that matters, in one go. 0, or an errno. */
static int
write_all(struct state *st)
{
	struct record header = {.kind = RECORD_FLEET, .u.fleet = st->header};
	struct buf lines = {0};
	int error;

	st->batch = &lines;
	state_put(st, &header);
	if (st->dump != NULL)
		st->dump(st, st->arg);
	st->batch = NULL;
	error = st->failed;
	if (error == 0 && fd_write_all(st->fd, lines.data, lines.len) == -1)
		error = errno;
	st->size = lines.len;
	buf_release(&lines);
	return error;
}

/* Everything that matters, in a new memfd. */
static int
write_anew(struct state *st, struct err *e)
{
	struct state next = *st;
	int error;

	next.fd = new_journal(e);
	if (next.fd == -1)
		return -1;
	next.file = -1;
	next.room = 0;
	next.torn = next.failed = next.narrow = next.lagging = 0;
	next.grown = NULL;
	error = write_all(&next);
	if (error == 0)
		error = make_room(&next);
	if (error != 0) {
		fd_close(&next.fd);
		return err_sys(e, error, "cannot write state anew");
	}
	fd_close(&st->fd);
	st->fd = next.fd;
	st->size = st->live = next.size;
	st->room = next.room;
	st->torn = 0;
	if (st->failed || st->narrow)
		log_info("what happens is recorded again");
	st->failed = st->narrow = 0;
	put_into_words(st);
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

/* Not again before it has grown as much again. */
static void
renew(struct state *st)
{
	struct err e;

	if (write_anew(st, &e) == -1) {
		log_debug("%s", e.text);
		st->live = st->size;
	}
	copy_out(st);
}

void
state_maintain(struct state *st)
{
	if (st->failed || has_grown(st))
		renew(st);
	else if (st->lagging)
		copy_out(st);
	if (st->narrow && make_room(st) == 0) {
		log_info("there is room again to record what happens");
		st->narrow = 0;
		put_into_words(st);
	}
}

int
state_copy(struct state *st, struct err *e)
{
	if (st->dir == NULL)
		return err_set(e, "there is no runtime directory");
	state_maintain(st);
	copy_out(st);
	return st->failed || st->lagging ? err_set(e, "%s", st->trouble) : 0;
}

void
state_renew(struct state *st)
{
	if (st->header.schema == RECORD_SCHEMA)
		return;
	st->header.schema = RECORD_SCHEMA;
	renew(st);
}

/* How far a journal is this keeper's: a header of another one's is followed by
 * nothing that concerns us. */
enum ownership {
	FOREIGN,
	OURS,
	OURS_UNKNOWN, /* of a schema that we do not know */
	UNREADABLE
};

static int
is_of_this_boot(const struct state *st, const struct fleet_record *f)
{
	return f->pidns == st->header.pidns &&
	       strcmp(f->boot_id, st->header.boot_id) == 0;
}

/* Where st has no epoch, any keeper's that ran here is ours. */
static enum ownership
owner_of(struct state *st, const struct fleet_record *f)
{
	if (st->header.epoch == 0 ? !is_of_this_boot(st, f)
				  : f->epoch != st->header.epoch)
		return FOREIGN;
	st->header.schema = f->schema;
	st->header.ending = f->ending;
	return record_schema_known(f->schema) ? OURS : OURS_UNKNOWN;
}

/* If it is OURS, it was replayed. */
static enum ownership
replay_all(struct state *st, state_replay_fn *replay)
{
	enum ownership now = FOREIGN, most = FOREIGN;
	struct record_reader rd;
	struct record r;
	size_t size;
	char *text;

	text = read_journal(st, &size);
	if (text == NULL)
		return UNREADABLE;
	record_read(&rd, text, size);
	while (most != OURS_UNKNOWN && record_next(&rd, &r)) {
		if (r.kind != RECORD_FLEET) {
			if (now == OURS)
				replay(&r, st->arg);
			continue;
		}
		now = owner_of(st, &r.u.fleet);
		if (now > most)
			most = now;
	}
	if (rd.ntorn > 0)
		log_warn("state has %zu torn lines, skipped", rd.ntorn);
	st->torn = rd.unended;
	/* How much of it matters is not known: written anew if it is large. */
	st->size = size;
	st->live = 0;
	free(text);
	return most;
}

int
state_open(struct state *st, int held, const char *dir,
    const struct fleet_record *header, state_replay_fn *replay, struct err *e)
{
	enum ownership ours;

	st->fd = held;
	st->file = -1;
	st->dir = dir;
	st->header = *header;
	ours = held == -1 ? FOREIGN : replay_all(st, replay);
	if (ours == OURS_UNKNOWN)
		return err_set(e,
		    "state is of schema %d, this svd reads schema %d to %d",
		    st->header.schema, RECORD_SCHEMA_OLDEST, RECORD_SCHEMA);
	/* Not to be taken for an empty one: its workers live. */
	if (ours == UNREADABLE)
		return err_sys(e, errno, "cannot read state");
	if (ours == FOREIGN && write_anew(st, e) == -1)
		return -1;
	copy_out(st);
	if (st->lagging)
		ask_for_maintenance(st);
	return 0;
}

void
state_put_ending(struct state *st)
{
	struct record r = {.kind = RECORD_FLEET};

	st->header.ending = 1;
	r.u.fleet = st->header;
	state_put(st, &r);
}

int
state_replay_former(
    int fd, state_replay_fn *replay, void *arg, int *ending, struct err *e)
{
	struct state st = {.fd = fd, .file = -1, .arg = arg};

	state_fill_header(&st.header, "", 0);
	switch (replay_all(&st, replay)) {
	case OURS:
		*ending = st.header.ending;
		return 0;
	case OURS_UNKNOWN:
		return err_set(e, "it is of schema %d", st.header.schema);
	case UNREADABLE:
		return err_sys(e, errno, "cannot read it");
	default:
		return err_set(e, "it is of another boot, or no journal");
	}
}

void
state_close(struct state *st)
{
	fd_close(&st->fd);
	fd_close(&st->file);
}
