/*
 * channel: what a request by a worker's channel costs, and what the kernel
 * alone takes for the like. Prints nanoseconds a round, one line a run.
 *
 *	channel relay N		bytes to and fro between two processes, by way
 *				of a third that waits for both
 *	channel pipe BYTES N	a copy through a pipe, and a byte back
 *	channel call SOCKET WORKER N		a small call
 *	channel store SOCKET WORKER BYTES N	a long string
 */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#define RUNS 5
#define MESSAGE 64 /* bytes, of the relay's */
#define CHUNK 65536

static _Noreturn void
fail(const char *what)
{
	perror(what);
	exit(1);
}

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void
pair(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == -1)
		fail("socketpair");
}

/* Sends back whatever comes. */
static _Noreturn void
echo(int fd)
{
	char b[MESSAGE];
	ssize_t n;

	while ((n = read(fd, b, sizeof(b))) > 0)
		if (write(fd, b, (size_t)n) != n)
			break;
	_exit(0);
}

static _Noreturn void
relay(int one, int other)
{
	struct pollfd p[2] = {{one, POLLIN, 0}, {other, POLLIN, 0}};
	char b[MESSAGE];
	ssize_t n;
	int i;

	for (;;) {
		if (poll(p, 2, -1) == -1)
			fail("poll");
		for (i = 0; i < 2; i++) {
			if (p[i].revents == 0)
				continue;
			n = read(p[i].fd, b, sizeof(b));
			if (n <= 0 || write(p[!i].fd, b, (size_t)n) != n)
				_exit(0);
		}
	}
}

static void
bench_relay(char **argv)
{
	int n = atoi(argv[0]), a[2], b[2], run, i;
	char message[MESSAGE] = {0};
	int64_t begun;

	pair(a);
	pair(b);
	if (fork() == 0) {
		close(a[0]);
		close(b[1]);
		relay(a[1], b[0]);
	}
	if (fork() == 0) {
		close(a[0]);
		close(a[1]);
		close(b[0]);
		echo(b[1]);
	}
	close(a[1]);
	close(b[0]);
	close(b[1]);
	for (run = 0; run < RUNS; run++) {
		begun = now_ns();
		for (i = 0; i < n; i++)
			if (write(a[0], message, MESSAGE) != MESSAGE ||
			    read(a[0], message, MESSAGE) != MESSAGE)
				fail("relay");
		printf("%lld\n", (long long)((now_ns() - begun) / n));
	}
}

static char *
fill(size_t len)
{
	char *data = malloc(len);

	if (data == NULL)
		fail("malloc");
	memset(data, 'x', len);
	return data;
}

/* Into memory of its own, as whoever is given something keeps it. */
static _Noreturn void
take_all(int from, int to, size_t len, int n)
{
	char *data;
	size_t at;
	ssize_t r;

	while (n-- > 0) {
		data = malloc(len);
		if (data == NULL)
			fail("malloc");
		for (at = 0; at < len; at += (size_t)r)
			if ((r = read(from, data + at, len - at)) <= 0)
				_exit(1);
		if (write(to, "", 1) != 1)
			_exit(1);
		free(data);
	}
	_exit(0);
}

static void
bench_pipe(char **argv)
{
	size_t len = strtoul(argv[0], NULL, 10), at;
	int n = atoi(argv[1]), there[2], back[2], i;
	char *data = fill(len), byte;
	int64_t begun;
	ssize_t w;

	if (pipe(there) == -1 || pipe(back) == -1)
		fail("pipe");
	if (fork() == 0)
		take_all(there[0], back[1], len, n);
	for (i = 0; i < n; i++) {
		begun = now_ns();
		for (at = 0; at < len; at += (size_t)w)
			if ((w = write(there[1], data + at,
				 len - at < CHUNK ? len - at : CHUNK)) <= 0)
				fail("write");
		if (read(back[0], &byte, 1) != 1)
			fail("read");
		printf("%lld\n", (long long)(now_ns() - begun));
	}
}

static int
connect_to(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (fd == -1 || connect(fd, (struct sockaddr *)&a, sizeof(a)) == -1)
		fail(path);
	return fd;
}

/* The call's text, its NUL included, perhaps with a descriptor; and the reply,
 * which has to be as good as another. */
static void
call(int fd, const char *text, size_t len, int given)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} c;
	struct iovec iov = {(char *)(uintptr_t)text, len};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	char reply[4096];
	ssize_t n;

	if (given != -1) {
		mh.msg_control = c.bytes;
		mh.msg_controllen = sizeof(c.bytes);
		c.align.cmsg_level = SOL_SOCKET;
		c.align.cmsg_type = SCM_RIGHTS;
		c.align.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&c.align), &given, sizeof(given));
	}
	if (sendmsg(fd, &mh, 0) != (ssize_t)len)
		fail("send");
	n = recv(fd, reply, sizeof(reply), 0);
	if (n <= 1 || reply[n - 1] != '\0' || strstr(reply, "error") != NULL) {
		fprintf(stderr, "reply: %.*s\n", (int)n, reply);
		exit(1);
	}
}

static void
bench_call(char **argv)
{
	int fd = connect_to(argv[0]), n = atoi(argv[2]), run, i;
	char text[256];
	size_t len;
	int64_t begun;

	len = (size_t)snprintf(text, sizeof(text),
		  "{\"method\":\"org.svd.Fleet.Call\",\"parameters\":"
		  "{\"name\":\"%s\",\"method\":\"echo\",\"value\":[42]}}",
		  argv[1]) +
	      1;
	for (run = 0; run < RUNS; run++) {
		begun = now_ns();
		for (i = 0; i < n; i++)
			call(fd, text, len, -1);
		printf("%lld\n", (long long)((now_ns() - begun) / n));
	}
}

/* As any client does it: its bytes to a memfd, the memfd to svd. */
static int
make_value(const char *data, size_t len)
{
	int fd = memfd_create("value", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t at;
	ssize_t w;

	for (at = 0; at < len; at += (size_t)w)
		if ((w = write(fd, data + at, len - at)) <= 0)
			fail("write");
	if (fcntl(fd, F_ADD_SEALS,
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == -1)
		fail("seals");
	return fd;
}

static void
bench_store(char **argv)
{
	size_t len = strtoul(argv[2], NULL, 10), text_len;
	int fd = connect_to(argv[0]), n = atoi(argv[3]), i, value;
	char *data = fill(len), text[256];
	int64_t begun;

	data[0] = data[len - 1] = '"';
	text_len = (size_t)snprintf(text, sizeof(text),
		       "{\"method\":\"org.svd.Fleet.Store\",\"parameters\":"
		       "{\"name\":\"%s\",\"key\":\"kept\"}}",
		       argv[1]) +
	           1;
	for (i = 0; i < n; i++) {
		begun = now_ns();
		value = make_value(data, len);
		call(fd, text, text_len, value);
		close(value);
		printf("%lld\n", (long long)(now_ns() - begun));
	}
}

static const struct {
	const char *name;
	int nargs;
	void (*fn)(char **argv);
} benches[] = {
    {"relay", 1, bench_relay},
    {"pipe", 2, bench_pipe},
    {"call", 3, bench_call},
    {"store", 4, bench_store},
};

int
main(int argc, char **argv)
{
	size_t i;

	for (i = 0; i < sizeof(benches) / sizeof(*benches); i++)
		if (argc == benches[i].nargs + 2 &&
		    strcmp(argv[1], benches[i].name) == 0) {
			benches[i].fn(argv + 2);
			return 0;
		}
	fputs("usage: channel relay|pipe|call|store ...\n", stderr);
	return 2;
}
