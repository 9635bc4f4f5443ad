/* trace: see trace.h. */
#include "supervisor/trace.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"
#include "supervisor/supervisor.h"

#define PREFIX "trace:"

static void
held_name(const struct worker *w, char out[KEEPER_NAME_MAX + 1])
{
	snprintf(out, KEEPER_NAME_MAX + 1, PREFIX "%s", w->rec.name);
}

void
trace_put(struct worker *w, const char *text)
{
	char name[KEEPER_NAME_MAX + 1];
	size_t len = text == NULL ? 0 : strlen(text);
	int fd = len == 0 ? -1 : sys_memfd("svd-trace");

	if (fd == -1 && w->trace == -1)
		return;
	held_name(w, name);
	fd_close(&w->trace);
	if (fd != -1 && write(fd, text, len) != (ssize_t)len)
		fd_close(&fd);
	w->trace = fd;
	if (fd == -1)
		link_drop(&w->sup->link, name);
	else
		link_hold(&w->sup->link, name, fd);
}

void
trace_adopt(struct supervisor *s)
{
	struct link *l = &s->link;
	struct worker *w;
	size_t i;

	for (i = 0; i < l->nheld; i++) {
		if (l->held[i].fd == -1 ||
		    strncmp(l->held[i].name, PREFIX, strlen(PREFIX)) != 0)
			continue;
		w = roster_by_id(&s->roster, l->held[i].name + strlen(PREFIX));
		if (w == NULL) {
			link_drop(l, l->held[i].name);
			fd_close(&l->held[i].fd);
			continue;
		}
		fd_close(&w->trace);
		w->trace = l->held[i].fd;
		l->held[i].fd = -1;
	}
}

int
trace_read(const struct worker *w, struct buf *out)
{
	struct stat st;
	ssize_t n;

	if (w->trace == -1 || fstat(w->trace, &st) == -1 || st.st_size == 0 ||
	    buf_reserve(out, (size_t)st.st_size + 1) == -1)
		return -1;
	n = pread(w->trace, out->data + out->len, (size_t)st.st_size, 0);
	if (n <= 0)
		return -1;
	out->len += (size_t)n;
	out->data[out->len] = '\0';
	return 0;
}

void
trace_close(struct worker *w)
{
	fd_close(&w->trace);
}
