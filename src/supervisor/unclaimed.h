/*
 * unclaimed: answers of a worker that came while nobody waited for them, after
 * a supervisor was killed: its clients may come back and ask again. The keeper
 * holds each as "answer:NUMBER:TYPE:ID", so that it can be taken out of the
 * channel, where others wait behind it, whoever is killed next. For some
 * seconds; then they are late, as any that nobody waits for.
 */
#ifndef SVD_SUPERVISOR_UNCLAIMED_H
#define SVD_SUPERVISOR_UNCLAIMED_H

#include <stddef.h>
#include <stdint.h>

#include "ipc/frame.h"
#include "supervisor/loop.h"

struct supervisor;
struct worker;

struct unclaimed {
	uint64_t id;
	enum frame_type type;
	int fd; /* a sealed memfd */
};

struct unclaimed_answers {
	struct worker *worker;
	struct unclaimed *list;
	size_t n, cap;
	struct loop_timer until; /* active: such answers may come, or be asked
	                            for */
};

void unclaimed_init(struct unclaimed_answers *u, struct worker *w);
/* All are dropped. */
void unclaimed_release(struct unclaimed_answers *u);
/* From now on, for a while. */
void unclaimed_expect(struct unclaimed_answers *u);
/* Keeps one, if it may be asked for; *fd, or else f's value. *fd is set to -1
 * where it is taken. */
void
unclaimed_keep(struct unclaimed_answers *u, const struct frame *f, int *fd);
/* One that a predecessor has kept, by the name it is held by; takes fd. Returns
 * whether it is one. */
int unclaimed_adopt(struct supervisor *s, const char *held, int fd);
/* NULL: there is none. It stays. */
const struct unclaimed *
unclaimed_find(const struct unclaimed_answers *u, uint64_t id);

#endif
