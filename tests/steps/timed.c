/*
 * timed: linked into svd-timed, an svd that adds up how long its supervisor is
 * in state_put(), state_reserve() and state_maintain(): what the journal costs.
 * The linker puts the functions below in their place (--wrap). The sums go to
 * the file that the environment names, SVD_TIMED: two 64-bit numbers,
 * nanoseconds and calls.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "supervisor/state.h"

void __real_state_put(struct state *st, const struct record *r);
void __wrap_state_put(struct state *st, const struct record *r);
void __real_state_maintain(struct state *st);
void __wrap_state_maintain(struct state *st);
int __real_state_reserve(struct state *st);
int __wrap_state_reserve(struct state *st);

static struct sums {
	uint64_t ns, calls;
} * sums;

__attribute__((constructor)) static void
timed_begin(void)
{
	const char *path = getenv("SVD_TIMED");
	void *map;
	int fd;

	if (path == NULL || (fd = open(path, O_RDWR | O_CLOEXEC)) == -1)
		return;
	map = mmap(
	    NULL, sizeof(*sums), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (map != MAP_FAILED)
		sums = map;
}

static uint64_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

/* What is called within another of these is in that one's time. */
static int depth;

static uint64_t
enter(void)
{
	depth++;
	return now();
}

static void
leave(uint64_t since)
{
	if (--depth > 0 || sums == NULL)
		return;
	sums->ns += now() - since;
	sums->calls++;
}

void
__wrap_state_put(struct state *st, const struct record *r)
{
	uint64_t since = enter();

	__real_state_put(st, r);
	leave(since);
}

int
__wrap_state_reserve(struct state *st)
{
	uint64_t since = enter();
	int rc = __real_state_reserve(st);

	leave(since);
	return rc;
}

void
__wrap_state_maintain(struct state *st)
{
	uint64_t since = enter();

	__real_state_maintain(st);
	leave(since);
}
