/* births: see births.h. */
#include "supervisor/births.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/sys.h"
#include "ipc/proto_birth.h"
#include "supervisor/aside.h"
#include "supervisor/supervisor.h"

/* A predecessor was ended by the keeper after as long: what is not through
 * by then will not be. */
#define PATIENCE_MS 10000
#define GIVE_UP_MS 1000 /* from its KILL */

/* What a floor that is no command runs on. */
static const char *
interpreter(const struct worker_conf *c)
{
	if (c->as_floor == NULL || c->as_floor->runtime != FLOOR_PYTHON)
		return "";
	return c->as_floor->python == NULL ? "python3" : c->as_floor->python;
}

void
births_describe(
    const struct birth *b, const struct worker *w, char *out, size_t size)
{
	const struct worker_conf *c = w->conf;
	enum aside a = aside_by_token(w, b->token);
	char **argv = a == ASIDE_NONE ? c->argv : aside_argv(w, a);
	const char *subject = "";
	struct err e;

	if (b->stage == BIRTH_DIRECTORY)
		subject = c->directory;
	else if (b->stage == BIRTH_EXEC || b->stage == BIRTH_INTERPRETER)
		subject = argv == NULL ? interpreter(c) : argv[0];
	else if (b->stage == BIRTH_USER && c->user != NULL)
		subject = c->user;
	else if (b->stage == BIRTH_LIMITS && b->detail < LIMIT_COUNT)
		subject = limit_name((enum limit_id)b->detail);
	if (b->stage == BIRTH_EXEC && b->error == ENOENT)
		err_set(&e, "command '%s' not found", subject);
	else if (b->stage == BIRTH_EXEC && b->error == EACCES)
		err_set(&e, "command '%s' is not executable", subject);
	else
		err_sys(&e, b->error, "%s%s%s%s", birth_stage_name(b->stage),
		    *subject == '\0' ? "" : " '", subject,
		    *subject == '\0' ? "" : "'");
	memccpy(out, e.text, '\0', size);
	out[size - 1] = '\0';
}

/* Records what one packet says. */
static void
obey(struct births *births, const struct birth *b)
{
	struct worker *w = roster_by_token(&births->sup->roster, b->token);
	char fault[RECORD_FAULT_MAX];

	if (w == NULL)
		return; /* the probe's, or of a life that is over */
	if (b->error != 0) {
		births_describe(b, w, fault, sizeof(fault));
		worker_set_up_failed(w, b->token, fault);
	} else if (b->stage == BIRTH_BORN)
		worker_born(w, b->token, b->pid, NULL);
	else
		w->stage = birth_stage_name(b->stage);
}

/* 1: at its end. */
static int
read_socket(struct births *births, int fd)
{
	unsigned char packet[BIRTH_PACKET_BYTES + 1];
	struct birth b;
	ssize_t n;

	for (;;) {
		n = recv(fd, packet, sizeof(packet), MSG_PEEK | MSG_DONTWAIT);
		if (n == 0)
			return 1;
		if (n == -1)
			return 0;
		if (birth_decode(packet, (size_t)n, &b) == 0)
			obey(births, &b);
		recv(fd, packet, sizeof(packet), MSG_DONTWAIT);
	}
}

static void
elder_read(struct elder *el)
{
	if (el->fd == -1 || !read_socket(el->births, el->fd))
		return;
	loop_io_set(&el->io, 0);
	fd_close(&el->fd);
	link_drop(&el->births->sup->link, el->name);
	el->births->nopen--;
}

static void
elder_cb(struct loop_io *io, int events)
{
	struct elder *el = io->arg;

	(void)events;
	supervisor_births_changed(el->births->sup);
}

/*
 * Who is being set up still, that no end of this socket comes: a supervisor
 * makes one process at a time, so it is the last token of its life.
 */
static void
end_set_up(struct births *b, const struct elder *el)
{
	uint64_t life = strtoull(el->name + strlen("births:"), NULL, 10);
	struct worker *last = NULL, *w;
	uint64_t newest = 0;
	size_t i;

	ROSTER_EACH (&b->sup->roster, i, w) {
		const struct worker_record *r = &w->rec;
		uint64_t token =
		    r->token > r->stop_token ? r->token : r->stop_token;

		if (r->ready_token > token)
			token = r->ready_token;
		if (token >> 32 == life && token > newest) {
			newest = token;
			last = w;
		}
	}
	if (last != NULL)
		worker_set_up_hung(last, newest);
}

/*
 * A set-up hangs; its birth, which comes first, has been said. It is ended,
 * and if even KILL does not end it, the rest of the fleet goes on without.
 */
static void
patience_cb(struct loop_timer *t)
{
	struct births *b = t->arg;
	size_t i;

	if (b->given_up) {
		supervisor_births_changed(b->sup);
		return;
	}
	for (i = 0; i < b->nelders; i++)
		if (b->elders[i].fd != -1)
			end_set_up(b, &b->elders[i]);
	b->given_up = 1;
	loop_timer_start(&b->patience, GIVE_UP_MS);
}

static int
adopt(struct births *b, struct elder *el, struct link_held *h)
{
	el->births = b;
	el->fd = h->fd;
	h->fd = -1;
	memcpy(el->name, h->name, sizeof(el->name));
	loop_io_init(b->sup->loop, &el->io, el->fd, elder_cb, el);
	loop_io_set(&el->io, LOOP_READ);
	b->nopen++;
	return 0;
}

int
births_init(struct births *b, struct supervisor *sup, int own_fd, struct err *e)
{
	struct link *l = &sup->link;
	size_t i;

	*b = (struct births){.sup = sup, .fd = own_fd};
	loop_timer_init(sup->loop, &b->patience, patience_cb, b);
	b->elders = calloc(l->nheld + 1, sizeof(*b->elders));
	if (b->elders == NULL)
		return err_sys(e, ENOMEM, "births");
	for (i = 0; i < l->nheld; i++)
		if (l->held[i].fd != -1 &&
		    strncmp(l->held[i].name, "births:", 7) == 0)
			adopt(b, &b->elders[b->nelders++], &l->held[i]);
	if (b->nopen > 0)
		loop_timer_start(&b->patience, PATIENCE_MS);
	return 0;
}

void
births_release(struct births *b)
{
	size_t i;

	for (i = 0; i < b->nelders; i++) {
		loop_io_set(&b->elders[i].io, 0);
		fd_close(&b->elders[i].fd);
	}
	loop_timer_stop(&b->patience);
	free(b->elders);
	fd_close(&b->fd);
}

void
births_read(struct births *b)
{
	size_t i;

	for (i = 0; b->nopen > 0 && i < b->nelders; i++)
		elder_read(&b->elders[i]);
	read_socket(b, b->fd);
	if (b->nopen == 0)
		loop_timer_stop(&b->patience);
}

int
births_pending(const struct births *b)
{
	return b->nopen > 0 && !(b->given_up && !b->patience.active);
}

size_t
births_unread_bytes(const struct births *b)
{
	int n = 0;

	return ioctl(b->fd, SIOCINQ, &n) == -1 || n < 0 ? 0 : (size_t)n;
}

void
births_take(struct births *b)
{
	unsigned char packet[BIRTH_PACKET_BYTES];

	recv(b->fd, packet, sizeof(packet), MSG_DONTWAIT);
}
