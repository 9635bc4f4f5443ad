/*
 * measure: see measure.h.
 *
 * The child reads one process after the other and sends each result. If it
 * stays silent it is killed, and another goes on behind the process that it was
 * reading.
 */
#include "supervisor/measure.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "supervisor/helper.h"
#include "supervisor/supervisor.h"

#define SILENCE_MS 2000 /* of the child, until it is killed */
#define TOTAL_MS 8000   /* what is unknown then stays so */
#define READERS_MAX 8
#define TEXT_MAX 4096 /* bytes of one file of /proc */

struct measure {
	struct supervisor *sup;
	struct measured *list; /* sorted by pid */
	size_t n, known;       /* the first so many are looked at */
	struct helper *reader; /* or NULL */
	struct loop_timer silence;
	int64_t until;
	void (*done)(void *arg);
	void *arg;
};

/* --- in the child ----------------------------------------------------------
 */

/* The text of /proc/PID/name; 0 if there is none. */
static int
read_proc(int64_t pid, const char *name, char text[TEXT_MAX])
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%lld/%s", (long long)pid, name);
	return procfs_read(AT_FDCWD, path, text, TEXT_MAX) > 0;
}

/* The sum of all lines that begin with KEY. */
static int64_t
sum_of(const char *text, const char *key)
{
	const char *line = text;
	int64_t sum = 0;

	while ((line = strstr(line, key)) != NULL) {
		line += strcspn(line, ":");
		sum += *line == ':' ? strtoll(line + 1, NULL, 10) : 0;
	}
	return sum;
}

/* Fields behind the name, which may hold anything. */
static void
read_stat(struct measured *m)
{
	unsigned long long user, system;
	char text[TEXT_MAX], *end;
	long long pages;

	if (!read_proc(m->pid, "stat", text) ||
	    (end = strrchr(text, ')')) == NULL ||
	    sscanf(end + 1,
		" %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d "
		"%*d %*d %*d %*d %*d %*u %*u %lld",
		&user, &system, &pages) != 3)
		return;
	m->cpu_ms = (int64_t)((user + system) * 1000 /
			      (unsigned long long)sysconf(_SC_CLK_TCK));
	m->rss_kb = pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* An ended process has no memory, and a file that is empty. */
static void
read_memory(struct measured *m)
{
	char text[TEXT_MAX];

	if (!read_proc(m->pid, "smaps_rollup", text) ||
	    strstr(text, "\nRss:") == NULL)
		return;
	m->rss_kb = sum_of(text, "\nRss");
	m->pss_kb = sum_of(text, "\nPss:");
	m->private_kb =
	    sum_of(text, "\nPrivate_Clean") + sum_of(text, "\nPrivate_Dirty");
	m->shared_kb =
	    sum_of(text, "\nShared_Clean") + sum_of(text, "\nShared_Dirty");
}

static void
read_all(int out, void *arg)
{
	const struct measure *m = arg;
	struct measured one;
	size_t i;

	for (i = m->known; i < m->n; i++) {
		one = m->list[i];
		read_stat(&one);
		read_memory(&one);
		if (fd_write_all(out, &one, sizeof(one)) == -1)
			return;
	}
}

/* --- in the supervisor -----------------------------------------------------
 */

static void
reader_end(struct measure *m)
{
	helper_end(m->reader);
	m->reader = NULL;
}

static void
finish(struct measure *m)
{
	reader_end(m);
	loop_timer_stop(&m->silence);
	m->known = m->n;
	m->done(m->arg);
}

static int reader_start(struct measure *m, struct err *e);

/* It was reading the first that is not known: that one stays unknown. */
static void
silence_cb(struct loop_timer *t)
{
	struct measure *m = t->arg;
	struct err e;

	reader_end(m);
	m->known++;
	if (m->known >= m->n || loop_now(m->sup->loop) >= m->until ||
	    reader_start(m, &e) == -1)
		finish(m);
}

/* Whole results only: the child writes each in one piece. */
static int
heard(int in, void *arg)
{
	struct measure *m = arg;
	struct measured one;

	if (read(in, &one, sizeof(one)) != (ssize_t)sizeof(one)) {
		m->reader = NULL;
		finish(m);
		return -1;
	}
	if (m->known < m->n && m->list[m->known].pid == one.pid)
		m->list[m->known++] = one;
	loop_timer_start(&m->silence, SILENCE_MS);
	return 0;
}

static int
reader_start(struct measure *m, struct err *e)
{
	const struct helper_task t = {.run = read_all,
	    .heard = heard,
	    .arg = m,
	    .end_signal = SIGKILL,
	    .running = &m->sup->measurers,
	    .max = READERS_MAX};
	struct err why;

	m->reader = helper_start(m->sup, &t, &why);
	if (m->reader == NULL)
		return err_set(e, "cannot measure: %s", why.text);
	loop_timer_start(&m->silence, SILENCE_MS);
	return 0;
}

static int
by_pid(const void *a, const void *b)
{
	const struct measured *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

struct measure *
measure_new(struct supervisor *s, const int *pids, size_t n,
    void (*done)(void *arg), void *arg, struct err *e)
{
	struct measure *m = calloc(1, sizeof(*m));
	size_t i;

	if (m != NULL)
		m->list = calloc(n + 1, sizeof(*m->list));
	if (m == NULL || m->list == NULL) {
		free(m);
		err_set(e, "out of memory");
		return NULL;
	}
	for (i = 0; i < n; i++)
		m->list[i] = (struct measured){pids[i], -1, -1, -1, -1, -1};
	qsort(m->list, n, sizeof(*m->list), by_pid);
	m->sup = s;
	m->n = n;
	m->done = done;
	m->arg = arg;
	m->until = loop_now(s->loop) + TOTAL_MS;
	loop_timer_init(s->loop, &m->silence, silence_cb, m);
	if (n > 0 && reader_start(m, e) == -1) {
		measure_free(m);
		return NULL;
	}
	return m;
}

int
measure_done(const struct measure *m)
{
	return m->known == m->n;
}

const struct measured *
measure_find(const struct measure *m, int pid)
{
	struct measured key = {.pid = pid};

	return bsearch(&key, m->list, m->n, sizeof(key), by_pid);
}

void
measure_free(struct measure *m)
{
	if (m == NULL)
		return;
	reader_end(m);
	loop_timer_stop(&m->silence);
	free(m->list);
	free(m);
}
