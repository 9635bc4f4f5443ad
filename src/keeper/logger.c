/* logger: see logger.h. */
#include "keeper/logger.h"

#include <sys/wait.h>

#include "base/sys.h"
#include "ipc/chan.h"

static void
on_ready(struct keeper *k, struct role *r, const struct keeper_msg *m,
    const int *fds, size_t nfds)
{
	(void)m;
	(void)fds;
	(void)nfds;
	r->ready = 1;
	role_watch(k, r);
}

/* Answered once all is handed over that was held before it asked. */
static void
on_ping(struct keeper *k, struct role *r, const struct keeper_msg *m,
    const int *fds, size_t nfds)
{
	(void)r;
	(void)m;
	(void)fds;
	(void)nfds;
	k->pong_due = 1;
}

static role_obey_fn *const obey[KM_TYPES] = {
    [KM_READY] = on_ready,
    [KM_HOLD] = role_on_hold,
    [KM_DROP] = role_on_drop,
    [KM_PING] = on_ping,
    [KM_PONG] = role_on_pong,
};

int
logger_init(struct keeper *k)
{
	static const struct role_kind kind = {.name = "logger",
	    .reader = VAULT_LOGGER,
	    .own_session = 1,
	    .obey = obey};
	int pair[2];

	k->logger.kind = &kind;
	if (k->init_mode || vault_get(&k->vault, "pair:logger") != -1)
		return 0;
	if (chan_pair(pair) == -1)
		return -1;
	vault_hold(&k->vault, "pair:supervisor", pair[0]);
	vault_hold(&k->vault, "pair:logger", pair[1]);
	return 0;
}

/* Done: it was told to finish, and it has. */
int
logger_is_done(const struct keeper *k)
{
	const struct role *r = &k->logger;

	if (vault_get(&k->vault, "outputs") == -1)
		return 1;
	return r->pid == 0 && k->flush_told && r->obituary == OBITUARY_EXITED &&
	       r->obituary_status == 0;
}

void
logger_start(struct keeper *k)
{
	if (k->logger.pid != 0 || k->stop == STOP_KILL || logger_is_done(k))
		return;
	if (role_start(k, &k->logger, NULL, 0) == -1)
		return;
	k->pong_due = 0;
	k->flush_told = 0;
}

void
logger_tell(struct keeper *k)
{
	struct keeper_msg pong = {.type = KM_PONG}, quit = {.type = KM_QUIT};
	struct role *r = &k->logger;

	role_hand_over(k, r);
	if (r->pid == 0 || r->owed)
		return;
	if (k->pong_due && role_send(r, &pong, -1) == 0)
		k->pong_due = 0;
	if (k->stop == STOP_FLUSH && !k->flush_told &&
	    role_send(r, &quit, -1) == 0)
		k->flush_told = 1;
}

void
logger_check_death(struct keeper *k)
{
	siginfo_t si;

	role_check_death(k, &k->logger, &si);
}
