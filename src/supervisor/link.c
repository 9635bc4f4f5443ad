/* link: see link.h. */
#include "supervisor/link.h"

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
	if (m.version != KEEPER_PROTO_VERSION)
		return err_set(e, "the keeper speaks version %u, not %u",
		    m.version, KEEPER_PROTO_VERSION);
	l->keeper_pid = m.pid;
	l->epoch = m.epoch;
	l->life = m.life;
	l->predecessor = (enum keeper_obituary)m.code;
	l->predecessor_status = m.status;
	l->held = calloc(m.count + 1, sizeof(*l->held));
	if (l->held == NULL)
		return err_sys(e, ENOMEM, "held descriptors");
	l->nheld = m.count;
	return 0;
}

/* Names and descriptors of one message come in pairs. Returns how many were
 * kept, -1 if they do not fit together. */
static int
keep(struct link *l, size_t at, const struct keeper_msg *m, const int *fds,
    size_t nfds)
{
	const char *name = m->text, *end = m->text + m->text_len;
	size_t i;

	for (i = 0; i < nfds && name < end && at + i < l->nheld; i++) {
		size_t len = strlen(name) + 1;

		if (len > sizeof(l->held[0].name))
			return -1;
		memcpy(l->held[at + i].name, name, len);
		l->held[at + i].fd = fds[i];
		name += len;
	}
	return i == nfds ? (int)i : -1;
}

int
link_open(struct link *l, int sock, struct err *e)
{
	unsigned char packet[KEEPER_PACKET_MAX];
	int fds[CHAN_FDS_MAX], kept;
	struct keeper_msg m;
	size_t n = 0, nfds;
	ssize_t len;

	*l = (struct link){.sock = sock};
	if (say_hello(l, e) == -1)
		return -1;
	while (n < l->nheld) {
		len = chan_recv(sock, packet, sizeof(packet), fds, &nfds, 0);
		if (len <= 0 ||
		    keeper_msg_decode(packet, (size_t)len, &m) == -1 ||
		    m.type != KM_FD)
			return err_sys(e, errno, "cannot receive what is held");
		kept = keep(l, n, &m, fds, nfds);
		if (kept <= 0)
			return err_set(e, "names and descriptors differ");
		n += (size_t)kept;
	}
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
	int fd;

	for (i = 0; i < l->nheld; i++) {
		if (l->held[i].fd == -1 || strcmp(l->held[i].name, name) != 0)
			continue;
		fd = l->held[i].fd;
		l->held[i].fd = -1;
		return fd;
	}
	return -1;
}

int
link_receive(struct link *l, unsigned char packet[KEEPER_PACKET_MAX],
    struct keeper_msg *m)
{
	ssize_t n;

	n = chan_recv(
	    l->sock, packet, KEEPER_PACKET_MAX, NULL, NULL, MSG_DONTWAIT);
	if (n == -1)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n == 0 || keeper_msg_decode(packet, (size_t)n, m) == -1)
		return -1;
	return 1;
}

void
link_send(struct link *l, const struct keeper_msg *m, int fd)
{
	unsigned char packet[KEEPER_PACKET_MAX];
	size_t len = keeper_msg_encode(m, packet);

	while (
	    chan_send(l->sock, packet, len, &fd, fd == -1 ? 0 : 1, 0) == -1 &&
	    errno == EINTR)
		;
}

void
link_send_pid(struct link *l, enum keeper_msg_type type, int pid)
{
	struct keeper_msg m = {.type = type, .pid = pid};

	link_send(l, &m, -1);
}

void
link_hold(struct link *l, const char *name, int fd)
{
	struct keeper_msg m = {
	    .type = KM_HOLD, .text = name, .text_len = strlen(name) + 1};

	link_send(l, &m, fd);
}

void
link_drop(struct link *l, const char *name)
{
	struct keeper_msg m = {
	    .type = KM_DROP, .text = name, .text_len = strlen(name) + 1};

	link_send(l, &m, -1);
}
