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

static size_t
find_child(const struct keeper *k, pid_t pid)
{
	size_t i;

	for (i = 0; i < k->nchildren; i++)
		if (k->children[i] == pid)
			break;
	return i;
}

void
reap_add_child(struct keeper *k, pid_t pid)
{
	if (pid <= 1 || find_child(k, pid) < k->nchildren)
		return;
	if (k->nchildren == KEEPER_CHILDREN_MAX) {
		log_error("more than %d workers, pid %d is not announced",
		    KEEPER_CHILDREN_MAX, (int)pid);
		return;
	}
	k->children[k->nchildren++] = pid;
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
peek(siginfo_t *si, struct rusage *ru)
{
	memset(si, 0, sizeof(*si));
	memset(ru, 0, sizeof(*ru));
	if (syscall(SYS_waitid, P_ALL, 0, si, WEXITED | WNOHANG | WNOWAIT,
		ru) == -1)
		return 0;
	return si->si_pid;
}

static int
is_role(const struct keeper *k, pid_t pid)
{
	return pid == k->sup.role.pid || pid == k->logger.pid;
}

void
reap_announce(struct keeper *k)
{
	struct keeper_msg m = {.type = KM_EXIT};
	struct rusage ru;
	siginfo_t si;

	if (!life_can_hear(k) || k->sup.exit_sent != 0)
		return;
	/* The deaths of svd's own are role.c's, seen by pid. */
	if (peek(&si, &ru) == 0 || is_role(k, si.si_pid))
		return;
	m.pid = si.si_pid;
	m.code = si.si_code;
	m.status = si.si_status;
	m.us = (uint64_t)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
	if (role_send(&k->sup.role, &m, -1) == -1)
		return; /* full: the socket's next event brings us here */
	k->sup.exit_sent = si.si_pid;
	k->sup.exit_sent_at = sys_now_ms();
}

void
reap_acknowledged(struct keeper *k, pid_t pid)
{
	siginfo_t si;

	if (pid != k->sup.exit_sent)
		return;
	k->sup.exit_sent = 0;
	k->sup.exit_sent_at = 0;
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
void
reap_each_child(struct keeper *k, void (*fn)(struct keeper *k, pid_t pid))
{
	char text[4096];
	ssize_t n, i;
	pid_t pid = 0;

	if (k->children_fd == -1 || lseek(k->children_fd, 0, SEEK_SET) == -1)
		return;
	while ((n = read(k->children_fd, text, sizeof(text))) > 0) {
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
