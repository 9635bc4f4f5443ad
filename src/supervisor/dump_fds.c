/*
 * dump_fds: what a process has open, by number; what its sockets are about
 * comes behind, as to look that up is to read of all sockets that there are.
 * See dump_proc.h.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "supervisor/dump_proc.h"

#define FDS_MAX 1024 /* that are told of */
#define PATH_SIZE 64
#define LINE_SIZE 512
#define SOCKET "socket:["

struct fds {
	int list[FDS_MAX];
	size_t n, left_out;
};

static int
by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static int
find_fds(const struct dump_proc *p, struct fds *f)
{
	int fd = openat(p->dir, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *d;

	f->n = f->left_out = 0;
	if (dir == NULL) {
		fd_close(&fd);
		return -1;
	}
	while ((d = readdir(dir)) != NULL)
		if (!isdigit((unsigned char)d->d_name[0]))
			continue;
		else if (f->n < FDS_MAX)
			f->list[f->n++] = atoi(d->d_name);
		else
			f->left_out++;
	closedir(dir);
	qsort(f->list, f->n, sizeof(*f->list), by_number);
	return 0;
}

/* How it was opened, where that says something. */
static void
say_info(struct dump_out *o, const struct dump_proc *p, int fd)
{
	static const char *const modes[] = {"read", "write", "read and write"};
	char path[PATH_SIZE], text[DUMP_TEXT_BYTES];
	const char *flags, *pos;
	unsigned long bits;

	snprintf(path, sizeof(path), "fdinfo/%d", fd);
	if (procfs_read(p->dir, path, text, sizeof(text)) <= 0 ||
	    (flags = procfs_value(text, "flags")) == NULL)
		return;
	bits = strtoul(flags, NULL, 8);
	if ((bits & O_ACCMODE) < sizeof(modes) / sizeof(*modes))
		dump_say(o, ", %s", modes[bits & O_ACCMODE]);
	if (bits & O_APPEND)
		dump_say(o, ", appending");
	if (bits & O_NONBLOCK)
		dump_say(o, ", non-blocking");
	pos = procfs_value(text, "pos");
	if (pos != NULL && strtoll(pos, NULL, 10) != 0)
		dump_say(o, ", at byte %lld", strtoll(pos, NULL, 10));
}

void
dump_fds(struct dump_out *o, const struct dump_proc *p)
{
	char path[PATH_SIZE];
	struct fds f;
	size_t i;

	dump_heading(o, p, "descriptors");
	if (find_fds(p, &f) == -1) {
		dump_say(o, DUMP_INDENT "they may not be seen\n");
		return;
	}
	for (i = 0; i < f.n; i++) {
		snprintf(path, sizeof(path), "fd/%d", f.list[i]);
		dump_say(o, DUMP_INDENT "%d: ", f.list[i]);
		dump_quote_link(o, p->dir, path);
		say_info(o, p, f.list[i]);
		dump_say(o, "\n");
	}
	if (f.left_out > 0)
		dump_say(o, DUMP_INDENT "and %zu more\n", f.left_out);
}

/* --- sockets --- */

/* net/tcp_states.h */
static const char *const tcp_states[] = {"", "ESTABLISHED", "SYN_SENT",
    "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT",
    "LAST_ACK", "LISTEN", "CLOSING", "NEW_SYN_RECV"};

struct open_sockets {
	struct {
		int fd;
		uint64_t inode;
	} list[FDS_MAX];
	size_t n;
};

static int
fd_of(const struct open_sockets *s, uint64_t inode)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (s->list[i].inode == inode && inode != 0)
			return s->list[i].fd;
	return -1;
}

/* Words of the address in the machine's order, as they stand in memory. */
static void
say_address(struct dump_out *o, const char *hex, unsigned int port)
{
	size_t words = strlen(hex) / 8, i;
	char word[9] = "", text[INET6_ADDRSTRLEN];
	uint32_t address[4] = {0};

	for (i = 0; i < words && i < 4; i++) {
		memcpy(word, hex + 8 * i, 8);
		address[i] = (uint32_t)strtoul(word, NULL, 16);
	}
	if (inet_ntop(words == 1 ? AF_INET : AF_INET6, address, text,
		sizeof(text)) == NULL)
		return;
	dump_say(o, words == 1 ? "%s:%u" : "[%s]:%u", text, port);
}

static void
take_inet(struct dump_out *o, const struct open_sockets *s, const char *name,
    const char *line)
{
	char local[33], remote[33];
	unsigned int port, other, state, send, receive;
	uint64_t inode;
	int fd;

	if (sscanf(line,
		"%*d: %32[0-9A-F]:%x %32[0-9A-F]:%x %x %x:%x %*x:%*x %*x %*u "
		"%*d %" SCNu64,
		local, &port, remote, &other, &state, &send, &receive,
		&inode) != 8 ||
	    (fd = fd_of(s, inode)) == -1)
		return;
	dump_say(o, DUMP_INDENT "%d: %s ", fd, name);
	say_address(o, local, port);
	dump_say(o, " to ");
	say_address(o, remote, other);
	if (name[0] == 't' && state < sizeof(tcp_states) / sizeof(*tcp_states))
		dump_say(o, ", %s", tcp_states[state]);
	dump_say(o, ", %u to be sent, %u to be read\n", send, receive);
}

static void
take_unix(struct dump_out *o, const struct open_sockets *s, const char *name,
    const char *line)
{
	unsigned int flags, type, state;
	uint64_t inode;
	int fd, end = 0;

	if (sscanf(line, "%*[^:]: %*x %*x %x %x %x %" SCNu64 "%n", &flags,
		&type, &state, &inode, &end) != 4 ||
	    (fd = fd_of(s, inode)) == -1)
		return;
	dump_say(o, DUMP_INDENT "%d: %s %s, %s", fd, name,
	    type == 1   ? "stream"
	    : type == 2 ? "datagram"
			: "packets",
	    flags & 0x10000 ? "listens"
	    : state == 3    ? "connected"
			    : "not connected");
	dump_quote(o, line + end, strcspn(line + end, "\n"));
	dump_say(o, "\n");
}

static const struct {
	const char *name;
	void (*take)(struct dump_out *o, const struct open_sockets *s,
	    const char *name, const char *line);
} families[] = {{"tcp", take_inet}, {"tcp6", take_inet}, {"udp", take_inet},
    {"udp6", take_inet}, {"unix", take_unix}};

static void
find_sockets(const struct dump_proc *p, struct open_sockets *s)
{
	char path[PATH_SIZE], link[PATH_SIZE];
	struct fds f;
	size_t i;
	ssize_t n;

	s->n = 0;
	if (find_fds(p, &f) == -1)
		return;
	for (i = 0; i < f.n; i++) {
		snprintf(path, sizeof(path), "fd/%d", f.list[i]);
		n = readlinkat(p->dir, path, link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = '\0';
		if (strncmp(link, SOCKET, strlen(SOCKET)) != 0)
			continue;
		s->list[s->n].fd = f.list[i];
		s->list[s->n++].inode =
		    strtoull(link + strlen(SOCKET), NULL, 10);
	}
}

/* Of the process's own network, which may be another than ours. */
void
dump_sockets(struct dump_out *o, const struct dump_proc *p)
{
	char path[PATH_SIZE], line[LINE_SIZE];
	struct open_sockets s;
	FILE *file;
	size_t i;
	int fd;

	find_sockets(p, &s);
	if (s.n == 0)
		return;
	dump_heading(o, p, "sockets");
	for (i = 0; i < sizeof(families) / sizeof(*families); i++) {
		snprintf(path, sizeof(path), "net/%s", families[i].name);
		fd = openat(p->dir, path, O_RDONLY | O_CLOEXEC);
		file = fd == -1 ? NULL : fdopen(fd, "r");
		if (file == NULL) {
			fd_close(&fd);
			continue;
		}
		while (fgets(line, sizeof(line), file) != NULL)
			families[i].take(o, &s, families[i].name, line);
		fclose(file);
	}
}
