/*
 * fake_systemd: the other end of the socket that the keeper tells systemd how
 * things are by, and a keeper. To be included by a suite.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/chan.h"
#include "keeper/keeper.h"

static struct keeper k;
static int systemd = -1;
static char address[64], heard[4096];
static ino_t got; /* the inode of what came along, 0: nothing */

/* As a path, or in the abstract namespace. */
static void
listen_as(const char *as)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	snprintf(address, sizeof(address), "%s", as);
	memcpy(sun.sun_path, as, strlen(as));
	if (as[0] == '@')
		sun.sun_path[0] = '\0';
	systemd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(
	    bind(systemd, (struct sockaddr *)&sun,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) +
			    strlen(as))),
	    0);
}

/* A name of the test's own. */
static void
listen_here(void)
{
	char as[64];

	snprintf(as, sizeof(as), "@svd-test-systemd-%d", (int)getpid());
	listen_as(as);
}

static void
stop_listening(void)
{
	close(systemd);
	close(k.notify.fd);
	if (address[0] == '/')
		unlink(address);
}

/* The next datagram; "" where there is none. */
static const char *
hear(void)
{
	int fds[CHAN_FDS_MAX];
	struct stat st;
	size_t nfds = 0;
	ssize_t n;

	n = chan_recv(systemd, heard, sizeof(heard) - 1, fds, &nfds, 0);
	heard[n < 0 ? 0 : n] = '\0';
	got = 0;
	if (n > 0 && nfds == 1 && fstat(fds[0], &st) == 0)
		got = st.st_ino;
	while (n > 0 && nfds > 0)
		close(fds[--nfds]);
	return heard;
}

/* Nothing is taken any more. */
static void
fill(void)
{
	while (sendto(k.notify.fd, "X=1", 3, MSG_DONTWAIT,
		   (struct sockaddr *)&k.notify.to, k.notify.to_len) == 3)
		;
	ck_assert_int_eq(errno, EAGAIN);
}

static void
drain(void)
{
	while (strcmp(hear(), "X=1") == 0)
		;
}
