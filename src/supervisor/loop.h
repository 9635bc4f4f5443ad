/*
 * loop: the supervisor's event loop, a seam in front of libev.
 *
 * Watchers are embedded in their owner, which stops them before it goes away.
 * A callback turns the event into a call and returns; nothing here blocks.
 * Unit tests link another loop.c with virtual time.
 */
#ifndef SVD_SUPERVISOR_LOOP_H
#define SVD_SUPERVISOR_LOOP_H

#include <stdint.h>

enum {
	LOOP_READ = 1,
	LOOP_WRITE = 2
};

struct loop;
struct loop_io;
struct loop_timer;

typedef void loop_io_fn(struct loop_io *io, int events);
typedef void loop_timer_fn(struct loop_timer *t);

struct loop_io {
	_Alignas(16) unsigned char watcher[64];
	struct loop *loop;
	loop_io_fn *fn;
	void *arg;  /* the owner's */
	int fd;     /* borrowed */
	int events; /* watched now, 0 while stopped */
};

struct loop_timer {
	_Alignas(16) unsigned char watcher[64];
	struct loop *loop;
	loop_timer_fn *fn;
	void *arg;
	int active;
};

struct loop *loop_new(void); /* NULL: no memory */
void loop_free(struct loop *l);
void loop_run(struct loop *l); /* until loop_stop() */
void loop_stop(struct loop *l);
/* CLOCK_MONOTONIC in ms, read at the call; CLOCK_REALTIME in ms. */
int64_t loop_now(const struct loop *l);
int64_t loop_realtime(const struct loop *l);

void loop_io_init(
    struct loop *l, struct loop_io *io, int fd, loop_io_fn *fn, void *arg);
/* In a turn of the loop, before all that is not; before it is watched. */
void loop_io_first(struct loop_io *io);
/* Watches exactly these events from now on; 0 stops. */
void loop_io_set(struct loop_io *io, int events);

void loop_timer_init(
    struct loop *l, struct loop_timer *t, loop_timer_fn *fn, void *arg);
/* In a turn of the loop, before or behind all others; before it is started. */
void loop_timer_first(struct loop_timer *t);
void loop_timer_last(struct loop_timer *t);
/* Fires once, delay_ms from now (0: in the next turn); replaces what was. */
void loop_timer_start(struct loop_timer *t, int64_t delay_ms);
void loop_timer_stop(struct loop_timer *t);

#endif
