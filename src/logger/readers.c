/* readers: see readers.h. */
#include "logger/readers.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "logger/attach.h"
#include "logger/reader.h"
#include "logger/streams.h"
#include "logger/terminals.h"

/* Where too many read already, the client hears it and is closed: it may come
 * again. */
static void
refuse(int client)
{
	static const char text[] =
	    "{\"error\":\"org.svd.Fleet.Failed\",\"parameters\":"
	    "{\"reason\":\"too many read logs or are attached now\"}}";

	if (send(client, text, sizeof(text), MSG_NOSIGNAL | MSG_DONTWAIT) == -1)
		log_debug("a reader of logs is gone");
}

/* --- lives ---------------------------------------------------------------- */

static void
forget_life(struct logger *lg, struct reader *r)
{
	/* Said to epoll: readers have copies. */
	if (r->life != -1)
		epoll_ctl(lg->epoll, EPOLL_CTL_DEL, r->life, NULL);
	fd_close(&r->life);
	r->id[0] = '\0';
}

/* What a terminal shows is its life's own; of whom has none the process's end
 * is waited for. The descriptors are as in the message: PL_ATTACH. */
static void
note_life(struct logger *lg, struct reader *r, const struct pl_msg *m,
    const int *fds, size_t nfds)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = lg->readers};
	json_t *p = json_loads(m->text, 0, NULL);
	const json_t *reply = json_object_get(p, "reply");
	const char *id = json_string_value(json_object_get(p, "id")),
		   *input = json_string_value(json_object_get(reply, "input"));
	size_t n = input == NULL || strcmp(input, "none") == 0 ? 1 : 2;

	if (id != NULL && input != NULL)
		snprintf(r->id, sizeof(r->id), "%s", id);
	if (input != NULL && strcmp(input, "tty") == 0)
		r->terminal = (unsigned long long)json_integer_value(
		    json_object_get(reply, "generation"));
	else if (input != NULL && n < nfds)
		r->life = fcntl(fds[n], F_DUPFD_CLOEXEC, 0);
	if (r->life != -1)
		epoll_ctl(lg->epoll, EPOLL_CTL_ADD, r->life, &ev);
	json_decref(p);
}

/* 1 + the position behind all that is in the FIFO; 0: where that comes among
 * what others write is not known. */
static uint64_t
end_of(const struct stream *s)
{
	int left = 0;

	if (s == NULL || s->ring == NULL || s->fd == -1 ||
	    ioctl(s->fd, FIONREAD, &left) == -1 ||
	    (left > 0 && s->ring->nstreams > 1))
		return 0;
	return s->ring->c->pos + (uint64_t)left + 1;
}

static void
note_end(struct logger *lg, int number)
{
	static const char *const streams[] = {"out", "err"};
	struct reader *r = &lg->readers[number];
	char key[CURSOR_KEY_SIZE + 4];
	size_t i;

	for (i = 0; i < sizeof(streams) / sizeof(*streams); i++) {
		snprintf(key, sizeof(key), "%s:%s", streams[i], r->id);
		lg->cursors.head->ends[number][i] =
		    end_of(names_pointer(&lg->streams, key));
	}
	forget_life(lg, r);
}

void
readers_look(struct logger *lg)
{
	struct pollfd p = {.events = POLLIN};
	int i;

	for (i = 0; i < CURSORS_READERS; i++) {
		p.fd = lg->readers[i].life;
		if (lg->readers[i].pid != 0 && p.fd != -1 &&
		    poll(&p, 1, 0) == 1)
			note_end(lg, i);
	}
}

void
readers_life_over(
    struct logger *lg, const char *id, unsigned long long generation)
{
	const struct reader *r;
	int i;

	for (i = 0; i < CURSORS_READERS; i++) {
		r = &lg->readers[i];
		if (r->pid != 0 && r->terminal == generation &&
		    strcmp(r->id, id) == 0)
			note_end(lg, i);
	}
}

/* --- coming and going ----------------------------------------------------- */

static int
find_free(const struct logger *lg)
{
	int i;

	for (i = 0; i < CURSORS_READERS && lg->readers[i].pid != 0; i++)
		;
	return i;
}

void
readers_start(struct logger *lg, const struct pl_msg *m, const int *fds,
    size_t nfds, int64_t now)
{
	int number = find_free(lg);
	pid_t main_pid = getpid();
	struct reader *r;

	if (number == CURSORS_READERS) {
		refuse(fds[0]);
		return;
	}
	r = &lg->readers[number];
	/* The last words of the dead are to be among what is shown. */
	streams_look_at_all(lg, now);
	lg->cursors.head->ends[number][0] = 0;
	lg->cursors.head->ends[number][1] = 0;
	*r = (struct reader){.life = -1};
	if (m->type == PL_ATTACH)
		note_life(lg, r, m, fds, nfds);
	r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->pid = r->wake_fd == -1 ? -1 : fork();
	if (r->pid == 0)
		terminals_leave(lg);
	if (r->pid == 0 && m->type == PL_ATTACH)
		attach_run(lg, m, fds, nfds, number, main_pid);
	if (r->pid == 0)
		reader_run(lg, m, fds[0], number, main_pid);
	if (r->pid == -1) {
		log_error("cannot start a reader of logs: %s", strerror(errno));
		fd_close(&r->wake_fd);
		forget_life(lg, r);
		r->pid = 0;
		refuse(fds[0]);
	}
}

int
readers_reaped(struct logger *lg, pid_t pid)
{
	int i;

	for (i = 0; i < CURSORS_READERS; i++)
		if (lg->readers[i].pid == pid) {
			lg->readers[i].pid = 0;
			fd_close(&lg->readers[i].wake_fd);
			forget_life(lg, &lg->readers[i]);
			return 1;
		}
	return 0;
}

void
readers_finish(struct logger *lg)
{
	int i;

	for (i = 0; i < CURSORS_READERS; i++)
		if (lg->readers[i].pid != 0)
			eventfd_write(lg->readers[i].wake_fd, 1);
}

size_t
readers_count(const struct logger *lg)
{
	size_t n = 0;
	int i;

	for (i = 0; i < CURSORS_READERS; i++)
		n += lg->readers[i].pid != 0;
	return n;
}
