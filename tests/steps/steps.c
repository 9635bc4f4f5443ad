/*
 * steps: linked into svd-steps, an svd that can be killed at each step of any
 * of its roles: before each call by which something changes outside of its
 * memory. What comes after a call and before the next changes nothing that
 * anybody could see, so a death there is one before the next.
 *
 * The linker puts the functions below in place of those calls (--wrap); the
 * Makefile reads their names here. Which role dies where is told while svd
 * runs, by a file of struct steps that the environment names: SVD_STEPS.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum role {
	KEEPER,
	SUPERVISOR,
	LOGGER,
	WRITER, /* and whatever else a logger forks */
	ROLES
};

#define NAME_SIZE 32

/* Little-endian, as the tests read it: 3 times 4 numbers, 4 names, a number. */
struct steps {
	uint32_t made[ROLES]; /* steps so far, by all processes of the role */
	uint32_t left[ROLES]; /* so many more and it dies; 0: it lives */
	uint32_t then[ROLES]; /* left of the one that comes after it */
	char at[ROLES][NAME_SIZE]; /* the call before which it died */
	uint32_t all; /* the keeper dies with it, and so all of svd */
};

int __real_kill(pid_t pid, int sig);

static struct steps *steps;
static enum role role;
static pid_t owner;

__attribute__((constructor)) static void
steps_begin(int argc, char **argv)
{
	static const char *const roles[] = {
	    "keeper=", "supervisor=", "logger="};
	const char *path = getenv("SVD_STEPS");
	void *map;
	int fd, i;

	for (role = KEEPER; role < WRITER; role++)
		for (i = 1; i < argc; i++)
			if (strncmp(
				argv[i], roles[role], strlen(roles[role])) == 0)
				goto found;
	return;
found:
	if (path == NULL || (fd = open(path, O_RDWR | O_CLOEXEC)) == -1)
		return;
	map = mmap(
	    NULL, sizeof(*steps), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (map != MAP_FAILED)
		steps = map;
	owner = getpid();
}

/* A process between fork and exec is nobody's, and may share our memory. */
static int
who(void)
{
	if (steps == NULL)
		return ROLES;
	if (getpid() == owner)
		return role;
	return role == LOGGER ? WRITER : ROLES;
}

static void
step(const char *call)
{
	int r = who();

	if (r == ROLES)
		return;
	__atomic_fetch_add(&steps->made[r], 1, __ATOMIC_RELAXED);
	if (__atomic_load_n(&steps->left[r], __ATOMIC_RELAXED) == 0 ||
	    __atomic_sub_fetch(&steps->left[r], 1, __ATOMIC_RELAXED) != 0)
		return;
	memcpy(steps->at[r], call, strlen(call) + 1);
	__atomic_store_n(&steps->left[r],
	    __atomic_exchange_n(&steps->then[r], 0, __ATOMIC_RELAXED),
	    __ATOMIC_RELAXED);
	if (steps->all && (r == SUPERVISOR || r == LOGGER))
		__real_kill(getppid(), SIGKILL);
	__real_kill(getpid(), SIGKILL);
}

/* WRAP(name, type, parameters, arguments, when it is a step) */
#define WRAP(name, type, parameters, arguments, when) \
	type __real_##name parameters;                \
	type __wrap_##name parameters;                \
	type __wrap_##name parameters                 \
	{                                             \
		if (when)                             \
			step(#name);                  \
		return __real_##name arguments;       \
	}

/* Not what svd logs; but what its logger does. */
WRAP(write, ssize_t, (int fd, const void *data, size_t n), (fd, data, n),
    fd != STDERR_FILENO || role == LOGGER)
WRAP(pwrite, ssize_t, (int fd, const void *data, size_t n, off_t at),
    (fd, data, n, at), 1)
WRAP(sendmsg, ssize_t, (int fd, const struct msghdr *m, int flags),
    (fd, m, flags), 1)
WRAP(send, ssize_t, (int fd, const void *data, size_t n, int flags),
    (fd, data, n, flags), 1)
WRAP(recvmsg, ssize_t, (int fd, struct msghdr *m, int flags), (fd, m, flags),
    !(flags & MSG_PEEK))
WRAP(recv, ssize_t, (int fd, void *data, size_t n, int flags),
    (fd, data, n, flags), !(flags & MSG_PEEK))
WRAP(kill, int, (pid_t pid, int sig), (pid, sig), sig != 0)
WRAP(sys_pidfd_send_signal, int, (int fd, int sig), (fd, sig), 1)
WRAP(clone, int,
    (int (*fn)(void *), void *stack, int flags, void *arg, int *fd),
    (fn, stack, flags, arg, fd), 1)
WRAP(fork, pid_t, (void), (), 1)
WRAP(waitid, int, (idtype_t type, id_t id, siginfo_t *info, int options),
    (type, id, info, options), !(options & WNOWAIT))
WRAP(rename, int, (const char *from, const char *to), (from, to), 1)
WRAP(unlink, int, (const char *path), (path), 1)
WRAP(unlinkat, int, (int dir, const char *path, int flags), (dir, path, flags),
    1)
WRAP(mkfifoat, int, (int dir, const char *path, mode_t mode), (dir, path, mode),
    1)
WRAP(splice, ssize_t,
    (int in, off_t *in_at, int out, off_t *out_at, size_t n,
	unsigned int flags),
    (in, in_at, out, out_at, n, flags), 1)
WRAP(tee, ssize_t, (int in, int out, size_t n, unsigned int flags),
    (in, out, n, flags), 1)
WRAP(
    fallocate, int, (int fd, int mode, off_t at, off_t n), (fd, mode, at, n), 1)
WRAP(ftruncate, int, (int fd, off_t n), (fd, n), 1)
WRAP(lseek, off_t, (int fd, off_t at, int whence), (fd, at, whence),
    whence != SEEK_CUR)
WRAP(eventfd_write, int, (int fd, uint64_t n), (fd, n), 1)
WRAP(fchmod, int, (int fd, mode_t mode), (fd, mode), 1)
