/* hang_sample: see hang_sample.h. */
#include "supervisor/hang_sample.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "supervisor/supervisor.h"
#include "supervisor/worker.h"

#define THREADS_MAX 64 /* that are looked at */
#define TEXT_MAX 512
#define STATUS_MAX 4096
#define SLEEPS "\nvoluntary_ctxt_switches:"
#define GROUPS_MAX 2048 /* bytes of /proc/PID/cgroup */
/* Many workers may be late at once, and have one machine. */
#define MACHINE_FRESH_MS 50

struct hang_thread {
	int tid;
	char state;
	uint64_t ran, waited; /* ns */
	uint64_t runs;        /* how often it got a processor, */
	uint64_t slept;       /* and gave it back of itself */
};

struct hang_sample {
	int64_t at;
	char state;
	size_t nthreads;
	struct hang_machine machine;
	int has_throttled;
	uint64_t throttled; /* microseconds */
	struct hang_thread threads[THREADS_MAX];
};

/* --- the process --- */

/* Behind the name, which may have any characters in it. */
static char
state_in(const char *stat)
{
	const char *end = strrchr(stat, ')');

	return end == NULL || end[1] != ' ' ? '\0' : end[2];
}

static int
take_sleeps(int tasks, const char *tid, struct hang_thread *t)
{
	char path[64], text[STATUS_MAX];
	const char *at;

	snprintf(path, sizeof(path), "%.20s/status", tid);
	if (procfs_read(tasks, path, text, sizeof(text)) <= 0 ||
	    (at = strstr(text, SLEEPS)) == NULL)
		return -1;
	return sscanf(at + strlen(SLEEPS), "%" SCNu64, &t->slept) == 1 ? 0 : -1;
}

/* -1: there is no such thread any more, or the kernel does not count. */
static int
take_thread(int tasks, const char *tid, struct hang_thread *t)
{
	char path[64], text[TEXT_MAX];

	snprintf(path, sizeof(path), "%.20s/schedstat", tid);
	if (procfs_read(tasks, path, text, sizeof(text)) <= 0 ||
	    sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64, &t->ran,
		&t->waited, &t->runs) != 3 ||
	    t->runs == 0 || take_sleeps(tasks, tid, t) == -1)
		return -1;
	snprintf(path, sizeof(path), "%.20s/stat", tid);
	t->tid = atoi(tid);
	t->state = procfs_read(tasks, path, text, sizeof(text)) <= 0
	               ? '\0'
	               : state_in(text);
	return 0;
}

static void
take_threads(struct hang_sample *s, int process)
{
	int fd = openat(process, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (dir == NULL) {
		fd_close(&fd);
		return;
	}
	while (s->nthreads < THREADS_MAX && (e = readdir(dir)) != NULL)
		if (isdigit((unsigned char)e->d_name[0]) &&
		    take_thread(
			dirfd(dir), e->d_name, &s->threads[s->nthreads]) == 0)
			s->nthreads++;
	closedir(dir);
}

/* --- its cgroup --- */

/* The number behind a word at the beginning of a line. 0: there is none. */
static int
number_behind(const char *text, const char *word, uint64_t *n)
{
	size_t len = strlen(word);

	for (; text != NULL; text = strchr(text, '\n')) {
		text += *text == '\n';
		if (strncmp(text, word, len) == 0 && text[len] == ' ')
			return sscanf(text + len, "%" SCNu64, n) == 1;
	}
	return 0;
}

/* Where cgroups may be mounted, by what /proc/PID/cgroup calls them, and what
 * the count is called there. */
static const struct {
	const char *line, *mount, *word;
	uint64_t per_usec;
} groups[] = {
    {"0:", "/sys/fs/cgroup", "throttled_usec", 1},
    {"0:", "/sys/fs/cgroup/unified", "throttled_usec", 1},
    {":cpu", "/sys/fs/cgroup/cpu", "throttled_time", 1000},
    {":cpu", "/sys/fs/cgroup/cpu,cpuacct", "throttled_time", 1000},
};

/* The path in the line where what stands in front of it has this in it. */
static const char *
group_path(const char *text, const char *in, size_t *len)
{
	const char *at = strstr(text, in);

	/* "1:cpu:/a", "3:cpu,cpuacct:/a", "0::/a" */
	at = at == NULL ? NULL : strstr(at, ":/");
	if (at == NULL)
		return NULL;
	*len = strcspn(++at, "\n");
	return at;
}

static void
take_throttled(struct hang_sample *s, int process)
{
	char text[GROUPS_MAX], stat[TEXT_MAX], path[GROUPS_MAX];
	const char *group;
	size_t i, len;

	if (procfs_read(process, "cgroup", text, sizeof(text)) <= 0)
		return;
	for (i = 0; i < sizeof(groups) / sizeof(*groups); i++) {
		group = group_path(text, groups[i].line, &len);
		if (group == NULL ||
		    snprintf(path, sizeof(path), "%s%.*s/cpu.stat",
			groups[i].mount, (int)len, group) >= (int)sizeof(path))
			continue;
		if (procfs_read(AT_FDCWD, path, stat, sizeof(stat)) > 0 &&
		    number_behind(stat, groups[i].word, &s->throttled)) {
			s->throttled /= groups[i].per_usec;
			s->has_throttled = 1;
			return;
		}
	}
}

/* --- the machine --- */

/* Microseconds in which somebody waited. */
static int
take_pressure(const char *path, uint64_t *usec)
{
	char text[TEXT_MAX];
	const char *total;

	if (procfs_read(AT_FDCWD, path, text, sizeof(text)) <= 0 ||
	    (total = strstr(text, "total=")) == NULL)
		return 0;
	return sscanf(total, "total=%" SCNu64, usec) == 1;
}

/* Of all processors: what other virtual machines had of them, of all time. */
static void
take_steal(struct hang_machine *m)
{
	uint64_t n[8] = {0};
	char text[TEXT_MAX];
	size_t i;

	if (procfs_read(AT_FDCWD, "/proc/stat", text, sizeof(text)) <= 0 ||
	    sscanf(text,
		"cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
		" %" SCNu64 " %" SCNu64 " %" SCNu64,
		&n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6], &n[7]) != 8)
		return;
	for (m->total = 0, i = 0; i < 8; i++)
		m->total += n[i];
	m->steal = n[7];
}

static void
take_machine(struct hang_machine *m, int64_t now)
{
	if (m->at != 0 && now - m->at <= MACHINE_FRESH_MS)
		return;
	*m = (struct hang_machine){.at = now};
	take_steal(m);
	m->has_pressure =
	    take_pressure("/proc/pressure/cpu", &m->cpu_pressure) &&
	    take_pressure("/proc/pressure/io", &m->io_pressure);
}

/* --- both --- */

struct hang_sample *
hang_sample_take(const struct worker *w)
{
	struct hang_sample *s = calloc(1, sizeof(*s));
	char path[32], text[TEXT_MAX];
	int process;

	if (s == NULL)
		return NULL;
	snprintf(path, sizeof(path), "/proc/%d", w->rec.pid);
	process = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (process == -1) {
		free(s);
		return NULL;
	}
	s->at = loop_now(w->sup->loop);
	if (procfs_read(process, "stat", text, sizeof(text)) > 0)
		s->state = state_in(text);
	take_threads(s, process);
	take_throttled(s, process);
	take_machine(&w->sup->machine, s->at);
	s->machine = w->sup->machine;
	fd_close(&process);
	return s;
}

void
hang_sample_free(struct hang_sample *s)
{
	free(s);
}

static int64_t
ms_of(uint64_t from, uint64_t to, uint64_t per_ms)
{
	return to <= from ? 0 : (int64_t)((to - from) / per_ms);
}

static const struct hang_thread *
find_thread(const struct hang_sample *s, int tid)
{
	size_t i;

	for (i = 0; i < s->nthreads; i++)
		if (s->threads[i].tid == tid)
			return &s->threads[i];
	return NULL;
}

/* The kernel adds up a wait when it is over. Who is ready and has not slept,
 * since it was so before or has had no turn at all, waits whenever it does not
 * run. */
static int
is_waiting(const struct hang_thread *from, const struct hang_thread *to)
{
	return to->state == 'R' && to->slept == from->slept &&
	       (from->state == 'R' || to->runs == from->runs);
}

/* A new thread has no past. */
static void
compare_thread(const struct hang_thread *from, const struct hang_thread *to,
    struct hang_span *h)
{
	int64_t ran, waited;

	if (from == NULL)
		return;
	ran = ms_of(from->ran, to->ran, 1000000);
	waited = is_waiting(from, to)
	             ? h->span - ran
	             : ms_of(from->waited, to->waited, 1000000);
	if (waited > h->span)
		waited = h->span;
	h->ran += ran;
	if (waited > h->waited)
		h->waited = waited;
}

static void
compare_machine(const struct hang_machine *from, const struct hang_machine *to,
    struct hang_span *h)
{
	if (to->total > from->total && from->total != 0)
		h->stolen = (int64_t)(to->steal - from->steal) * h->span /
		            (int64_t)(to->total - from->total);
	if (from->has_pressure && to->has_pressure) {
		h->cpu_pressure =
		    ms_of(from->cpu_pressure, to->cpu_pressure, 1000);
		h->io_pressure =
		    ms_of(from->io_pressure, to->io_pressure, 1000);
	}
}

void
hang_sample_compare(const struct hang_sample *from,
    const struct hang_sample *to, struct hang_span *h)
{
	size_t i;

	*h = (struct hang_span){.ran = HANG_UNKNOWN_TIME,
	    .waited = HANG_UNKNOWN_TIME,
	    .stolen = HANG_UNKNOWN_TIME,
	    .throttled = HANG_UNKNOWN_TIME,
	    .cpu_pressure = HANG_UNKNOWN_TIME,
	    .io_pressure = HANG_UNKNOWN_TIME};
	if (to != NULL)
		h->state = to->state;
	if (from == NULL || to == NULL)
		return;
	h->span = to->at - from->at;
	if (to->nthreads > 0 && from->nthreads > 0)
		h->ran = h->waited = 0;
	for (i = 0; h->ran != HANG_UNKNOWN_TIME && i < to->nthreads; i++)
		compare_thread(
		    find_thread(from, to->threads[i].tid), &to->threads[i], h);
	if (from->has_throttled && to->has_throttled)
		h->throttled = ms_of(from->throttled, to->throttled, 1000);
	compare_machine(&from->machine, &to->machine, h);
}
