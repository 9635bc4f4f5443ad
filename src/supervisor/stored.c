/* stored: see stored.h. */
#include "supervisor/stored.h"

#include <errno.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "ipc/chan.h"
#include "supervisor/discard.h"
#include "supervisor/supervisor.h"

#define PREFIX "store:"

static void
held_name(const struct worker *w, const struct stored *one,
    char out[KEEPER_NAME_MAX + 1])
{
	snprintf(out, KEEPER_NAME_MAX + 1, PREFIX "%.48s:%d:%s", w->rec.name,
	    one->number & (STORE_MAX - 1), one->name);
}

static int
is_same(int a, int b)
{
	struct stat sa, sb;
	pid_t self = getpid();
	long order = syscall(SYS_kcmp, self, self, KCMP_FILE, a, b);

	if (order != -1)
		return order == 0;
	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 &&
	       sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

static int
has_it(const struct store *s, int fd)
{
	size_t i;

	for (i = 0; s != NULL && i < s->n; i++)
		if (is_same(s->list[i].fd, fd))
			return 1;
	return 0;
}

/* Takes fd, in the place of its number: the lowest that is free, or number
 * where that is not -1. NULL: there is no room. */
static struct stored *
insert(struct worker *w, int fd, int number, const char *name)
{
	struct store *s = w->store;
	struct stored *one;
	size_t i = 0;

	if (s == NULL)
		s = w->store = calloc(1, sizeof(*s));
	if (s == NULL || s->n == STORE_MAX)
		return NULL;
	while (i < s->n && (number == -1 ? s->list[i].number == (int)i
					 : s->list[i].number < number))
		i++;
	one = &s->list[i];
	memmove(one + 1, one, (s->n++ - i) * sizeof(*one));
	one->fd = fd_raise(fd);
	one->number = number == -1 ? (int)i : number;
	snprintf(one->name, sizeof(one->name), "%s", name);
	return one;
}

static void
warn(struct worker *w, const char *what)
{
	if (!w->notify.warned)
		log_warn("%s: FDSTORE: %s", w->conf->name, what);
	w->notify.warned = 1;
}

/* Held before the message is taken: its record. -1: fd is still the caller's,
 * to be discarded. */
static int
keep(struct worker *w, int fd, const char *name)
{
	char held[KEEPER_NAME_MAX + 1];
	const struct stored *one;

	if (!discard_asks_nobody(fd)) {
		warn(w, "only sockets, pipes, files in memory and the like are "
			"kept");
		return -1;
	}
	discard_forget_linger(fd);
	if (has_it(w->store, fd))
		return -1;
	one = insert(w, fd, -1, name);
	if (one == NULL) {
		snprintf(held, sizeof(held),
		    "no room for more than %d descriptors", STORE_MAX);
		warn(w, held);
		return -1;
	}
	held_name(w, one, held);
	link_hold(&w->sup->link, held, one->fd);
	return 0;
}

void
stored_add(struct worker *w, const char *name)
{
	int fds[CHAN_FDS_MAX];
	size_t nfds = 0, nleft = 0, i;
	char byte[NOTIFY_TEXT_MAX];

	if (chan_recv(w->notify.fd, byte, sizeof(byte), fds, &nfds,
		MSG_PEEK | MSG_DONTWAIT) == -1) {
		warn(w, "cannot receive descriptors");
		return;
	}
	if (name[0] == '\0')
		name = NOTIFY_FDNAME_DEFAULT;
	/* No more are looked at than there is ever room for. */
	for (i = 0; i < nfds; i++)
		if (i >= STORE_MAX || keep(w, fds[i], name) == -1)
			fds[nleft++] = fds[i];
	discard(fds, nleft);
}

static void
drop(struct worker *w, size_t i)
{
	struct store *s = w->store;
	char held[KEEPER_NAME_MAX + 1];

	/* The keeper's is as good as ours. */
	discard_forget_linger(s->list[i].fd);
	held_name(w, &s->list[i], held);
	link_drop(&w->sup->link, held);
	fd_close(&s->list[i].fd);
	memmove(
	    &s->list[i], &s->list[i + 1], (--s->n - i) * sizeof(s->list[0]));
}

void
stored_remove(struct worker *w, const char *name)
{
	size_t i;

	for (i = w->store == NULL ? 0 : w->store->n; i > 0; i--)
		if (strcmp(w->store->list[i - 1].name, name) == 0)
			drop(w, i - 1);
}

void
stored_end(struct worker *w)
{
	while (w->store != NULL && w->store->n > 0)
		drop(w, w->store->n - 1);
	stored_release(w);
}

void
stored_release(struct worker *w)
{
	while (w->store != NULL && w->store->n > 0)
		fd_close(&w->store->list[--w->store->n].fd);
	free(w->store);
	w->store = NULL;
}

/* "store:web:0:3:name". NULL: nobody's any more. */
static struct worker *
parse_name(const struct supervisor *s, const char *held, int *number,
    const char **name)
{
	char id[KEEPER_NAME_MAX + 1];
	char *colon;

	snprintf(id, sizeof(id), "%s", held + strlen(PREFIX));
	if ((colon = strrchr(id, ':')) == NULL)
		return NULL;
	*name = held + strlen(PREFIX) + (colon - id) + 1;
	*colon = '\0';
	if (strlen(*name) > NOTIFY_FDNAME_MAX ||
	    (colon = strrchr(id, ':')) == NULL)
		return NULL;
	*number = atoi(colon + 1);
	*colon = '\0';
	return *number < 0 || *number >= STORE_MAX
	           ? NULL
	           : roster_by_id(&s->roster, id);
}

/* At rest, it should have none: who came before us came no further. */
static int
may_have(const struct worker *w)
{
	return w->rec.state != WS_STOPPED && w->rec.state != WS_EXITED &&
	       w->rec.state != WS_FAILED;
}

void
stored_adopt(struct supervisor *s)
{
	struct link_held *h;
	struct worker *w;
	const char *name;
	size_t i;
	int number;

	for (i = 0; i < s->link.nheld; i++) {
		h = &s->link.held[i];
		if (h->fd == -1 ||
		    strncmp(h->name, PREFIX, strlen(PREFIX)) != 0)
			continue;
		w = parse_name(s, h->name, &number, &name);
		if (w == NULL || !may_have(w) ||
		    insert(w, h->fd, number, name) == NULL) {
			discard_forget_linger(h->fd);
			link_drop(&s->link, h->name);
			fd_close(&h->fd);
		}
		h->fd = -1;
	}
}
