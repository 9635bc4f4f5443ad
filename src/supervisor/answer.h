/*
 * answer: what a call waits for that cannot be answered at once, or whose
 * answer comes in pieces. Whoever makes one embeds it as its first member;
 * control.c keeps it with the connection and knows only what stands here.
 */
#ifndef SVD_SUPERVISOR_ANSWER_H
#define SVD_SUPERVISOR_ANSWER_H

#include <stddef.h>

struct answer;
struct buf;
struct worker;

enum answer_written {
	ANSWER_FAILED = -1, /* no memory: the connection is of no more use */
	ANSWER_LAST,        /* that was all */
	ANSWER_MORE         /* more will follow */
};

struct answer_kind {
	/* Is there something to write now? */
	int (*ready)(const struct answer *a);
	/* w has changed; returns as ready does. NULL: nothing to it. */
	int (*look)(struct answer *a, const struct worker *w);
	/* Appends one message, or a part of one that takes long to make: the
	 * loop does other things before it asks for the next. */
	enum answer_written (*write)(struct answer *a, struct buf *out);
	void (*free)(struct answer *a);
	/*
	 * Once ready, somebody else answers, who is given the connection: fd,
	 * borrowed, and what was read behind the call. 1: the connection is
	 * theirs. 0: an error was appended to out. -1: no memory. NULL: it
	 * comes from here.
	 */
	int (*leave)(struct answer *a, int fd, const char *unread,
	    size_t unread_len, struct buf *out);
	/* What workers left behind is to be gone first. */
	int after_sweep;
};

struct answer {
	const struct answer_kind *kind;
	void *owner; /* control.c's own */
	int gives;   /* goes with what was written last, which takes it; 0:
	                nothing does */
};

#endif
