/*
 * cursors: how far each output has come, in a memfd that the keeper holds and
 * every process of the logger has mapped. What must outlive a SIGKILL at any
 * instruction is here or is the file position of a held descriptor.
 *
 * Positions count the bytes of a stream ever captured. Each member is written
 * by one process alone, with a single aligned store: main writes what is said
 * to be main's, the process that delivers (the writer) the rest.
 */
#ifndef SVD_LOGGER_CURSORS_H
#define SVD_LOGGER_CURSORS_H

#include <stddef.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"

#define CURSORS_MAX 32768
#define CURSORS_WRITERS 32
#define CURSORS_READERS 64
#define CURSOR_KEY_SIZE 56 /* bytes, with the NUL: "sink:KEY" can be held */

typedef _Atomic uint64_t cursor_u64;

/* What a writer could not do, in trouble: (this << 32) + errno. */
enum cursor_trouble {
	TROUBLE_NONE,
	TROUBLE_OPEN,
	TROUBLE_WRITE,
	TROUBLE_ROTATE
};

struct cursor {
	char key[CURSOR_KEY_SIZE]; /* "": free. Main's */
	cursor_u64 epoch;          /* random, of this ring. Main's */
	_Atomic int64_t off; /* where in the ring the next byte goes: splice(2)
	                        itself moves it. Main's */
	cursor_u64 pos;      /* as main has noted of that. Main's */
	cursor_u64 done;     /* delivered: of a regular file never more than is,
	                        elsewhere the record itself */
	cursor_u64 low;      /* what is below may be gone from the ring; of a
	                        window main's */
	cursor_u64 window; /* size of a ring that begins anew at its end; 0: it
	                      only ever grows. Main's */

	/* A regular file: delivered is base + its file position... */
	_Atomic int64_t base; /* position of the file's first byte */
	cursor_u64 ino;       /* of the file that base belongs to */
	/* ... but while this is not 0, it is this - 1: the file is being
	 * exchanged, or its position moved. */
	cursor_u64 moving;
	cursor_u64 busy_since; /* in a call that may stall; CLOCK_MONOTONIC ms,
	                          0: not */
	cursor_u64 trouble;
	cursor_u64 final;    /* nothing more will come: a line without an end
	                        is to be delivered as well. Main's */
	cursor_u64 watchers; /* bit n: reader n sleeps until it grows */
	cursor_u64 reopened; /* the head's reopen, as far as it is obeyed */

	/*
	 * What main is about to do, where one system call may be cut short by
	 * a kill. 0 in from: nothing. Lines of this ring go into another one:
	 * next is delivered once that one's position is from - 1 + len. Of a
	 * file's ring next is the hash of the stream that was moved last.
	 */
	cursor_u64 from, len, next;
};

struct cursors_head {
	uint64_t magic;
	uint32_t version, entry_size;
	cursor_u64 main_waits; /* for a writer to come on */
	cursor_u64 reopen;     /* counts the wishes to open files again */
	cursor_u64 troubles;   /* counts the changes of trouble */
	cursor_u64 quitting;   /* the fleet has ended */
	cursor_u64 writer_sleeps[CURSORS_WRITERS];
	/* Of the life that reader n is attached to: 1 + the position behind its
	 * last byte, of stdout and stderr; 0: that is not known yet. Main's */
	cursor_u64 ends[CURSORS_READERS][2];
};

struct cursors {
	int fd;
	struct cursors_head *head;
	struct cursor *list;
	size_t n;    /* entries there is room for */
	size_t used; /* none is free before this one */
	size_t removed;
};

/* Maps fd, taken; where that is -1 or empty, a new table is made. */
int cursors_open(struct cursors *t, int fd, struct err *e);
/* A free entry, cleared, with that key and a new epoch. NULL: no room. */
struct cursor *cursors_add(struct cursors *t, const char *key);
/* Its place stays empty as long as somebody may still look at it... */
void cursors_remove(struct cursors *t, struct cursor *c);
/* ... which nobody does now. */
void cursors_reclaim(struct cursors *t);
/* Where the entry is in the file, for locks. */
int64_t cursors_offset(const struct cursors *t, const struct cursor *c);

#endif
