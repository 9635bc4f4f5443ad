/*
 * measure: see measure.h.
 *
 * The child reads one process after the other and sends each result through a
 * pipe. If it stays silent it is killed, and another goes on behind the process
 * that it was reading. One that a hung process keeps from dying is waited for
 * in the background, by the end of its pipe.
 */
#include "supervisor/measure.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "supervisor/supervisor.h"

#define SILENCE_MS 2000 /* of the child, until it is killed */
#define TOTAL_MS 8000   /* what is unknown then stays so */
#define READERS_MAX 8
#define TEXT_MAX 4096 /* bytes of one file of /proc */

/* A child; of no measure any more once it is killed. */
struct reader {
	struct supervisor *sup;
	struct measure *measure;
	struct loop_io io; /* of the pipe, which is ours */
	pid_t pid;
};

struct measure {
	struct supervisor *sup;
	struct measured *list; /* sorted by pid */
	size_t n, known;       /* the first so many are looked at */
	struct reader *reader; /* or NULL */
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
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%lld/%s", (long long)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd != -1)
		n = read(fd, text, TEXT_MAX - 1);
	fd_close(&fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
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
child_main(const struct measure *m, int out, pid_t parent)
{
	struct measured one;
	size_t i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	/* Nothing of ours is to stay open for the sake of a hung process. */
	if (out > 0)
		close_range(0, (unsigned int)out - 1, 0);
	close_range((unsigned int)out + 1, ~0U, 0);
	for (i = m->known; i < m->n; i++) {
		one = m->list[i];
		read_stat(&one);
		read_memory(&one);
		if (fd_write_all(out, &one, sizeof(one)) == -1)
			_exit(1);
	}
	_exit(0);
}

/* --- in the supervisor -----------------------------------------------------
 */

/* Its pipe is at its end: it is about to be a zombie. */
static void
reader_free(struct reader *r)
{
	loop_io_set(&r->io, 0);
	fd_close(&r->io.fd);
	waitpid(r->pid, NULL, 0);
	r->sup->measurers--;
	free(r);
}

static void
reader_kill(struct measure *m)
{
	if (m->reader == NULL)
		return;
	kill(m->reader->pid, SIGKILL);
	m->reader->measure = NULL;
	m->reader = NULL;
}

static void
finish(struct measure *m)
{
	reader_kill(m);
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

	reader_kill(m);
	m->known++;
	if (m->known >= m->n || loop_now(m->sup->loop) >= m->until ||
	    reader_start(m, &e) == -1)
		finish(m);
}

/* Whole results only: the child writes each in one piece. */
static void
reader_cb(struct loop_io *io, int events)
{
	struct reader *r = io->arg;
	struct measure *m = r->measure;
	struct measured one;
	ssize_t n;

	(void)events;
	n = read(io->fd, &one, sizeof(one));
	if (n != (ssize_t)sizeof(one)) {
		if (m != NULL) {
			m->reader = NULL;
			finish(m);
		}
		reader_free(r);
		return;
	}
	if (m == NULL)
		return;
	if (m->known < m->n && m->list[m->known].pid == one.pid)
		m->list[m->known++] = one;
	loop_timer_start(&m->silence, SILENCE_MS);
}

static int
reader_start(struct measure *m, struct err *e)
{
	struct reader *r = NULL;
	pid_t parent = getpid(), pid = -1;
	int fds[2] = {-1, -1};

	if (m->sup->measurers >= READERS_MAX)
		return err_set(e, "too many measurements at once");
	r = calloc(1, sizeof(*r));
	if (r != NULL && pipe2(fds, O_CLOEXEC) == 0)
		pid = fork();
	if (pid == 0)
		child_main(m, fds[1], parent);
	fd_close(&fds[1]);
	if (pid == -1) {
		err_set(e, "cannot measure: no memory, process or descriptor");
		fd_close(&fds[0]);
		free(r);
		return -1;
	}
	*r = (struct reader){.sup = m->sup, .measure = m, .pid = pid};
	loop_io_init(m->sup->loop, &r->io, fds[0], reader_cb, r);
	loop_io_set(&r->io, LOOP_READ);
	loop_timer_start(&m->silence, SILENCE_MS);
	m->reader = r;
	m->sup->measurers++;
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
	reader_kill(m);
	loop_timer_stop(&m->silence);
	free(m->list);
	free(m);
}
