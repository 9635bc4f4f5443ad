/*
 * births: what newborn processes say, on our own birth socket and on those of
 * supervisors before us, each read to its end. A packet is looked at, its
 * effect recorded, and only then taken.
 */
#ifndef SVD_SUPERVISOR_BIRTHS_H
#define SVD_SUPERVISOR_BIRTHS_H

#include <stddef.h>

#include "base/err.h"
#include "ipc/proto_keeper.h"
#include "supervisor/loop.h"

struct birth;
struct supervisor;
struct worker;
struct births;

/* The birth socket of a supervisor before us. */
struct elder {
	struct births *births;
	char name[KEEPER_NAME_MAX + 1]; /* in the keeper */
	struct loop_io io;
	int fd; /* -1: read to its end */
};

struct births {
	struct supervisor *sup;
	int fd; /* our own, read end; owned */
	struct elder *elders;
	size_t nelders, nopen;
	struct loop_timer patience; /* with a set-up that does not end */
	int given_up; /* nor is ended by KILL: the others wait no longer */
};

/* Takes own_fd, and from sup->link every held birth socket. Reads none. */
int births_init(
    struct births *b, struct supervisor *sup, int own_fd, struct err *e);
void births_release(struct births *b);
/* Reads whatever has been said; elders at their end are dropped. */
void births_read(struct births *b);
/* May some process of an earlier life still be unheard of? */
int births_pending(const struct births *b);
/* Bytes that our own children have said and nobody has read. */
size_t births_unread_bytes(const struct births *b);
/* Takes the next packet of our own, whose effect is recorded. */
void births_take(struct births *b);

/* A failed stage of w's set-up, for people. */
void births_describe(
    const struct birth *b, const struct worker *w, char *out, size_t size);

#endif
