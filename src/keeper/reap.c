/* reap: see reap.h. */
#include "keeper/reap.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"
#include "keeper/life.h"

#define LOOKS_MAX 64 /* at single children, in one turn */

static size_t
find_child(const struct keeper *k, pid_t pid)
{
	size_t i;

	for (i = 0; i < k->nchildren; i++)
		if (k->children[i].pid == pid)
			break;
	return i;
}

void
reap_add_child(struct keeper *k, pid_t pid)
{
	size_t i = find_child(k, pid);

	if (pid <= 1)
		return;
	if (i < k->nchildren) {
		k->children[i].life = k->sup.role.lives;
		return;
	}
	if (k->nchildren == KEEPER_CHILDREN_MAX) {
		log_error("more than %d workers, pid %d is not announced",
		    KEEPER_CHILDREN_MAX, (int)pid);
		return;
	}
	k->children[k->nchildren++] =
	    (struct keeper_child){.pid = pid, .life = k->sup.role.lives};
	if (k->command == 0)
		k->command = pid;
}

static void
forget_child(struct keeper *k, pid_t pid)
{
	size_t i = find_child(k, pid);

	if (i < k->nchildren)
		k->children[i] = k->children[--k->nchildren];
}

/*
 * The raw call, because only it gives the rusage of a zombie that stays one.
 * Returns 0 where there is none.
 */
static pid_t
peek(idtype_t type, pid_t pid, siginfo_t *si, struct rusage *ru)
{
	memset(si, 0, sizeof(*si));
	memset(ru, 0, sizeof(*ru));
	if (syscall(SYS_waitid, type, pid, si, WEXITED | WNOHANG | WNOWAIT,
		ru) == -1)
		return 0;
	return si->si_pid;
}

/* The deaths of svd's own are role.c's, seen by pid. */
static int
is_role(const struct keeper *k, pid_t pid)
{
	return pid == k->sup.role.pid || pid == k->logger.pid ||
	       pid == k->upgrade.rehearser;
}

static size_t
find_sent(const struct keeper_supervisor *s, pid_t pid)
{
	size_t i;

	for (i = 0; i < s->nexits_sent; i++)
		if (s->exits_sent[i] == pid)
			break;
	return i;
}

static int
is_news(const struct keeper *k, pid_t pid)
{
	return pid > 0 && !is_role(k, pid) &&
	       find_sent(&k->sup, pid) == k->sup.nexits_sent;
}

/*
 * Without reaping, the kernel shows one zombie again and again. So who died
 * while that one waits for its ACK is found by asking after the announced
 * children, some in each turn; who is not met now is found after the ACK.
 */
static pid_t
peek_at_children(
    struct keeper *k, siginfo_t *si, struct rusage *ru, size_t *looks)
{
	pid_t pid;

	for (; *looks > 0 && k->nchildren > 0; (*looks)--) {
		k->looked_at = (k->looked_at + 1) % k->nchildren;
		pid = k->children[k->looked_at].pid;
		if (is_news(k, pid) && peek(P_PID, pid, si, ru) != 0)
			return pid;
	}
	return 0;
}

/*
 * SIGCHLD names one of those that died, which saves a search for it. The search
 * goes through all the living: only where a signal, an ACK or a new supervisor
 * gives a reason for it, and not while an exit is under way, as it would find
 * that one; the ACK brings us here again.
 */
static pid_t
peek_at_next(struct keeper *k, siginfo_t *si, struct rusage *ru, size_t *looks)
{
	pid_t pid = k->sigchld_of;

	k->sigchld_of = 0;
	if (is_news(k, pid) && peek(P_PID, pid, si, ru) != 0)
		return pid;
	pid = k->sup.nexits_sent > 0 ? 0 : peek(P_ALL, 0, si, ru);
	if (is_news(k, pid)) {
		*looks = LOOKS_MAX;
		return pid;
	}
	k->may_be_dead = pid != 0 && is_role(k, pid);
	pid = peek_at_children(k, si, ru, looks);
	if (pid != 0)
		k->may_be_dead = 1;
	return pid;
}

static int
send_exit(struct keeper *k, const siginfo_t *si, const struct rusage *ru)
{
	struct keeper_supervisor *s = &k->sup;
	struct keeper_msg m = {.type = KM_EXIT,
	    .pid = si->si_pid,
	    .code = si->si_code,
	    .status = si->si_status};

	m.us = (uint64_t)(ru->ru_utime.tv_sec + ru->ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(ru->ru_utime.tv_usec + ru->ru_stime.tv_usec);
	if (role_send(&s->role, &m, -1) == -1)
		return -1; /* full: the socket's next event brings us here */
	if (s->nexits_sent == 0)
		s->exit_sent_at = sys_now_ms();
	s->exits_sent[s->nexits_sent++] = si->si_pid;
	return 0;
}

void
reap_announce(struct keeper *k)
{
	struct rusage ru;
	siginfo_t si;
	size_t looks;

	/* A sign that many die: another one, and the last is not through; or
	 * one that no signal named. */
	looks = k->sup.nexits_sent == 0 ? 0 : LOOKS_MAX;
	while (k->may_be_dead && life_can_hear(k) &&
	       k->sup.nexits_sent < KEEPER_EXITS_MAX &&
	       peek_at_next(k, &si, &ru, &looks) != 0)
		if (send_exit(k, &si, &ru) == -1)
			return;
}

void
reap_acknowledged(struct keeper *k, pid_t pid)
{
	struct keeper_supervisor *s = &k->sup;
	size_t i = find_sent(s, pid);
	siginfo_t si;

	if (i == s->nexits_sent)
		return;
	s->exits_sent[i] = s->exits_sent[--s->nexits_sent];
	s->exit_sent_at = s->nexits_sent == 0 ? 0 : sys_now_ms();
	k->may_be_dead = 1;
	waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG);
	forget_child(k, pid);
}

int
reap_everything(struct keeper *k)
{
	siginfo_t si;

	do {
		si.si_pid = 0;
		if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG) == -1)
			return -1;
		if (si.si_pid == 0)
			return 0;
		forget_child(k, si.si_pid);
		if (si.si_pid == k->sup.role.pid)
			role_forget(&k->sup.role);
		if (si.si_pid == k->logger.pid)
			role_forget(&k->logger);
	} while (1);
}

/*
 * Read from start to end in order: the kernel hands out whole numbers then,
 * however the list changes meanwhile. Our child's pid is not used again before
 * we reap it.
 */
static void
read_children(struct keeper *k, int fd, void (*fn)(struct keeper *k, pid_t pid))
{
	char text[4096];
	ssize_t n, i;
	pid_t pid = 0;

	if (fd == -1 || lseek(fd, 0, SEEK_SET) == -1)
		return;
	while ((n = read(fd, text, sizeof(text))) > 0) {
		for (i = 0; i < n; i++) {
			if (text[i] >= '0' && text[i] <= '9') {
				pid = pid * 10 + (text[i] - '0');
				continue;
			}
			if (pid > 1)
				fn(k, pid);
			pid = 0;
		}
	}
}

void
reap_each_child(struct keeper *k, void (*fn)(struct keeper *k, pid_t pid))
{
	read_children(k, k->children_fds[0], fn);
	read_children(k, k->children_fds[1], fn);
}

static void
reap_orphan(struct keeper *k, pid_t pid)
{
	siginfo_t si;

	if (!is_role(k, pid) && find_child(k, pid) == k->nchildren)
		waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG);
}

void
reap_unannounced(struct keeper *k)
{
	reap_each_child(k, reap_orphan);
}
