/*
 * set_up: makes the calling process a worker: session, limits, streams, user,
 * directory. The same for one that is about to execute its program and for one
 * that was forked from a floor. Where the former is, memory and signal handling
 * are its parent's: system calls only, no malloc, no stdio, and none of glibc's
 * wrappers that write to shared memory or signal threads.
 */
#ifndef SVD_LIB_SET_UP_H
#define SVD_LIB_SET_UP_H

#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "core/fleet.h"

#define SET_UP_GROUPS_MAX 1024 /* supplementary groups of a worker's user */
#define SET_UP_FDS 69          /* 0, 1, 2; those from 3 on are passed on */
/* A set-up that has not come to its end by then ends itself, before the
 * supervisor that waits for it (LIFE_ANSWER_MS). */
#define SET_UP_MS 8000
#define SET_UP_UMASK_LEAVE (~0U)

struct set_up {
	int fds[SET_UP_FDS];   /* become 0, 1 ...; -1: leave */
	const char *directory; /* NULL: leave */
	unsigned int umask;    /* or SET_UP_UMASK_LEAVE */
	struct {
		int set;
		struct rlimit value;
	} limits[LIMIT_COUNT];
	int nice, nice_set;
	const char *oom_score_adj; /* as text, NULL: leave */
	int set_user;
	uid_t uid;
	gid_t gid;
	gid_t groups[SET_UP_GROUPS_MAX];
	size_t ngroups;
	pid_t die_with;      /* KILL when this parent ends, 0: no */
	int takes_terminal;  /* what becomes 0 is its session's terminal */
	int job_control;     /* a group of its own instead of a session */
	int terminal;        /* with job_control: hand it over, or -1 */
	pid_t terminal_from; /* if this group has it */
};

/* Told of a stage (enum birth_stage) that may hang, with error 0, and of one
 * that failed: detail as struct birth has it, errno. */
typedef void
set_up_say(void *arg, unsigned int stage, unsigned int detail, int error);

/* Takes all steps in order. -1: one failed, and was told. */
int set_up_take(const struct set_up *s, set_up_say *say, void *arg);

/* From here on SIGKILL after SET_UP_MS, unless called off, or a program is
 * executed. Its number, -1: there is none to be had. */
int set_up_deadline(void);
void set_up_deadline_off(int deadline);

#endif
