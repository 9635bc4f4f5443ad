/*
 * sys: system calls that the C library lacks, or that its wrapper would spoil
 * (glibc hides signals 32 and 33). Each returns what the call returns, errno
 * set. Unit tests link another sys.c where they fake processes.
 */
#ifndef SVD_BASE_SYS_H
#define SVD_BASE_SYS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A set of signals: bit n-1 stands for signal n, 1 to 64. */
#define SIG_BIT(sig) (UINT64_C(1) << ((sig)-1))
#define SIG_ALL UINT64_MAX

/* Replaces the calling thread's signal mask. */
int sys_sigmask(uint64_t mask);
/* A non-blocking, O_CLOEXEC signalfd. */
int sys_signalfd(uint64_t mask);
/* The signals of the set to their default disposition, ignored ones too.
 * System calls only. */
void sys_signals_default(uint64_t set);
/* Ignores the signals of the set. */
void sys_signals_ignore(uint64_t set);

/* Runs the program open at fd; needs no /proc for a binary. */
int sys_exec_fd(int fd, char *const argv[], char *const envp[]);
/* A descriptor on the running binary, O_PATH, or -1. */
int sys_open_self(void);

int sys_pidfd_open(pid_t pid);
int sys_pidfd_send_signal(int pidfd, int sig);
/* To the process group that it leads (Linux 6.9; EINVAL before). */
int sys_pidfd_send_signal_group(int pidfd, int sig);
/* Has its process ended? Also where nobody has reaped it. */
int sys_pidfd_is_dead(int pidfd);
/*
 * How a process ended that need not be a child of ours, as wait(2) has it.
 * 1: *status says it, 0: not yet, as it lives, or has to be reaped before, -1:
 * the kernel does not tell (before Linux 6.15).
 */
int sys_pidfd_status(int pidfd, int *status);
/* The pidfd's inode where the kernel makes it unique (Linux 6.9), else 0. */
uint64_t sys_pidfd_inode(int pidfd);
/* Field 22 of /proc/PID/stat, in clock ticks since boot; 0 if unreadable. */
uint64_t sys_start_time(pid_t pid);
/* Who its parent is, field 4 there; 0 if unreadable. */
pid_t sys_parent(pid_t pid);
/* The process behind a pidfd, as /proc has it; 0: ended, or not known. */
pid_t sys_pidfd_pid(int pidfd);
/*
 * How long the calling thread keeps a processor before others have their turn:
 * as short as Linux 6.12 and later allow (0.1 ms), or as usual. Who has short
 * turns is let in as soon as it wakes up, and has no greater share. It goes to
 * children, and stays over exec(2). Elsewhere nothing happens.
 */
void sys_short_turns(int on);
/* A memfd, O_CLOEXEC. */
int sys_memfd(const char *name);
uint64_t sys_random(void);
/* CLOCK_MONOTONIC and CLOCK_REALTIME in ms. */
int64_t sys_now_ms(void);
int64_t sys_realtime_ms(void);

#endif
