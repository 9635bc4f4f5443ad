/* background: see background.h. */
#include "background.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"

#define ANSWER_MS 60000
#define LOOK_MS 10 /* between two looks for the socket */
#define EXIT_NO_ANSWER 1

/* The parent, waiting. */
struct wait {
	const char *socket_path;
	pid_t child;
	int relay;  /* what the child says; -1: nothing more */
	int client; /* to the control socket; -1: not connected */
};

static int
is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* Asks, if it is the child that listens. */
static void
ask(struct wait *w)
{
	static const char ping[] = "{\"method\":\"org.svd.Fleet.Ping\"}";
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);

	if (w->socket_path[0] == '\0' ||
	    strlen(w->socket_path) >= sizeof(sun.sun_path))
		return;
	memcpy(sun.sun_path, w->socket_path, strlen(w->socket_path));
	w->client =
	    socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (w->client == -1)
		return;
	if (connect(w->client, (struct sockaddr *)&sun, sizeof(sun)) == -1 ||
	    getsockopt(w->client, SOL_SOCKET, SO_PEERCRED, &peer, &len) == -1 ||
	    peer.pid != w->child ||
	    send(w->client, ping, sizeof(ping), MSG_NOSIGNAL) !=
		(ssize_t)sizeof(ping))
		fd_close(&w->client);
}

/* 1: it has answered. A connection that ends was a supervisor's that died. */
static int
hear(struct wait *w)
{
	char c[256];
	ssize_t n = recv(w->client, c, sizeof(c), MSG_DONTWAIT);

	if (n > 0)
		return 1;
	if (n == 0 || errno != EAGAIN)
		fd_close(&w->client);
	return 0;
}

/* Nobody looks at what cannot be said any more. */
static void
pass_on(struct wait *w)
{
	char text[4096];
	ssize_t n;

	while (
	    w->relay != -1 && (n = read(w->relay, text, sizeof(text))) != -1) {
		if (n > 0 && fd_write_all(STDERR_FILENO, text, (size_t)n) == -1)
			n = 0;
		if (n == 0)
			fd_close(&w->relay);
	}
}

/* Its exit status, 128+n for a signal; -1: it runs. */
static int
look_at_child(const struct wait *w)
{
	int status;

	if (waitpid(w->child, &status, WNOHANG) != w->child)
		return -1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status)
	                           : WEXITSTATUS(status);
}

static _Noreturn void
stay(struct wait *w)
{
	int64_t deadline = sys_now_ms() + ANSWER_MS;
	struct pollfd p[2] = {{.events = POLLIN}, {.events = POLLIN}};
	int status;

	while (sys_now_ms() < deadline) {
		if (w->client == -1)
			ask(w);
		p[0].fd = w->relay;
		p[1].fd = w->client;
		poll(p, 2, LOOK_MS);
		/* First: it may have died of what it says. */
		status = look_at_child(w);
		pass_on(w);
		if (status != -1)
			_exit(status);
		if (w->client != -1 && hear(w)) {
			pass_on(w);
			_exit(0);
		}
	}
	fprintf(stderr, "svd: no answer within %d s, ending it\n",
	    ANSWER_MS / 1000);
	/* The keeper needs no supervisor to end what there is. */
	kill(w->child, SIGTERM);
	_exit(EXIT_NO_ANSWER);
}

int
background_fork(const char *socket_path, int *relay, struct err *e)
{
	struct wait w = {.socket_path = socket_path, .relay = -1, .client = -1};
	int ends[2] = {-1, -1};

	/* O_NONBLOCK for both: neither waits for the other. */
	if (!is_file(STDERR_FILENO) &&
	    pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1)
		return err_sys(e, errno, "cannot make a pipe");
	w.child = fork();
	if (w.child == -1) {
		err_sys(e, errno, "cannot fork");
		fd_close(&ends[0]);
		fd_close(&ends[1]);
		return -1;
	}
	if (w.child != 0) {
		fd_close(&ends[1]);
		w.relay = ends[0];
		stay(&w);
	}
	fd_close(&ends[0]);
	*relay = ends[1];
	setsid();
	return 0;
}

int
background_detach(struct err *e)
{
	int fd, null;

	for (fd = 0; fd <= STDERR_FILENO; fd++) {
		if (fd != STDIN_FILENO && is_file(fd))
			continue;
		null = fd_open_null(fd == STDIN_FILENO ? O_RDONLY : O_RDWR);
		if (null == -1)
			return err_sys(e, errno, "cannot open '/dev/null'");
		dup2(null, fd);
		fd_close(&null);
	}
	return 0;
}
