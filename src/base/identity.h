/*
 * identity: what proves, across the death of whoever knew it, that a pid is
 * still the same process: the boot, the pid namespace, and of the process its
 * pidfd's inode (Linux 6.9) or its start time.
 */
#ifndef SVD_BASE_IDENTITY_H
#define SVD_BASE_IDENTITY_H

#include <stdint.h>
#include <sys/types.h>

#define IDENTITY_BOOT_SIZE 40 /* bytes, the NUL included */

struct identity {
	uint64_t pidfd_ino;  /* inode of its pidfd, 0 before Linux 6.9 */
	uint64_t start_time; /* /proc/PID/stat field 22, 0 if not read */
};

/* This boot's id, "" if unknown; this pid namespace's inode, 0 if unknown. */
void identity_boot(char boot[IDENTITY_BOOT_SIZE]);
uint64_t identity_pidns(void);
/* Of the process pid; pidfd is borrowed, -1: none. */
void identity_take(pid_t pid, int pidfd, struct identity *id);
/*
 * Is the process behind pidfd the one that id was taken of? 1: it is, 0: it is
 * another, -1: nothing is known that could prove it.
 */
int identity_holds(const struct identity *id, pid_t pid, int pidfd);

#endif
