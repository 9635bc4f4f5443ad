/* program: see program.h. */
#include "program.h"

#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXE "/proc/self/exe"
#define DELETED " (deleted)"

/* As it was called: that may be a link, which will be another file's one day.
 * AT_EXECFN is a number by the kernel's own definition. */
static int
find_called(char path[PATH_MAX])
{
	const char *called = (const char *)getauxval(AT_EXECFN);
	char cwd[PATH_MAX];

	if (called == NULL)
		return -1;
	if (called[0] == '/')
		return snprintf(path, PATH_MAX, "%s", called) < PATH_MAX ? 0
		                                                         : -1;
	if (getcwd(cwd, sizeof(cwd)) == NULL)
		return -1;
	return snprintf(path, PATH_MAX, "%s/%s", cwd, called) < PATH_MAX ? 0
	                                                                 : -1;
}

int
program_find(char path[PATH_MAX])
{
	struct stat called, running;
	size_t len;
	ssize_t n;

	if (find_called(path) == 0 && stat(path, &called) == 0 &&
	    (stat(EXE, &running) == -1 || (called.st_dev == running.st_dev &&
					      called.st_ino == running.st_ino)))
		return 0;
	n = readlink(EXE, path, PATH_MAX - 1);
	if (n <= 0)
		return -1;
	path[n] = '\0';
	/* Replaced while it started: the new one is meant. */
	len = (size_t)n;
	if (len > strlen(DELETED) &&
	    strcmp(path + len - strlen(DELETED), DELETED) == 0)
		path[len - strlen(DELETED)] = '\0';
	return 0;
}
