/* loop: see loop.h. The only file that knows libev. */
#include "supervisor/loop.h"

#include <ev.h>
#include <string.h>

#include "base/sys.h"

_Static_assert(
    sizeof(ev_io) <= sizeof(((struct loop_io *)0)->watcher), "an ev_io fits");
_Static_assert(sizeof(ev_timer) <= sizeof(((struct loop_timer *)0)->watcher),
    "an ev_timer fits");

/* struct loop is libev's own; never the default loop, which would take
 * SIGCHLD and reap every child. */
static struct ev_loop *
impl(const struct loop *l)
{
	return (struct ev_loop *)l;
}

struct loop *
loop_new(void)
{
	return (struct loop *)ev_loop_new(EVFLAG_NOENV | EVFLAG_NOSIGMASK);
}

void
loop_free(struct loop *l)
{
	ev_loop_destroy(impl(l));
}

void
loop_run(struct loop *l)
{
	ev_run(impl(l), 0);
}

void
loop_stop(struct loop *l)
{
	ev_break(impl(l), EVBREAK_ALL);
}

int64_t
loop_now(const struct loop *l)
{
	(void)l;
	return sys_now_ms();
}

int64_t
loop_realtime(const struct loop *l)
{
	(void)l;
	return sys_realtime_ms();
}

static void
io_cb(struct ev_loop *l, ev_io *w, int revents)
{
	struct loop_io *io = w->data;
	int events = 0;

	(void)l;
	if (revents & (EV_READ | EV_ERROR))
		events |= LOOP_READ;
	if (revents & EV_WRITE)
		events |= LOOP_WRITE;
	io->fn(io, events);
}

void
loop_io_init(
    struct loop *l, struct loop_io *io, int fd, loop_io_fn *fn, void *arg)
{
	ev_io *w = (ev_io *)io->watcher;

	*io = (struct loop_io){.loop = l, .fn = fn, .arg = arg, .fd = fd};
	ev_io_init(w, io_cb, fd, EV_READ);
	w->data = io;
}

void
loop_io_first(struct loop_io *io)
{
	ev_set_priority((ev_io *)io->watcher, EV_MAXPRI);
}

void
loop_io_set(struct loop_io *io, int events)
{
	ev_io *w = (ev_io *)io->watcher;
	int ev = 0;

	if (io->events == events)
		return;
	if (io->events != 0)
		ev_io_stop(impl(io->loop), w);
	io->events = events;
	if (events & LOOP_READ)
		ev |= EV_READ;
	if (events & LOOP_WRITE)
		ev |= EV_WRITE;
	ev_io_set(w, io->fd, ev);
	if (events != 0)
		ev_io_start(impl(io->loop), w);
}

static void
timer_cb(struct ev_loop *l, ev_timer *w, int revents)
{
	struct loop_timer *t = w->data;

	(void)l;
	(void)revents;
	t->active = 0;
	t->fn(t);
}

void
loop_timer_init(
    struct loop *l, struct loop_timer *t, loop_timer_fn *fn, void *arg)
{
	ev_timer *w = (ev_timer *)t->watcher;

	*t = (struct loop_timer){.loop = l, .fn = fn, .arg = arg};
	ev_timer_init(w, timer_cb, 0., 0.);
	w->data = t;
}

void
loop_timer_first(struct loop_timer *t)
{
	ev_set_priority((ev_timer *)t->watcher, EV_MAXPRI);
}

void
loop_timer_last(struct loop_timer *t)
{
	ev_set_priority((ev_timer *)t->watcher, EV_MINPRI);
}

void
loop_timer_start(struct loop_timer *t, int64_t delay)
{
	ev_timer *w = (ev_timer *)t->watcher;

	ev_timer_stop(impl(t->loop), w);
	/* A loop that was busy has an old idea of now. */
	if (delay > 0)
		ev_now_update(impl(t->loop));
	ev_timer_set(w, (ev_tstamp)delay / 1000., 0.);
	ev_timer_start(impl(t->loop), w);
	t->active = 1;
}

void
loop_timer_stop(struct loop_timer *t)
{
	ev_timer_stop(impl(t->loop), (ev_timer *)t->watcher);
	t->active = 0;
}
