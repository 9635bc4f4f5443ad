/* stop: see stop.h. */
#include "keeper/stop.h"

#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"
#include "keeper/adopted.h"
#include "keeper/logger.h"
#include "keeper/reap.h"

#define KILL_AGAIN_MS 100
/* Rounds; then only state D can be left. */
#define KILL_GIVE_UP (STOP_KILL_ALL_MS / KILL_AGAIN_MS)

void
stop_ask(struct keeper *k)
{
	if (k->stop != STOP_NONE)
		return;
	k->stop = STOP_ASKED;
	k->stop_deadline = sys_now_ms() + STOP_CONFIRM_MS;
}

void
stop_confirmed(struct keeper *k, int exit_code)
{
	if (k->stop >= STOP_FLUSH)
		return;
	if (k->exit_code == 0)
		k->exit_code = exit_code;
	k->stop = STOP_CONFIRMED;
	k->stop_deadline = 0;
}

void
stop_unconfirm(struct keeper *k)
{
	if (k->stop != STOP_CONFIRMED)
		return;
	k->stop = STOP_NONE;
	k->pending |= SIG_BIT(SIGTERM);
	stop_ask(k);
}

static void
signal_announced(const struct keeper *k, int sig)
{
	size_t i;

	for (i = 0; i < k->nchildren; i++)
		kill(k->children[i].pid, sig);
}

static void
kill_child(struct keeper *k, pid_t pid)
{
	(void)k;
	kill(pid, SIGKILL);
}

/*
 * What the dying leave behind becomes our child in turn and is met in the next
 * round.
 */
static void
kill_all(struct keeper *k)
{
	size_t i;

	if (k->sup.role.pid > 0)
		kill(k->sup.role.pid, SIGKILL);
	if (k->logger.pid > 0)
		kill(k->logger.pid, SIGKILL);
	if (getpid() == 1) {
		kill(-1, SIGKILL);
		return;
	}
	for (i = 0; i < k->nchildren; i++) {
		kill(-k->children[i].pid, SIGKILL);
		kill(k->children[i].pid, SIGKILL);
	}
	adopted_send(k, SIGKILL, 1);
	reap_each_child(k, kill_child);
}

void
stop_kill(struct keeper *k, int exit_code)
{
	if (k->stop == STOP_KILL)
		return;
	k->stop = STOP_KILL;
	k->exit_code = exit_code;
	k->kill_rounds = 0;
	k->stop_deadline = sys_now_ms();
}

void
stop_flush(struct keeper *k)
{
	if (k->stop >= STOP_FLUSH)
		return;
	k->stop = STOP_FLUSH;
	k->flush_told = 0;
	k->stop_deadline = sys_now_ms() + LOGGER_FLUSH_MS;
}

void
stop_detach(struct keeper *k)
{
	/* Where we are PID 1, nothing outlives us. */
	if (k->stop != STOP_NONE || getpid() == 1)
		return;
	log_info("leaving the workers to an svd to come");
	k->detach = 1;
	k->exit_code = 0;
	stop_flush(k);
}

static void
stop_alone(struct keeper *k, int64_t now)
{
	log_warn("the supervisor did not confirm the stop: TERM to %zu "
		 "workers, KILL in %lld ms",
	    k->nchildren, (long long)k->grace);
	k->stop = STOP_ALONE;
	k->stop_deadline = now + k->grace;
	signal_announced(k, SIGTERM);
	signal_announced(k, SIGCONT);
	adopted_send(k, SIGTERM, 0);
	adopted_send(k, SIGCONT, 0);
}

/* Nobody left to wait for? Their zombies may still be kept as records. */
static int
all_dead(const struct keeper *k)
{
	siginfo_t si;
	size_t i;

	if (adopted_alive(k))
		return 0;
	for (i = 0; i < k->nchildren; i++) {
		si.si_pid = 0;
		if (waitid(P_PID, (id_t)k->children[i].pid, &si,
			WEXITED | WNOHANG | WNOWAIT) == 0 &&
		    si.si_pid == 0)
			return 0;
	}
	return 1;
}

static int
nobody_is_left(struct keeper *k)
{
	return reap_everything(k) == -1 && !adopted_alive(k);
}

/* One round of killing; 1: nobody is left, or nobody that can be killed. */
static int
kill_round(struct keeper *k, int64_t now)
{
	if (nobody_is_left(k))
		return 1;
	if (k->kill_rounds++ == KILL_GIVE_UP) {
		log_error("some process does not die, leaving it");
		return 1;
	}
	kill_all(k);
	k->stop_deadline = now + KILL_AGAIN_MS;
	return 0;
}

int
stop_check(struct keeper *k, int64_t now)
{
	/* In the last phase each death is a reason to look again. */
	if (k->stop == STOP_KILL && nobody_is_left(k))
		return 1;
	if (k->stop == STOP_ALONE && all_dead(k))
		stop_flush(k);
	if (k->stop == STOP_FLUSH && logger_is_done(k)) {
		if (k->detach)
			return 1;
		stop_kill(k, k->exit_code);
	}
	if (k->stop_deadline == 0 || now < k->stop_deadline)
		return 0;
	switch (k->stop) {
	case STOP_ASKED:
		stop_alone(k, now);
		return 0;
	case STOP_FLUSH:
		log_warn("the logger has not finished, leaving without it");
		if (k->detach)
			return 1;
		stop_kill(k, k->exit_code);
		return kill_round(k, now);
	case STOP_ALONE:
		stop_kill(k, k->exit_code);
		return kill_round(k, now);
	case STOP_KILL:
		return kill_round(k, now);
	default:
		return 0;
	}
}
