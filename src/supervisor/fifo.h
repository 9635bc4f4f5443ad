/*
 * fifo: the FIFOs that workers write to, in DIR/out, mode 0600 within 0700.
 * The supervisor makes them and opens them for each birth; the keeper holds
 * them; the logger reads them. Their names are for an svd to come.
 */
#ifndef SVD_SUPERVISOR_FIFO_H
#define SVD_SUPERVISOR_FIFO_H

#include <sys/types.h>

#include "base/err.h"
#include "core/fleet.h"

struct fifos {
	const char *runtime_dir; /* borrowed */
	int dir;                 /* DIR/out; -1: not open yet */
};

/* Makes DIR/out if need be. */
int fifos_open(struct fifos *f, const char *runtime_dir, struct err *e);
/* Removes those of its FIFOs that are not in use. */
void fifos_clean(
    const struct fifos *f, int (*in_use)(ino_t inode, void *arg), void *arg);
/* Removes DIR/out if it is empty. */
void fifos_close(struct fifos *f);
/*
 * Makes that of a stream of the worker with this id, in place of whatever has
 * its name; a pipe without a name where the runtime directory has gone. The
 * descriptor reads and writes and never blocks. -1: *e begins with the stage of
 * a birth.
 */
int fifo_make(
    struct fifos *f, const char *id, enum output_stream stream, struct err *e);
/* The same of one that an earlier svd has made: by its name, else as it is open
 * in process pid (0: none), by what its name was. -1: there is none. */
int fifo_find(
    const struct fifos *f, const char *id, enum output_stream stream, int pid);
/* Another description of it, which blocks. The first by its name, if that is
 * still the one with this inode; the second of what is open at fd. -1: no. */
int fifo_open(const struct fifos *f, const char *id, enum output_stream stream,
    ino_t inode);
int fifo_reopen(int fd);
void
fifo_remove(const struct fifos *f, const char *id, enum output_stream stream);

#endif
