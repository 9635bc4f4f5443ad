/* recycle: see recycle.h. */
#include "supervisor/recycle.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "supervisor/supervisor.h"
#include "supervisor/worker.h"

/* RSS in bytes, the second number of /proc/PID/statm; 0 if unreadable. */
static uint64_t
resident_bytes(int pid)
{
	char path[40], text[128], *end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	strtoull(text, &end, 10);
	return strtoull(end, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void
recycle_cb(struct loop_timer *t)
{
	struct worker *w = t->arg;
	const struct worker_conf *c = w->conf;
	int64_t age = loop_now(w->sup->loop) - w->rec.born;
	uint64_t rss;

	if (c->max_age > 0 && age >= c->max_age) {
		log_info("%s: is older than max_age", w->conf->name);
		worker_handle(w, EV_RECYCLE);
		return;
	}
	rss = c->max_memory > 0 ? resident_bytes(w->rec.pid) : 0;
	if (rss > c->max_memory) {
		log_warn("%s: uses %llu bytes, more than max_memory",
		    w->conf->name, (unsigned long long)rss);
		worker_handle(w, EV_RECYCLE);
		return;
	}
	recycle_arm(w);
}

void
recycle_init(struct worker *w)
{
	loop_timer_init(w->sup->loop, &w->recycle, recycle_cb, w);
}

void
recycle_arm(struct worker *w)
{
	const struct worker_conf *c = w->conf;
	int64_t wait = -1, left;

	if (c->max_memory > 0)
		wait = RECYCLE_MEMORY_MS;
	if (c->max_age > 0) {
		left = w->rec.born + c->max_age - loop_now(w->sup->loop);
		if (left < 0)
			left = 0;
		if (wait == -1 || left < wait)
			wait = left;
	}
	if (wait != -1)
		loop_timer_start(&w->recycle, wait);
}
