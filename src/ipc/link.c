/* link: see link.h. */
#include "ipc/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "ipc/chan.h"

static int
say_hello(struct link *l, struct err *e)
{
	unsigned char packet[KEEPER_PACKET_MAX];
	struct keeper_msg m;
	ssize_t n;

	n = chan_recv(l->sock, packet, sizeof(packet), NULL, NULL, 0);
	if (n <= 0 || keeper_msg_decode(packet, (size_t)n, &m) == -1 ||
	    m.type != KM_HELLO)
		return err_set(e, "the keeper does not say hello");
	/* An older one tries us out, and will have ended before we are newer
	 * than that. */
	if (m.version != KEEPER_PROTO_VERSION &&
	    m.version != KEEPER_PROTO_VERSION - 1)
		return err_set(e, "the keeper speaks version %u, not %u",
		    m.version, KEEPER_PROTO_VERSION);
	l->version = m.version;
	l->keeper_pid = m.pid;
	l->epoch = m.epoch;
	l->life = m.life;
	l->predecessor = (enum keeper_obituary)m.code;
	l->predecessor_status = m.status;
	return 0;
}

static void
forget_taken(struct link *l)
{
	size_t i, n = 0;

	for (i = 0; i < l->nheld; i++)
		if (l->held[i].fd != -1)
			l->held[n++] = l->held[i];
	l->nheld = n;
}

/* Room for n more. */
static int
reserve(struct link *l, size_t n)
{
	struct link_held *held;
	size_t cap = l->held_cap;

	if (l->nheld + n > cap)
		forget_taken(l);
	if (l->nheld + n <= cap)
		return 0;
	cap = cap * 2 > l->nheld + n ? cap * 2 : l->nheld + n;
	held = reallocarray(l->held, cap, sizeof(*held));
	if (held == NULL)
		return -1;
	l->held = held;
	l->held_cap = cap;
	return 0;
}

static void
close_all(int *fds, size_t n)
{
	while (n > 0)
		fd_close(&fds[--n]);
}

/* Names and descriptors of one message come in pairs. -1: they do not, or
 * there is no memory. */
static int
keep(struct link *l, const struct keeper_msg *m, int *fds, size_t nfds)
{
	const char *name = m->text, *end = m->text + m->text_len;
	size_t i, len;

	if (reserve(l, nfds) == -1) {
		close_all(fds, nfds);
		return -1;
	}
	for (i = 0; i < nfds && name < end; i++, name += len) {
		len = strlen(name) + 1;
		if (len > sizeof(l->held[0].name))
			break;
		memcpy(l->held[l->nheld].name, name, len);
		l->held[l->nheld++].fd = fds[i];
	}
	close_all(fds + i, nfds - i);
	return i == nfds && name == end ? 0 : -1;
}

static void
note_upgrade(struct link *l, const struct keeper_msg *m)
{
	struct link_upgrade *u = &l->upgrade;

	l->version = m->version;
	u->number = m->life;
	u->state = (enum keeper_upgraded)m->code;
	u->text_len =
	    m->text_len < sizeof(u->text) ? m->text_len : sizeof(u->text);
	memcpy(u->text, m->text, u->text_len);
	u->text[u->text_len - 1] = '\0';
}

/* As recv(2): 1, 0 at the end, or -1 with errno, EPROTO for nonsense. */
static int
receive(struct link *l, unsigned char *packet, struct keeper_msg *m, int flags)
{
	int fds[CHAN_FDS_MAX];
	size_t nfds;
	ssize_t n;

	n = chan_recv(l->sock, packet, KEEPER_PACKET_MAX, fds, &nfds, flags);
	if (n <= 0)
		return (int)n;
	errno = EPROTO;
	if (keeper_msg_decode(packet, (size_t)n, m) == -1) {
		close_all(fds, nfds);
		return -1;
	}
	if (m->type == KM_FD)
		return keep(l, m, fds, nfds) == -1 ? -1 : 1;
	close_all(fds, nfds);
	if (m->type == KM_UPGRADED)
		note_upgrade(l, m);
	return 1;
}

int
link_open(struct link *l, int sock, struct err *e)
{
	unsigned char packet[KEEPER_PACKET_MAX];
	struct keeper_msg m = {.type = KM_FD};
	int rc;

	*l = (struct link){.sock = sock};
	if (say_hello(l, e) == -1)
		return -1;
	while (m.type == KM_FD || m.type == KM_UPGRADED) {
		rc = receive(l, packet, &m, 0);
		if (rc == -1 && errno == EINTR)
			m.type = KM_FD;
		else if (rc <= 0)
			return err_sys(e, rc == 0 ? ECONNRESET : errno,
			    "cannot receive what is held");
	}
	if (m.type != KM_HANDED)
		return err_set(e, "the keeper does not hand over what is held");
	return 0;
}

void
link_close(struct link *l)
{
	size_t i;

	for (i = 0; i < l->nheld; i++)
		fd_close(&l->held[i].fd);
	free(l->held);
	fd_close(&l->sock);
	*l = (struct link){.sock = -1};
}

int
link_take(struct link *l, const char *name)
{
	size_t i;
	int fd = -1;

	for (i = 0; i < l->nheld; i++) {
		if (l->held[i].fd == -1 || strcmp(l->held[i].name, name) != 0)
			continue;
		fd_close(&fd);
		fd = l->held[i].fd;
		l->held[i].fd = -1;
	}
	return fd;
}

int
link_has(const struct link *l, const char *name)
{
	size_t i;

	for (i = 0; i < l->nheld; i++)
		if (l->held[i].fd != -1 && strcmp(l->held[i].name, name) == 0)
			return 1;
	return 0;
}

int
link_receive(struct link *l, unsigned char packet[KEEPER_PACKET_MAX],
    struct keeper_msg *m)
{
	int rc = receive(l, packet, m, MSG_DONTWAIT);

	if (rc == -1)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	return rc == 0 ? -1 : 1;
}

static int
send_now(struct link *l, const struct keeper_msg *m, int fd)
{
	unsigned char packet[KEEPER_PACKET_MAX];
	size_t len = keeper_msg_encode(m, packet);
	int rc;

	do
		rc = chan_send(l->sock, packet, len, &fd, fd == -1 ? 0 : 1, 0);
	while (rc == -1 && errno == EINTR);
	return rc;
}

void
link_send(struct link *l, const struct keeper_msg *m, int fd)
{
	link_flush(l);
	send_now(l, m, fd);
}

/* Where the kernel has no memory to send it, it is sent the next time. */
static void
send_list(struct link *l, struct keeper_msg *m, enum keeper_msg_type type)
{
	if (m->npids == 0)
		return;
	m->type = type;
	if (send_now(l, m, -1) == 0)
		m->npids = 0;
}

static int
drop(struct link *l, const char *name)
{
	struct keeper_msg m = {
	    .type = KM_DROP, .text = name, .text_len = strlen(name) + 1};

	return send_now(l, &m, -1);
}

static int
send_drops(struct link *l)
{
	size_t at = 0;

	while (at < l->drops_len && drop(l, l->drops + at) == 0)
		at += strlen(l->drops + at) + 1;
	l->drops_len -= at;
	memmove(l->drops, l->drops + at, l->drops_len);
	return l->drops_len == 0 ? 0 : -1;
}

int
link_flush(struct link *l)
{
	send_list(l, &l->born, KM_BORN);
	if (send_drops(l) == 0)
		send_list(l, &l->acks, KM_ACK);
	return l->born.npids + l->acks.npids + l->drops_len == 0 ? 0 : -1;
}

static void
add_pid(struct link *l, struct keeper_msg *m, int pid)
{
	if (m->npids == KEEPER_PIDS_MAX)
		link_flush(l);
	if (m->npids < KEEPER_PIDS_MAX)
		m->pids[m->npids++] = pid;
}

void
link_born(struct link *l, int pid)
{
	add_pid(l, &l->born, pid);
}

void
link_ack(struct link *l, int pid)
{
	add_pid(l, &l->acks, pid);
}

void
link_hold(struct link *l, const char *name, int fd)
{
	link_hold_many(l, &name, &fd, 1);
}

void
link_hold_many(
    struct link *l, const char *const *names, const int *fds, size_t n)
{
	char text[KEEPER_TEXT_MAX];
	unsigned char packet[KEEPER_PACKET_MAX];
	struct keeper_msg m = {.type = KM_HOLD, .text = text};
	size_t i, at, len;

	link_flush(l);
	for (at = 0; at < n; at = i) {
		m.text_len = 0;
		for (i = at; i < n && i - at < CHAN_FDS_MAX; i++) {
			len = strlen(names[i]) + 1;
			if (m.text_len + len > sizeof(text))
				break;
			memcpy(text + m.text_len, names[i], len);
			m.text_len += len;
		}
		len = keeper_msg_encode(&m, packet);
		while (chan_send(l->sock, packet, len, fds + at, i - at, 0) ==
			   -1 &&
		       errno == EINTR)
			;
	}
}

void
link_drop(struct link *l, const char *name)
{
	link_flush(l);
	drop(l, name);
}

void
link_drop_later(struct link *l, const char *name)
{
	size_t len = strlen(name) + 1;

	if (l->drops_len + len > sizeof(l->drops))
		link_flush(l);
	if (l->drops_len + len > sizeof(l->drops))
		return; /* as a message that is sent at once and fails */
	memcpy(l->drops + l->drops_len, name, len);
	l->drops_len += len;
}

int
link_keep(struct link *l, const char *name, int fd)
{
	link_hold(l, name, fd);
	if (strlen(name) > KEEPER_NAME_MAX || reserve(l, 1) == -1) {
		fd_close(&fd);
		return -1;
	}
	memcpy(l->held[l->nheld].name, name, strlen(name) + 1);
	l->held[l->nheld++].fd = fd;
	return 0;
}
