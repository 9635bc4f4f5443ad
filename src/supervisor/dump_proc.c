/* dump_proc: see dump_proc.h. */
#include "supervisor/dump_proc.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

#define FLUSH_BYTES 4096
#define LINK_MAX_BYTES 512
#define THREADS_MAX 512 /* of a process that are told of */

void
dump_flush(struct dump_out *o)
{
	/* Nobody reads it any more. */
	if (o->text.len > 0 &&
	    fd_write_all(o->fd, o->text.data, o->text.len) == -1)
		_exit(1);
	o->text.len = 0;
}

static void
flush_some(struct dump_out *o)
{
	if (o->text.len >= FLUSH_BYTES)
		dump_flush(o);
}

void
dump_say(struct dump_out *o, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (buf_adds(&o->text, text) == -1)
		_exit(1);
	flush_some(o);
}

void
dump_quote(struct dump_out *o, const char *text, size_t len)
{
	size_t i;
	int rc;

	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		rc = c < ' ' || c == 0x7f || c == '\\'
		         ? buf_addf(&o->text, "\\x%02x", c)
		         : buf_add(&o->text, text + i, 1);
		if (rc == -1)
			_exit(1);
	}
	flush_some(o);
}

void
dump_quote_link(struct dump_out *o, int dir, const char *path)
{
	char to[LINK_MAX_BYTES];
	ssize_t n = readlinkat(dir, path, to, sizeof(to));

	if (n == -1)
		dump_say(o, "%s", errno == ENOENT ? "closed" : "unknown");
	else
		dump_quote(o, to, (size_t)n);
}

void
dump_lines(struct dump_out *o, const char *indent, const char *text)
{
	size_t len;

	for (; *text != '\0'; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		dump_say(o, "%s", indent);
		dump_quote(o, text, len);
		dump_say(o, "\n");
	}
}

void
dump_heading(struct dump_out *o, const struct dump_proc *p, const char *what)
{
	dump_say(o, "process %d (", (int)p->pid);
	dump_quote(o, p->name, strlen(p->name));
	dump_say(o, "): %s\n", what);
}

int
dump_each_thread(const struct dump_proc *p,
    void (*fn)(void *arg, const struct dump_proc *p, pid_t tid), void *arg)
{
	int fd = openat(p->dir, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *d;
	int n = 0;

	if (dir == NULL) {
		fd_close(&fd);
		return 0;
	}
	while ((d = readdir(dir)) != NULL)
		if (isdigit((unsigned char)d->d_name[0]) && n++ < THREADS_MAX)
			fn(arg, p, (pid_t)atoi(d->d_name));
	closedir(dir);
	return n;
}
