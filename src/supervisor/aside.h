/*
 * aside: a second process of a worker that runs beside its main one for a
 * while: the stop_command, or the command of `ready`. It is born as the main
 * one is, and on record, so that a successor knows what is left of it.
 */
#ifndef SVD_SUPERVISOR_ASIDE_H
#define SVD_SUPERVISOR_ASIDE_H

#include <stdint.h>

#include "base/err.h"

struct death;
struct worker;

enum aside {
	ASIDE_NONE,
	ASIDE_STOP,
	ASIDE_READY
};

/* Whose token or pid it is. */
enum aside aside_by_token(const struct worker *w, uint64_t token);
enum aside aside_by_pid(const struct worker *w, int pid);
/* Its process, 0: none. */
int aside_pid(const struct worker *w, enum aside a);
/* Its command; NULL: a reload has taken that away. */
char **aside_argv(const struct worker *w, enum aside a);

/* -1: there is no process, and why. */
int aside_spawn(struct worker *w, enum aside a, struct err *e);
/* It was born, could not be set up, or has ended. 0: that was known. */
int aside_born(struct worker *w, enum aside a, int pid);
void aside_set_up_failed(struct worker *w, enum aside a, const char *fault);
void aside_ended(struct worker *w, enum aside a, const struct death *d);
/* With all that it has made; nothing where there is none. */
void aside_kill(struct worker *w, enum aside a);

#endif
