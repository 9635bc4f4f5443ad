/*
 * linger: FIFOs of streams that are not captured any more. The keeper holds
 * each until the logger has emptied it, and until then it stands in the table
 * of outputs, so that also a logger that is started in between knows where it
 * belongs; should its worker come back before that, it is the same one. Part of
 * output.
 */
#ifndef SVD_SUPERVISOR_LINGER_H
#define SVD_SUPERVISOR_LINGER_H

#include <sys/types.h>

#include "base/buf.h"

struct supervisor;

void linger_init(struct supervisor *s);
/* name: as the keeper holds it; row: its line in the table, to be freed, taken;
 * NULL: it cannot be had. */
void
linger_begin(struct supervisor *s, const char *name, ino_t inode, char *row);
/* Appends the lines of all whose worker does not have one. -1: no memory. */
int linger_rows(const struct supervisor *s, struct buf *b);
/* It lingers no more: a description of it, for the caller. -1: there is none of
 * that name. */
int linger_end(struct supervisor *s, const char *name);
/* The fleet has ended: their names go. */
int linger_has(const struct supervisor *s, ino_t inode);
void linger_finish(struct supervisor *s);

#endif
