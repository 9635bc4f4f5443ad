/* where: see where.h. */
#include "ctl/where.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/runtime.h"
#include "ctl/exits.h"
#include "ctl/print.h"

/* Where the default runtime directories are, and what was found there. */
struct search {
	char parent[WHERE_SIZE];
	char first[WHERE_SIZE];
	int found;
};

static int
is_socket(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

static void
search_entry(struct search *s, const char *name)
{
	char path[WHERE_SIZE];

	if (name[0] == '.' ||
	    (size_t)snprintf(path, sizeof(path), "%s/%s/%s", s->parent, name,
		RUNTIME_CONTROL) >= sizeof(path) ||
	    !is_socket(path))
		return;
	s->found++;
	if (s->found == 1) {
		memcpy(s->first, path, sizeof(path));
		return;
	}
	if (s->found == 2) {
		print_error("several fleets run here, choose one with -s:");
		print_error("  %s", s->first);
	}
	print_error("  %s", path);
}

static int
search(char out[WHERE_SIZE])
{
	struct search s = {.found = 0};
	struct dirent *d;
	struct err e;
	DIR *dir;

	if (runtime_parent(s.parent, sizeof(s.parent), &e) == -1) {
		print_error("%s", e.text);
		return EXIT_UNREACHABLE;
	}
	dir = opendir(s.parent);
	while (dir != NULL && (d = readdir(dir)) != NULL)
		search_entry(&s, d->d_name);
	if (dir != NULL)
		closedir(dir);
	if (s.found == 0) {
		print_error("no fleet runs here: no '%s/*/%s'", s.parent,
		    RUNTIME_CONTROL);
		return EXIT_UNREACHABLE;
	}
	if (s.found > 1)
		return EXIT_USAGE;
	memcpy(out, s.first, WHERE_SIZE);
	return EXIT_DONE;
}

int
where_socket(const struct where *w, char out[WHERE_SIZE])
{
	const char *env = getenv("SVD_SOCKET");
	const char *path = w->socket;
	struct err e;

	if (w->dir != NULL) {
		if (runtime_path(
			out, WHERE_SIZE, w->dir, RUNTIME_CONTROL, &e) == 0)
			return EXIT_DONE;
		print_error("%s", e.text);
		return EXIT_USAGE;
	}
	if (path == NULL && env != NULL && env[0] != '\0')
		path = env;
	if (path == NULL)
		return search(out);
	if (strlen(path) >= WHERE_SIZE) {
		print_error("path too long for a socket: '%s'", path);
		return EXIT_USAGE;
	}
	memcpy(out, path, strlen(path) + 1);
	return EXIT_DONE;
}
