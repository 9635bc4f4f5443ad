/* worker_query: what a worker's record tells of it; see worker.h. */
#include "core/backoff.h"
#include "supervisor/worker.h"

int
worker_ready(const struct worker *w)
{
	const struct worker_conf *c = w->conf;

	return w->rec.state == WS_RUNNING ||
	       (w->rec.state == WS_EXITED && c->type == WORKER_ONESHOT &&
		   death_is_success(c, &w->rec.last));
}

int
worker_as_wanted(const struct worker *w)
{
	if (!w->rec.want_up)
		return w->rec.pid == 0 && w->rec.state != WS_STOPPING;
	return w->rec.state == WS_RUNNING || w->rec.state == WS_EXITED;
}

int
worker_in_set_up(const struct worker *w)
{
	return w->rec.state == WS_STARTING && !w->rec.started;
}

int
worker_alive(const struct worker *w)
{
	switch (w->rec.state) {
	case WS_STOPPED:
	case WS_EXITED:
	case WS_FAILED:
		return 0;
	default:
		return 1;
	}
}

int
worker_outdated(const struct worker *w)
{
	if (!w->rec.want_up || w->rec.conf == 0 || w->conf->print == 0 ||
	    w->rec.conf == w->conf->print)
		return 0;
	switch (w->rec.state) {
	case WS_STARTING:
		/* Else it is yet to be born, by what is in force then. */
		return w->rec.pid != 0;
	case WS_RUNNING:
	case WS_BACKOFF:
	case WS_EXITED:
	case WS_FAILED:
		return 1;
	default:
		return 0;
	}
}

int
worker_known(const struct worker *w)
{
	return w->rec.since != 0;
}
