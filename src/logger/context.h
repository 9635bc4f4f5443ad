/*
 * context: what the logger's main process knows. Its modules share it; nobody
 * else sees it.
 */
#ifndef SVD_LOGGER_CONTEXT_H
#define SVD_LOGGER_CONTEXT_H

#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "ipc/link.h"
#include "logger/cursors.h"
#include "logger/marks.h"
#include "logger/names.h"
#include "logger/outputs.h"
#include "logger/store.h"

struct writer;

/* What is captured, by KEY: "out:ID", "err:ID", "file:HASH", "own". */
struct ring {
	TAILQ_ENTRY(ring) all;
	TAILQ_ENTRY(ring) uncopied; /* lines wait for room in `own` */
	struct cursor *c;
	struct writer *writer; /* NULL: its lines are copied to `own` */
	char *name, *path;     /* of a file with a path only that */
	uint64_t tail, size;   /* bytes */
	uint32_t keep;
	int fd;
	unsigned int nstreams;   /* that end in it */
	unsigned char kind;      /* enum output_kind */
	unsigned char is_stderr; /* of the worker */
	unsigned char is_uncopied, stalls, leaving, table;
	uint64_t trouble; /* as last told */
	uint64_t emptied; /* its pages were given back at this position */
	int64_t partial;  /* since then a line waits for its end; of a file's,
	                     until then one that others wait for. 0: none */
};

/*
 * One FIFO, or the pipe of svd's own log. Written to at each turn that moves
 * something: they are apart from what is not, which writers share with main,
 * and are nothing to these.
 */
struct stream {
	TAILQ_ENTRY(stream) all;   /* or unused_streams */
	TAILQ_ENTRY(stream) queue; /* ready or blocked */
	struct ring *ring;
	int fd;               /* -1: not handed over yet */
	unsigned char queued; /* enum queue */
	unsigned char table;  /* of the table it was last seen in */
	unsigned int leaving : 1, complained : 1;
	unsigned int replaced : 1; /* another FIFO is held for it by now */
	unsigned int untold : 1;   /* its problem, or that there is none now */
	unsigned int has_terminals : 1;
	unsigned int gave_up : 1;   /* others do not wait for its line's end */
	unsigned int sloppy : 3;    /* how often that was */
	unsigned int has_piece : 1; /* of a line: it waits for its end */
	unsigned int signals : 1;   /* its FIFO does, when it is written to */
	unsigned int is_wide : 1;   /* its FIFO: it has been full */
	unsigned int undrained;     /* bytes still to be taken, at the end */
	char key[CURSOR_KEY_SIZE];
};

#define STREAMS_AT_ONCE 146 /* 16 KiB */

enum queue {
	QUEUE_NONE,
	QUEUE_READY,   /* there may be something in it */
	QUEUE_BLOCKED, /* its ring is full, or it is another's turn */
	QUEUE_PIECE    /* there is something in it, but not a line's end yet */
};

TAILQ_HEAD(ring_list, ring);
TAILQ_HEAD(stream_list, stream);
struct terminal;
TAILQ_HEAD(terminal_list, terminal);

enum writer_state {
	WRITER_NONE,
	WRITER_RUNS,
	WRITER_DIES,    /* killed, not yet reaped */
	WRITER_WAITS,   /* for a moment, after a death */
	WRITER_BARRIER, /* what its predecessor had held is being handed over */
};

/* A process that delivers to one file system, or to one service. */
struct writer {
	char *place; /* a mount point, "stderr", "syslog", "journal" */
	pid_t pid;
	int wake_fd; /* an eventfd */
	enum writer_state state;
	int asked; /* the keeper has been asked for a barrier */
	int touched, changed;
	unsigned int nrings;
	int64_t started, deadline; /* of the state; CLOCK_MONOTONIC ms */
};

/* Memory for some of them: pages of its own. */
struct stream_block {
	struct stream_block *next;
	struct stream streams[STREAMS_AT_ONCE];
};

_Static_assert(sizeof(struct stream_block) <= 16384, "a few whole pages");

struct reader {
	pid_t pid; /* 0: free */
	int wake_fd;
	/* Whom it is attached to: "" nobody. */
	char id[CURSOR_KEY_SIZE];
	unsigned long long terminal; /* that one's life; 0: it has none */
	int life;                    /* a pidfd, where it has none; or -1 */
};

struct logger {
	struct link link;
	int pair, epoll, wake_fd, signal_fd; /* pair: -1: not yet */
	int scratch[2];
	struct store store;
	struct cursors cursors;
	struct marks marks;
	struct names entries; /* key -> struct cursor that no ring has */
	struct names held;    /* name -> descriptor not in use yet */
	struct names rings, streams;
	struct ring_list all_rings, uncopied;
	struct stream_list all_streams, ready, blocked, pieces, unused_streams;
	struct stream_block *stream_blocks;
	struct terminal_list terminals;
	struct outputs outputs; /* once it is applied, without its list */
	int outputs_fd;         /* the whole, for readers; -1: none yet */
	unsigned char table;    /* of this time; changes with each */
	struct ring *own;
	struct writer writers[CURSORS_WRITERS];
	size_t nwriters;
	uint64_t early;      /* a call waits for that table ... */
	int64_t early_until; /* ... so long; 0: none does */
	int barrier;         /* a PING is out */
	struct reader readers[CURSORS_READERS];
	uint64_t troubles;  /* as far as looked at */
	int64_t partial_at; /* a line has waited for its end; 0: none does */
	int64_t open_at;    /* so has one that others wait for */
	int64_t check_at;   /* who is behind? 0: nobody */
	int64_t again_at;   /* capturing has failed; 0: not */
	int64_t copy_at;    /* so has copying lines; 0: not */
	int64_t table_at;   /* so has reading the table; 0: not */
	int64_t quit_at;    /* the fleet has ended; give up then. 0: no */
	size_t moved;       /* bytes, in this turn */
	int drained; /* at the end: nothing is left in a FIFO that was there */
	int problems_due; /* not all told could be sent */
	unsigned int nleaving;
};

#endif
