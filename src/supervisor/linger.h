/*
 * linger: FIFOs of streams that are not captured any more. The keeper holds
 * each until the logger has emptied it; should its worker come back before
 * that, it is the same one. Part of output.
 */
#ifndef SVD_SUPERVISOR_LINGER_H
#define SVD_SUPERVISOR_LINGER_H

#include <sys/types.h>

struct supervisor;

void linger_init(struct supervisor *s);
/* name: as the keeper holds it. */
void linger_begin(struct supervisor *s, const char *name, ino_t inode);
/* It lingers no more: a description of it, for the caller. -1: there is none of
 * that name. */
int linger_end(struct supervisor *s, const char *name);
/* The fleet has ended: their names go. */
void linger_finish(struct supervisor *s);

#endif
