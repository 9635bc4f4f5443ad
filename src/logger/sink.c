/* sink: see sink.h. */
#include "logger/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"
#include "ipc/link.h"
#include "logger/ring.h"
#include "logger/rotate.h"

#define CHUNK (64 * 1024)          /* where a line's end is looked for */
#define LINE_MAX_BYTES (64 * 1024) /* one over log_size that is waited for */
#define ROTATE_AGAIN_MS 1000

/*
 * Goes on at the end of the file that is open. Between the first store and the
 * last one, how much is delivered is not read from the file's position.
 */
static int
go_to_end(struct delivery *d)
{
	struct stat st;
	off_t end;

	d->c->moving = d->at + 1;
	end = lseek(d->fd, 0, SEEK_END);
	if (end == -1 || fstat(d->fd, &st) == -1) {
		d->begun = 0;
		return delivery_failed(d, TROUBLE_OPEN, errno);
	}
	d->c->base = (int64_t)(d->at - (uint64_t)end);
	d->c->ino = st.st_ino;
	d->c->moving = 0;
	d->file_pos = (uint64_t)end;
	d->line_end = 1;
	return 0;
}

/*
 * A link in the place of the log may be a trap that whoever may write to the
 * directory has set; root's own links are followed.
 */
static int
open_path(const char *path)
{
	int flags =
		O_RDWR | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK | O_CLOEXEC,
	    fd;
	struct stat st;

	fd = open(path, flags | O_NOFOLLOW, 0644);
	if (fd == -1 && errno == EACCES) {
		flags = (flags & ~O_RDWR) | O_WRONLY;
		fd = open(path, flags | O_NOFOLLOW, 0644);
	}
	if (fd != -1 || errno != ELOOP || lstat(path, &st) == -1)
		return fd;
	if (st.st_uid == 0 || st.st_uid == geteuid())
		return open(path, flags, 0644);
	errno = ELOOP;
	return -1;
}

/* The new log is whose the old one was. */
static void
take_after(int fd, int old)
{
	struct stat st;

	if (old == -1 || fstat(old, &st) == -1 || !S_ISREG(st.st_mode))
		return;
	if (fchown(fd, st.st_uid, st.st_gid) == -1)
		return;
	fchmod(fd, st.st_mode & 07777);
}

/* What is written to by others too, as standard error may be, has no position
 * that would say how far we are. */
static int
look_at_file(struct delivery *d, struct stat *st)
{
	if (fstat(d->fd, st) == -1)
		return delivery_failed(d, TROUBLE_OPEN, errno);
	d->regular = S_ISREG(st->st_mode) && d->r->kind == OUTPUT_FILE;
	d->chunk = S_ISREG(st->st_mode) ? CHUNK : PIPE_BUF;
	/* One of an older svd's, too. */
	if (d->regular)
		fcntl(d->fd, F_SETFL, O_APPEND | O_NONBLOCK);
	return 0;
}

/* What is no regular file has no position: what is delivered says it all. */
static int
go_on_unpositioned(struct delivery *d)
{
	d->c->done = d->at;
	d->c->moving = 0;
	return 0;
}

/* Opens path and goes on there. */
static int
open_sink(struct delivery *d)
{
	char name[KEEPER_NAME_MAX + 1];
	struct stat st;
	int fd, is_new;

	d->c->moving = d->at + 1;
	is_new = lstat(d->r->path, &st) == -1;
	fd = open_path(d->r->path);
	if (fd == -1)
		return delivery_failed(d, TROUBLE_OPEN, errno);
	if (is_new)
		take_after(fd, d->fd);
	snprintf(name, sizeof(name), "sink:%s", d->c->key);
	link_hold(&d->lg->link, name, fd);
	fd_close(&d->fd);
	d->fd = fd;
	if (look_at_file(d, &st) == -1)
		return -1;
	return d->regular ? go_to_end(d) : go_on_unpositioned(d);
}

static void
look_for_line_end(struct delivery *d)
{
	char c = '\n';

	if (d->r->size > 0 && d->file_pos > 0 &&
	    pread(d->fd, &c, 1, (off_t)d->file_pos - 1) == 1)
		d->line_end = c == '\n';
}

/* The file that was open when all of svd was killed, if it has its name still;
 * nobody but us writes to it, so its end is where we were. */
static void
find_sink(struct delivery *d)
{
	char name[KEEPER_NAME_MAX + 1];
	struct stat st;
	int fd;

	if (d->c->moving != 0 || d->c->ino == 0 || d->r->path == NULL ||
	    stat(d->r->path, &st) == -1 || !S_ISREG(st.st_mode) ||
	    st.st_ino != d->c->ino)
		return;
	fd = open_path(d->r->path);
	if (fd == -1 || lseek(fd, 0, SEEK_END) == -1) {
		fd_close(&fd);
		return;
	}
	snprintf(name, sizeof(name), "sink:%s", d->c->key);
	link_hold(&d->lg->link, name, fd);
	d->fd = fd;
}

/* Is what begins at from in the file what comes next of the ring? No, if there
 * are other bytes; where it cannot be read we do not know better. */
static int
is_next(const struct delivery *d, uint64_t from, uint64_t len)
{
	static char file[CHUNK], ring[CHUNK];
	uint64_t done = 0;
	ssize_t n;

	if (len > CHUNK || len > d->c->pos - d->at)
		return 0;
	n = pread(d->fd, file, len, (off_t)from);
	if (n < (ssize_t)len)
		len = n < 0 ? 0 : (uint64_t)n;
	while (done < len) {
		n = ring_read(d->r->fd, d->c->window, d->at + done, ring + done,
		    len - done);
		if (n <= 0)
			return 0;
		done += (uint64_t)n;
	}
	return memcmp(file, ring, len) == 0;
}

/*
 * What was written and not noted: a file's position has come further by as
 * much. But all that is before it, if somebody has cut the file just before.
 */
static uint64_t
find_unnoted(const struct delivery *d, uint64_t pos)
{
	uint64_t noted = d->at - (uint64_t)d->c->base;

	if (pos >= noted && is_next(d, noted, pos - noted))
		return pos - noted;
	return is_next(d, 0, pos) ? pos : 0;
}

/* Goes on with the file that the one before us had open. */
static int
resume(struct delivery *d)
{
	struct stat st;
	off_t pos;

	if (d->c->moving != 0)
		d->at = d->c->moving - 1;
	if (d->fd == -1)
		find_sink(d);
	if (d->fd == -1 && d->r->path == NULL)
		return delivery_failed(d, TROUBLE_OPEN, ENOENT);
	if (d->fd == -1)
		return open_sink(d);
	if (look_at_file(d, &st) == -1)
		return -1;
	if (!d->regular)
		return go_on_unpositioned(d);
	if (d->c->moving != 0 || d->c->ino != st.st_ino)
		return go_to_end(d);
	pos = lseek(d->fd, 0, SEEK_CUR);
	if (pos == -1)
		return delivery_failed(d, TROUBLE_OPEN, errno);
	d->at += find_unnoted(d, (uint64_t)pos);
	/* Somebody has cut it, or written to it while there was no svd. */
	if (d->at != (uint64_t)(d->c->base + pos) && go_to_end(d) == -1)
		return -1;
	d->file_pos = d->at - (uint64_t)d->c->base;
	d->c->done = d->at;
	look_for_line_end(d);
	return 0;
}

static int
begin(struct delivery *d)
{
	d->at = d->c->done;
	/* A wish that the one before us did not live to obey is still one. */
	d->reopened = d->c->reopened;
	if (resume(d) == -1)
		return -1;
	d->begun = 1;
	return 0;
}

/* Is the file that is open the one that path names? */
static int
is_in_place(const struct delivery *d)
{
	struct stat here, there;

	return fstat(d->fd, &here) == 0 && stat(d->r->path, &there) == 0 &&
	       here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

static int
reopen(struct delivery *d)
{
	uint64_t wished = d->lg->cursors.head->reopen;

	if (d->r->path == NULL || is_in_place(d) || open_sink(d) == 0) {
		d->reopened = d->c->reopened = wished;
		return 0;
	}
	return -1;
}

static int
is_full(const struct delivery *d)
{
	return d->regular && d->r->path != NULL && d->r->size > 0 &&
	       d->file_pos >= d->r->size &&
	       (d->line_end || d->file_pos >= d->r->size + LINE_MAX_BYTES);
}

/* Where old logs cannot be moved, the present one grows on: better than to
 * hold up the worker. */
static int
rotate(struct delivery *d)
{
	int64_t now = sys_now_ms();

	if (d->rotate_at > now)
		return 0;
	d->c->moving = d->at + 1;
	/* Moved already, by a predecessor or by somebody else? */
	if (is_in_place(d) && rotate_shift(d->r->path, d->r->keep) == -1) {
		d->c->moving = 0;
		delivery_failed(d, TROUBLE_ROTATE, errno);
		d->retry_at = 0;
		d->rotate_at = now + ROTATE_AGAIN_MS;
		return 0;
	}
	d->rotate_at = 0;
	if (open_sink(d) == 0)
		return 0;
	/* It must not be written to any more. */
	fd_close(&d->fd);
	d->begun = 0;
	return -1;
}

/*
 * How many of these bytes are written at once: of a file that gets full, those
 * up to the line's end; of a pipe, whole lines, which others' do not get into.
 */
static size_t
cut(const struct delivery *d, const char *buf, size_t len)
{
	uint64_t room = d->r->size > d->file_pos ? d->r->size - d->file_pos : 1;
	const char *end;

	if (!d->regular)
		end = memrchr(buf, '\n', len);
	else if (d->r->size > 0 && room <= len)
		end = memchr(buf + room - 1, '\n', len - (room - 1));
	else
		end = NULL;
	return end == NULL ? len : (size_t)(end - buf) + 1;
}

/* A terminal that has hung up, a pipe that nobody will read any more: no reason
 * for workers to wait for ever, who did not ask for it. */
static int
is_nobody_left(const struct delivery *d)
{
	return d->r->kind == OUTPUT_STDERR &&
	       (errno == EPIPE || errno == EIO || errno == ENXIO);
}

/*
 * What is next in the ring, up to *len bytes. Of a window it is looked at where
 * it is, as long as much of it comes at a time: to copy it once less is a fifth
 * of the work. Through a buffer otherwise; sendfile(2) is no faster here, and
 * would not tell where a line ends. NULL and errno.
 */
static const char *
look(struct delivery *d, size_t *len)
{
	static char buf[CHUNK];
	uint64_t window = d->c->window, at = window > 0 ? d->at % window : 0;
	ssize_t n;

	if (d->map == NULL && *len == CHUNK && window > 0) {
		d->map = mmap(NULL, window, PROT_READ, MAP_SHARED, d->r->fd, 0);
		if (d->map == MAP_FAILED)
			d->map = NULL;
	}
	if (d->map != NULL) {
		if (*len > window - at)
			*len = window - at;
		return d->map + at;
	}
	n = ring_read(d->r->fd, window, d->at, buf, *len);
	if (n == 0)
		errno = EIO;
	*len = n > 0 ? (size_t)n : 0;
	return n > 0 ? buf : NULL;
}

static ssize_t
move_some(struct delivery *d)
{
	uint64_t there = d->c->pos - d->at;
	size_t len = there < d->chunk ? there : d->chunk;
	const char *from = look(d, &len);
	ssize_t n;

	if (from == NULL)
		return -1;
	len = cut(d, from, len);
	do
		n = write(d->fd, from, len);
	while (n == -1 && errno == EINTR);
	if (n == -1 && is_nobody_left(d))
		n = (ssize_t)len;
	if (n > 0)
		d->line_end = from[n - 1] == '\n';
	return n;
}

static int
step(struct delivery *d)
{
	struct stat st;
	ssize_t n;

	if (!d->begun)
		return begin(d) == -1 ? -1 : 1;
	if (d->reopened != d->lg->cursors.head->reopen && reopen(d) == -1)
		return -1;
	if (d->at == d->c->pos)
		return 0;
	if (is_full(d) && rotate(d) == -1)
		return -1;
	/* Somebody has cut it, or written to it. */
	if (d->regular && fstat(d->fd, &st) == 0 &&
	    (uint64_t)st.st_size != d->file_pos && go_to_end(d) == -1)
		return -1;
	n = move_some(d);
	if (n <= 0)
		return delivery_failed(
		    d, TROUBLE_WRITE, n == 0 ? ENOSPC : errno);
	d->file_pos += (uint64_t)n;
	delivery_done(d, (uint64_t)n);
	/* Or has done so just now. */
	if (d->regular && lseek(d->fd, 0, SEEK_CUR) != (off_t)d->file_pos &&
	    go_to_end(d) == -1)
		return -1;
	return 1;
}

int
sink_step(struct delivery *d)
{
	int rc;

	delivery_busy(d, 1);
	rc = step(d);
	delivery_busy(d, 0);
	return rc;
}
