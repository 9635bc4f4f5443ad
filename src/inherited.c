/* inherited: see inherited.h. */
#include "inherited.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "ipc/fdname.h"
#include "keeper/vault.h"

#define FIRST 3 /* as sd_listen_fds(3) has it */

/* How many there are for this very process, 0 where nothing says so. */
static int
count(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	char *end;
	long n;

	if (pid == NULL || fds == NULL || strtol(pid, &end, 10) != getpid() ||
	    *end != '\0')
		return 0;
	n = strtol(fds, &end, 10);
	return *end != '\0' || n <= 0 || n > VAULT_MAX ? 0 : (int)n;
}

/* By the beginning of the name. */
static const struct {
	const char *prefix;
	mode_t type;
	int wrong_mode; /* one that it is not open for */
} kinds[] = {
    {"out:", S_IFIFO, O_WRONLY},
    {"err:", S_IFIFO, O_WRONLY},
    {"in:", S_IFIFO, O_RDONLY},
    {"tty:", S_IFCHR, O_RDONLY},
    {"ready:", S_IFIFO, O_WRONLY},
    {"rest:", S_IFCHR, O_WRONLY},
};

static int
is_of_kind(const char *name, int fd)
{
	int mode = fcntl(fd, F_GETFL);
	struct stat st;
	size_t i;

	if (fstat(fd, &st) == -1 || mode == -1)
		return 0;
	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strncmp(name, kinds[i].prefix, strlen(kinds[i].prefix)) ==
		    0)
			return (st.st_mode & S_IFMT) == kinds[i].type &&
			       (mode & O_ACCMODE) != kinds[i].wrong_mode;
	return 0;
}

static int
has(const struct inherited *list, size_t n, const char *name)
{
	while (n > 0)
		if (strcmp(list[--n].name, name) == 0)
			return 1;
	return 0;
}

/* 1: it is taken as *to. */
static int
take(struct inherited *list, size_t n, const char *text, size_t len, int fd)
{
	struct inherited *to = &list[n];

	if (fdname_decode(text, len, to->name) == -1 ||
	    has(list, n, to->name) || !is_of_kind(to->name, fd) ||
	    fd_set_cloexec(fd, 1) == -1)
		return 0;
	to->fd = fd;
	return 1;
}

struct inherited *
inherited_take(size_t *n)
{
	const char *names = getenv("LISTEN_FDNAMES");
	struct inherited *list = NULL;
	int given = count(), i;
	size_t len;

	*n = 0;
	if (names == NULL)
		given = 0;
	if (given > 0)
		list = calloc((size_t)given, sizeof(*list));
	for (i = 0; list != NULL && i < given; i++) {
		len = strcspn(names, ":");
		if (take(list, *n, names, len, FIRST + i))
			(*n)++;
		else
			close(FIRST + i);
		names += len + (names[len] == ':');
	}
	/* Without the memory for them: they are lost, and svd starts. */
	close_range(
	    list == NULL ? FIRST : (unsigned int)(FIRST + given), ~0U, 0);
	return list;
}
