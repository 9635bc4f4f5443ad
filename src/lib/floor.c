/* floor: see svd/floor.h. */
#include "lib/svd/floor.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/sys.h"
#include "ipc/chan.h"
#include "ipc/proto_floor.h"
#include "lib/dispositions.h"
#include "lib/floor_arena.h"
#include "lib/floor_code.h"
#include "lib/floor_data.h"
#include "lib/floor_files.h"
#include "lib/floor_fork.h"
#include "lib/floor_huge.h"
#include "lib/floor_late.h"
#include "lib/floor_pack.h"
#include "lib/floor_worker.h"

#define REQUEST_BYTES 1024 /* of a packet from svd */
#define SMALL_BLOCK_MAX 1024
#define WHAT_MAX 4096 /* bytes of what people read in a line */

/* One floor a process, and the worker that it becomes. */
static struct {
	struct floor_fork fork;
	int line;  /* in a worker, else -1 */
	pid_t pid; /* who speaks; it is not what that forks */
	struct dispositions signals;
	char packet[FLOOR_PACKET_MAX]; /* too much for some stacks */
} self = {.fork = {.sock = -1}, .line = -1};

/* -1 and errno: it is not what svd gave us. */
static int
check_socket(const char *text)
{
	int type = 0;
	socklen_t len = sizeof(type);
	char *end;
	long fd;

	fd = strtol(text, &end, 10);
	if (*text == '\0' || *end != '\0' || fd <= STDERR_FILENO ||
	    fd > INT32_MAX) {
		errno = EINVAL;
		return -1;
	}
	if (getsockopt((int)fd, SOL_SOCKET, SO_TYPE, &type, &len) == -1)
		return -1;
	if (type != SOCK_SEQPACKET) {
		errno = EPROTOTYPE;
		return -1;
	}
	return (int)fd;
}

/* What the floor has loaded, or the worker, may have forked, and the child come
 * back to call us: svd must not take it for its parent. */
static int
refuse_child(void)
{
	if (getpid() == self.pid)
		return 0;
	errno = ENOTCONN;
	return -1;
}

int
svd_floor_open(void)
{
	const char *text = getenv(FLOOR_FD_ENV), *way = getenv(FLOOR_WAY_ENV);
	struct err e;
	int sock;

	if (text == NULL) {
		errno = ENOENT;
		return -1;
	}
	sock = check_socket(text);
	if (sock == -1 || fd_set_cloexec(sock, 1) == -1 ||
	    fd_fill_standard(&e) == -1)
		return -1;
	unsetenv(FLOOR_FD_ENV);
	floor_worker_open();
	self.fork.sock = sock;
	self.pid = getpid();
	self.fork.use_double = way != NULL && strcmp(way, "double") == 0;
	dispositions_take(&self.signals);
	return 0;
}

int
svd_floor_failed(const char *what, const char *module, const char *traceback)
{
	struct floor_packet p;

	if (refuse_child() == -1)
		return -1;
	floor_begin(&p, self.packet, sizeof(self.packet), "LOADFAIL");
	floor_add_text(&p, "what", what, WHAT_MAX);
	if (module != NULL)
		floor_add_text(&p, "module", module, WHAT_MAX);
	if (traceback != NULL)
		floor_add_text(&p, "traceback", traceback, FLOOR_TEXT_MAX);
	return chan_send(self.fork.sock, p.data, p.len, NULL, 0, 0);
}

static int
refuse_subreaper(void)
{
	int is = 0;

	if (prctl(PR_GET_CHILD_SUBREAPER, &is) == -1 || !is)
		return 0;
	svd_floor_failed("what was loaded made the floor a child subreaper: "
			 "its workers could not become svd's",
	    NULL, NULL);
	errno = EINVAL;
	return -1;
}

/*
 * What loading needed for itself is no worker's. And a worker's first block of
 * a size would move others of that size, each on a page that it has in common
 * with everybody, to where glibc keeps some at hand (tcache): they are moved
 * here. calloc() does that, even if there are some.
 */
static void
settle_heap(void)
{
	void *volatile block; /* not to be optimized away */
	size_t size;

#ifdef __GLIBC__
	malloc_trim(0);
#endif
	for (size = 16; size <= SMALL_BLOCK_MAX; size += 16) {
		block = calloc(1, size);
		free(block);
	}
}

/* See ../README: what a fork costs. */
static void
rearrange(void)
{
	struct floor_mappings all;

	settle_heap();
	floor_arena_close();
	floor_huge_pages();
	if (floor_fork_threads() != 1)
		return;
	floor_files_leave();
	if (floor_mappings_read(&all) == -1)
		return;
	floor_data_share(&all);
	floor_code_join(&all);
	floor_pack_pages(&all);
	floor_mappings_free(&all);
}

int
svd_floor_loaded(unsigned int ms, const char *const *modules, size_t n)
{
	int late, rc;
	struct floor_packet p;
	size_t i;

	if (refuse_child() == -1 || refuse_subreaper() == -1)
		return -1;
	rearrange();
	/* Without it nobody sees what workers load, and that is all. */
	late = floor_late_make();
	floor_begin(&p, self.packet, sizeof(self.packet), "LOADED");
	floor_add_number(&p, "version", FLOOR_VERSION);
	floor_add_number(&p, "ms", ms);
	floor_add_number(&p, "threads", floor_fork_threads());
	floor_add(&p, "way", floor_fork_way(&self.fork));
	floor_add_number(&p, "modules", n);
	if (late != -1)
		floor_add(&p, "fd", "late");
	for (i = 0; i < n; i++)
		floor_add(&p, "module", modules[i]);
	rc = chan_send(
	    self.fork.sock, p.data, p.len, &late, late == -1 ? 0 : 1, 0);
	fd_close(&late);
	return rc;
}

/* 1 with a message, 0 where there will be none any more, -1 and errno. */
static int
receive_request(char *data, struct floor_msg *m)
{
	ssize_t n;

	for (;;) {
		n = chan_recv(
		    self.fork.sock, data, REQUEST_BYTES, NULL, NULL, 0);
		if (n == 0 || (n == -1 && errno == ECONNRESET))
			return 0;
		if (n > 0 && floor_parse(data, (size_t)n, m) == 0)
			return 1;
		if (n == -1 && errno != EINTR && errno != EMSGSIZE)
			return -1;
	}
}

static void
become_worker(const struct floor_fork_made *made, struct svd_job *job)
{
	self.fork.sock = -1;
	self.line = made->line;
	self.pid = getpid();
	dispositions_restore(&self.signals);
	floor_worker_begin(made->line, made->parent, job);
	sys_sigmask(0);
}

int
svd_floor_serve(const struct svd_floor_hooks *hooks, struct svd_job *job)
{
	struct floor_fork_made made;
	char data[REQUEST_BYTES];
	struct floor_msg m;
	const char *token;
	int rc;

	if (refuse_child() == -1)
		return -1;
	self.fork.hooks = hooks;
	while ((rc = receive_request(data, &m)) == 1) {
		if (strcmp(m.verb, "RETIRE") == 0)
			return 0;
		token = floor_get(&m, "token");
		if (strcmp(m.verb, "FORK") != 0 || token == NULL)
			continue;
		if (floor_fork(&self.fork, token, &made)) {
			become_worker(&made, job);
			return 1;
		}
	}
	return rc;
}

int
svd_floor_exception(const char *what, const char *traceback)
{
	struct floor_packet p;

	if (refuse_child() == -1)
		return -1;
	if (self.line == -1) {
		errno = ENOTCONN;
		return -1;
	}
	floor_begin(&p, self.packet, sizeof(self.packet), "EXCEPTION");
	floor_add_text(&p, "what", what, WHAT_MAX);
	if (traceback != NULL)
		floor_add_text(&p, "traceback", traceback, FLOOR_TEXT_MAX);
	return chan_send(self.line, p.data, p.len, NULL, 0, MSG_DONTWAIT);
}
