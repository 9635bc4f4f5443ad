/* input: see input.h. */
#include "supervisor/input.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"
#include "supervisor/supervisor.h"

#ifndef TIOCGPTPEER
#	define TIOCGPTPEER _IO('T', 0x41) /* Linux 4.13 */
#endif

#define ROWS 24
#define COLUMNS 80

static void
held_name(const char *kind, const char *id, uint64_t generation,
    char out[KEEPER_NAME_MAX + 1])
{
	snprintf(
	    out, KEEPER_NAME_MAX + 1, "%s:%s:%" PRIu64, kind, id, generation);
}

static const char *
kind_of(const struct worker_input *in)
{
	return in->is_tty ? "tty" : "in";
}

/* Where there is no /dev/pts, too; or by that, where the kernel has no call. */
static int
open_slave(int master)
{
	static const int flags = O_RDWR | O_NOCTTY | O_CLOEXEC;
	int fd = ioctl(master, TIOCGPTPEER, flags), number;
	char path[32];

	if (fd != -1 || ioctl(master, TIOCGPTN, &number) == -1)
		return fd;
	snprintf(path, sizeof(path), "/dev/pts/%d", number);
	return open(path, flags);
}

/* A pipe's by /proc, as for whoever opens a file of his own. */
static int
open_end(const struct worker_input *in)
{
	char path[32];

	if (in->is_tty)
		return open_slave(in->fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", in->fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Ours never blocks; the worker's, a description apart, does. */
static int
make_pipe(struct worker_input *in, int *end)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) == -1)
		return -1;
	in->fd = ends[1];
	*end = ends[0];
	return fcntl(in->fd, F_SETFL, O_WRONLY | O_NONBLOCK);
}

static int
open_master(void)
{
	static const int flags = O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
	int fd = open("/dev/ptmx", flags);

	return fd != -1 ? fd : open("/dev/pts/ptmx", flags);
}

/* As the kernel makes it, but for a size, and characters that may be several
 * bytes. */
static int
make_terminal(struct worker_input *in, int *end)
{
	struct winsize size = {.ws_row = ROWS, .ws_col = COLUMNS};
	struct termios t;
	int locked = 0;

	in->fd = open_master();
	if (in->fd == -1 || ioctl(in->fd, TIOCSPTLCK, &locked) == -1)
		return -1;
	*end = open_end(in);
	if (*end == -1 || tcgetattr(*end, &t) == -1)
		return -1;
	t.c_iflag |= IUTF8;
	if (tcsetattr(*end, TCSANOW, &t) == -1)
		return -1;
	return ioctl(in->fd, TIOCSWINSZ, &size);
}

static int
make(struct worker *w, int *end, struct err *e)
{
	struct worker_input *in = &w->input;
	char name[KEEPER_NAME_MAX + 1];

	in->is_tty = w->conf->tty;
	in->generation = w->rec.generation;
	*end = -1;
	if ((in->is_tty ? make_terminal(in, end) : make_pipe(in, end)) == -1) {
		err_sys(e, errno, "streams: cannot make a %s",
		    in->is_tty ? "terminal" : "pipe");
		input_close(end);
		fd_close(&in->fd);
		return -1;
	}
	held_name(kind_of(in), w->rec.name, in->generation, name);
	link_hold(&w->sup->link, name, in->fd);
	return 0;
}

int
input_open(struct worker *w, int *end, struct err *e)
{
	struct worker_input *in = &w->input;

	*end = 0;
	/* That of a birth which did not take place. */
	if (in->fd != -1 &&
	    (in->generation != w->rec.generation ||
		!worker_has_input(w->conf) || in->is_tty != w->conf->tty))
		input_end(w);
	if (!worker_has_input(w->conf) || w->sup->init_mode)
		return 0;
	/* Its START may not have been read yet, and is sent again. */
	if (in->fd != -1 && (*end = open_end(in)) != -1)
		return 0;
	fd_close(&in->fd);
	return make(w, end, e);
}

void
input_close(int *end)
{
	if (*end > 0)
		fd_close(end);
	*end = 0;
}

static void
let_go(struct supervisor *s, const struct worker_input *in, const char *id)
{
	char name[KEEPER_NAME_MAX + 1];

	if (in->is_tty) {
		held_name("rest", id, in->generation, name);
		link_hold(&s->link, name, in->fd);
	}
	held_name(kind_of(in), id, in->generation, name);
	link_drop(&s->link, name);
}

void
input_end(struct worker *w)
{
	if (w->input.fd == -1)
		return;
	let_go(w->sup, &w->input, w->rec.name);
	fd_close(&w->input.fd);
}

/* "tty:web:0:7". -1: it is none. */
static int
parse_name(const char *held, struct worker_input *in, char id[WORKER_ID_SIZE])
{
	const char *last = strrchr(held, ':'), *first = strchr(held, ':');
	size_t len;

	in->is_tty = strncmp(held, "tty:", 4) == 0;
	if (!in->is_tty && strncmp(held, "in:", 3) != 0)
		return -1;
	len = last > first ? (size_t)(last - first - 1) : WORKER_ID_SIZE;
	if (len >= WORKER_ID_SIZE ||
	    sscanf(last + 1, "%" SCNu64, &in->generation) != 1)
		return -1;
	memcpy(id, first + 1, len);
	id[len] = '\0';
	return 0;
}

/* Its own, or that of a life whose end was recorded, and no more. */
static void
take(struct supervisor *s, struct worker_input *in, const char *id)
{
	struct worker *w = roster_by_id(&s->roster, id);

	if (w != NULL && in->generation == w->rec.generation &&
	    (w->rec.pid != 0 || w->rec.token != 0)) {
		fd_close(&w->input.fd);
		w->input = *in;
		return;
	}
	let_go(s, in, id);
	fd_close(&in->fd);
}

void
input_init(struct supervisor *s)
{
	struct worker_input in;
	char id[WORKER_ID_SIZE];
	struct link_held *h;
	size_t i;

	for (i = 0; i < s->link.nheld; i++) {
		h = &s->link.held[i];
		if (h->fd == -1 || parse_name(h->name, &in, id) == -1)
			continue;
		in.fd = h->fd;
		h->fd = -1;
		take(s, &in, id);
	}
}
