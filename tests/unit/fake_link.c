/*
 * fake_link: a link to a keeper that says nothing and hears nothing. To be
 * included by a suite, which defines what it wants to be held.
 */
#include <unistd.h>

#include "ipc/link.h"

void
link_close(struct link *l)
{
	(void)l;
}

int
link_receive(struct link *l, unsigned char packet[KEEPER_PACKET_MAX],
    struct keeper_msg *m)
{
	(void)l;
	(void)packet;
	(void)m;
	return -1;
}

void
link_send(struct link *l, const struct keeper_msg *m, int fd)
{
	(void)l;
	(void)m;
	(void)fd;
}

void
link_born(struct link *l, int pid)
{
	(void)l;
	(void)pid;
}

void
link_ack(struct link *l, int pid)
{
	(void)l;
	(void)pid;
}

int
link_flush(struct link *l)
{
	(void)l;
	return 0;
}

int
link_has(const struct link *l, const char *name)
{
	(void)l;
	(void)name;
	return 0;
}

int
link_keep(struct link *l, const char *name, int fd)
{
	link_hold(l, name, fd);
	close(fd);
	return 0;
}
