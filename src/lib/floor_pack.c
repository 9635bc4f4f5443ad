/* floor_pack: see floor_pack.h. */
#include "lib/floor_pack.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"
#include "lib/floor_huge.h"
#include "lib/floor_maps.h"

#ifndef MADV_COLLAPSE
#	define MADV_COLLAPSE 25
#endif

#define PAGE_BYTES ((uintptr_t)4096)
#define PAGES FLOOR_PAGES_AT_ONCE
/* Fewer are not worth the mapping that each run becomes. */
#define RUN_MIN (32 * PAGE_BYTES)
#define RUNS_MAX 64
/* All of them, at half a millisecond each. */
#define HUGE_MAX 16

struct run {
	uintptr_t begin, end;
};

struct runs {
	struct run at[RUNS_MAX];
	size_t n;
	uintptr_t bytes;
	int pagemap;
};

static void
add_run(struct runs *r, uintptr_t begin, uintptr_t end)
{
	if (end - begin < RUN_MIN || r->n == RUNS_MAX)
		return;
	r->at[r->n++] = (struct run){begin, end};
	r->bytes += end - begin;
}

/* The kernel and we write to it all the time. */
static int
is_of_thread(const struct floor_mapping *m)
{
	uintptr_t thread = (uintptr_t)__builtin_thread_pointer(),
		  stack = (uintptr_t)__builtin_frame_address(0);

	return (thread >= m->begin && thread < m->end) ||
	       (stack >= m->begin && stack < m->end) ||
	       strcmp(m->name, "[stack]") == 0;
}

/* Runs of pages that are the floor's own, and in no huge one. */
static void
find_runs(struct runs *r, const struct floor_mapping *m)
{
	uint64_t entries[PAGES];
	uintptr_t at, end, from;
	size_t n, i;

	for (at = from = m->begin; at < m->end; at += n * PAGE_BYTES) {
		end = at - at % FLOOR_HUGE_BYTES + FLOOR_HUGE_BYTES;
		n = floor_pages_read(
		    r->pagemap, at, end < m->end ? end : m->end, entries);
		if (n == 0)
			break;
		if (n == PAGES && floor_huge_is(r->pagemap, m, at)) {
			add_run(r, from, at);
			from = end;
			continue;
		}
		for (i = 0; i < n; i++) {
			if (floor_page_is_own(entries[i]))
				continue;
			add_run(r, from, at + i * PAGE_BYTES);
			from = at + (i + 1) * PAGE_BYTES;
		}
	}
	add_run(r, from, at);
}

static void
find_all(struct runs *r, const struct floor_mappings *all)
{
	const struct floor_mapping *m;

	for (m = all->at; m < all->at + all->n; m++)
		if (floor_mapping_is_plain(m) && m->mode[1] == 'w' &&
		    !is_of_thread(m) && m->end - m->begin >= RUN_MIN)
			find_runs(r, m);
}

/* NULL: there are none to be had. What is mapped is a huge page more than size,
 * for the sake of alignment. */
static char *
map_huge(uintptr_t size, char **mapped)
{
	uintptr_t i;
	char *at;

	*mapped = mmap(NULL, size + FLOOR_HUGE_BYTES, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (*mapped == MAP_FAILED)
		return NULL;
	at = *mapped + (-(uintptr_t)*mapped & (FLOOR_HUGE_BYTES - 1));
	for (i = 0; i < size; i += FLOOR_HUGE_BYTES)
		*(volatile char *)(at + i) = 0;
	if (madvise(at, size, MADV_COLLAPSE) == 0)
		return at;
	munmap(*mapped, size + FLOOR_HUGE_BYTES);
	return NULL;
}

/* Not memcpy(): what sanitizers keep in between is copied as well. */
static __attribute__((no_sanitize("address"))) void
copy(uintptr_t to, uintptr_t from, uintptr_t size)
{
	volatile uint64_t *target = (uint64_t *)to;
	const uint64_t *source = (const uint64_t *)from;
	size_t i;

	for (i = 0; i < size / sizeof(*source); i++)
		target[i] = source[i];
}

/* What is copied must not change before it is moved: see floor_data. */
static void
move_runs(const struct runs *r, uintptr_t to, uintptr_t room)
{
	const struct run *run;
	uintptr_t size;
	sigset_t mask;

	sigprocmask(SIG_SETMASK, NULL, &mask);
	sys_sigmask(SIG_ALL);
	for (run = r->at; run < r->at + r->n && room > 0; run++) {
		size = run->end - run->begin;
		if (size > room)
			size = room;
		copy(to, run->begin, size);
		syscall(SYS_mremap, to, size, size,
		    MREMAP_MAYMOVE | MREMAP_FIXED, run->begin);
		to += size;
		room -= size;
	}
	sigprocmask(SIG_SETMASK, &mask, NULL);
}

void
floor_pack_pages(const struct floor_mappings *all)
{
	struct runs r = {.pagemap = floor_pages_open()};
	uintptr_t size;
	char *at, *mapped;

	if (r.pagemap != -1 && sysconf(_SC_PAGESIZE) == PAGE_BYTES)
		find_all(&r, all);
	fd_close(&r.pagemap);
	/* One is worth it if it is half full. */
	size = (r.bytes + FLOOR_HUGE_BYTES / 2) / FLOOR_HUGE_BYTES;
	size = (size > HUGE_MAX ? HUGE_MAX : size) * FLOOR_HUGE_BYTES;
	at = size == 0 ? NULL : map_huge(size, &mapped);
	if (at == NULL)
		return;
	move_runs(&r, (uintptr_t)at, size);
	munmap(mapped, size + FLOOR_HUGE_BYTES);
}
