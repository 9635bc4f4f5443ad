/* runtime: see runtime.h. */
#include "base/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define PARENT_OF_ROOT "/run/svd"

static int
too_long(struct err *e, const char *path)
{
	return err_set(e, "path too long: '%s'", path);
}

int
runtime_parent(char *out, size_t size, struct err *e)
{
	const char *base = getenv("XDG_RUNTIME_DIR");
	int n;

	if (geteuid() == 0)
		n = snprintf(out, size, "%s", PARENT_OF_ROOT);
	else if (base == NULL || base[0] != '/')
		return err_set(e,
		    "no runtime directory: XDG_RUNTIME_DIR is not set to an "
		    "absolute path");
	else
		n = snprintf(out, size, "%s/svd", base);
	return n < 0 || (size_t)n >= size ? too_long(e, out) : 0;
}

/* The first len bytes of dir, made absolute, without slashes at its end. */
static int
absolute(char *out, size_t size, const char *dir, size_t len, struct err *e)
{
	size_t n = 0;

	if (len == 0)
		return err_set(e, "the runtime directory's name is empty");
	if (dir[0] != '/') {
		if (getcwd(out, size) == NULL)
			return err_sys(
			    e, errno, "cannot tell the working directory");
		n = strlen(out);
		if (n > 1 && n + 1 < size)
			out[n++] = '/';
	}
	if (len >= size - n)
		return too_long(e, dir);
	memcpy(out + n, dir, len);
	n += len;
	while (n > 1 && out[n - 1] == '/')
		n--;
	out[n] = '\0';
	return 0;
}

int
runtime_dir(char *out, size_t size, const char *option, const char *conf,
    const char *name, struct err *e)
{
	const char *env = getenv("RUNTIME_DIRECTORY");
	size_t len;

	if (option == NULL)
		option = conf;
	if (option != NULL)
		return absolute(out, size, option, strlen(option), e);
	/* systemd's list, where a unit has several. */
	if (env != NULL && env[0] != '\0')
		return absolute(out, size, env, strcspn(env, ":"), e);
	if (runtime_parent(out, size, e) == -1)
		return -1;
	len = strlen(out);
	if (len + 1 + strlen(name) >= size)
		return too_long(e, name);
	snprintf(out + len, size - len, "/%s", name);
	return 0;
}

int
runtime_path(
    char *out, size_t size, const char *dir, const char *file, struct err *e)
{
	int n = snprintf(out, size, "%s/%s", dir, file);

	if (n < 0 || (size_t)n >= size ||
	    (size_t)n >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return err_set(
		    e, "path too long for a socket: '%s/%s'", dir, file);
	return 0;
}
