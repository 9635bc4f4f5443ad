/* life: see life.h. */
#include "keeper/life.h"

#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/sys.h"
#include "ipc/chan.h"
#include "keeper/reap.h"
#include "keeper/stop.h"

/* Its socket for births is inherited, and held for the next one. */
static void
hold_births(struct keeper *k, int fd)
{
	struct role *r = &k->sup.role;
	char name[KEEPER_NAME_MAX + 1];

	snprintf(name, sizeof(name), "births:%u", r->lives);
	vault_hold(&k->vault, name, fd);
	vault_tell(&k->vault, name, VAULT_SUPERVISOR, r->lives);
}

void
life_start(struct keeper *k)
{
	struct keeper_supervisor *s = &k->sup;
	int birth[2];

	if (s->role.pid != 0 || k->stop >= STOP_FLUSH ||
	    sys_now_ms() < s->role.start_at)
		return;
	/* Births of lives before are over when nobody can write any more. */
	vault_drop_drained(&k->vault, "births:");
	if (chan_pair(birth) == -1) {
		log_error("cannot make sockets for a supervisor");
		s->role.start_at = sys_now_ms() + ROLE_AGAIN_MS;
		return;
	}
	if (role_start(k, &s->role, birth, 2) == -1)
		fd_close(&birth[0]);
	else {
		s->nexits_sent = 0;
		k->may_be_dead = 1; /* all that it was not told of, again */
		s->signals_sent = 0;
		s->exit_sent_at = s->signals_sent_at = 0;
		k->orphaned_since = 0;
		upgrade_greet(k);
		hold_births(k, birth[0]);
	}
	fd_close(&birth[1]);
}

int
life_can_hear(const struct keeper *k)
{
	const struct role *r = &k->sup.role;

	return r->pid != 0 && r->greeted && r->kill_at == 0;
}

void
life_send_signals(struct keeper *k)
{
	struct keeper_msg m = {.type = KM_SIGNAL, .mask = k->pending};

	/* One on trial is not to load another fleet file. */
	if (k->pending == 0 || k->sup.signals_sent != 0 || !life_can_hear(k) ||
	    (upgrade_on_trial(k) && !k->init_mode) ||
	    role_send(&k->sup.role, &m, -1) == -1)
		return;
	k->sup.signals_sent = k->pending;
	k->sup.signals_sent_at = sys_now_ms();
	k->pending = 0;
}

#define IGNORE_REST \
	(void)r;    \
	(void)m;    \
	(void)fds;  \
	(void)nfds

static void
on_ready(struct keeper *k, struct role *r, const struct keeper_msg *m,
    const int *fds, size_t nfds)
{
	IGNORE_REST;
	k->sup.role.ready = 1;
	notify_alive(k);
}

static void
on_notify(struct keeper *k, struct role *r, const struct keeper_msg *m,
    const int *fds, size_t nfds)
{
	IGNORE_REST;
	notify_hear(k, m->code, m->text);
}

static void
on_born(struct keeper *k, struct role *r, const struct keeper_msg *m,
    const int *fds, size_t nfds)
{
	uint32_t i;

	IGNORE_REST;
	for (i = 0; i < m->npids; i++)
		reap_add_child(k, m->pids[i]);
}

static void
on_ack(struct keeper *k, struct role *r, const struct keeper_msg *m,
    const int *fds, size_t nfds)
{
	uint32_t i;

	IGNORE_REST;
	for (i = 0; i < m->npids; i++)
		reap_acknowledged(k, m->pids[i]);
}

static void
on_signalled(struct keeper *k, struct role *r, const struct keeper_msg *m,
    const int *fds, size_t nfds)
{
	IGNORE_REST;
	k->sup.signals_sent = 0;
	k->sup.signals_sent_at = 0;
}

/* Of two lengths of time of which 0 is for ever. */
static int64_t
shorter(int64_t a, int64_t b)
{
	return b == 0 || (a != 0 && a < b) ? a : b;
}

/*
 * Who asks for a sign of life of ours hears of it only when the supervisor has
 * given one: at half of the time it waits; and when half of what is left has
 * passed without one, there is time for another supervisor.
 */
static void
on_limits(struct keeper *k, struct role *r, const struct keeper_msg *m,
    const int *fds, size_t nfds)
{
	IGNORE_REST;
	k->grace = (int64_t)m->ms;
	k->ping_every = shorter((int64_t)m->ms2, k->notify.watchdog / 2);
	k->ping_limit = shorter((int64_t)m->ms2, k->notify.watchdog / 4);
	role_watch(k, &k->sup.role);
	role_watch(k, &k->logger);
}

static void
on_stopping(struct keeper *k, struct role *r, const struct keeper_msg *m,
    const int *fds, size_t nfds)
{
	IGNORE_REST;
	stop_confirmed(k, m->code);
}

static void
on_quit(struct keeper *k, struct role *r, const struct keeper_msg *m,
    const int *fds, size_t nfds)
{
	IGNORE_REST;
	stop_flush(k);
}

/* Unasked it says that exits have to wait, as there is no room to record them:
 * it does not hang. */
static void
on_pong(struct keeper *k, struct role *r, const struct keeper_msg *m,
    const int *fds, size_t nfds)
{
	role_on_pong(k, r, m, fds, nfds);
	notify_alive(k);
	if (k->sup.exit_sent_at != 0)
		k->sup.exit_sent_at = sys_now_ms();
}

/* The file may be gone by now, or be yet another one: what counts is open. */
static void
on_upgrade(struct keeper *k, struct role *r, const struct keeper_msg *m,
    const int *fds, size_t nfds)
{
	IGNORE_REST;
	upgrade_begin(k, nfds == 0 ? -1 : fds[0]);
	while (nfds > 1)
		close(fds[--nfds]);
}

static void
on_detach(struct keeper *k, struct role *r, const struct keeper_msg *m,
    const int *fds, size_t nfds)
{
	IGNORE_REST;
	stop_detach(k);
}

static role_obey_fn *const obey[KM_TYPES] = {
    [KM_READY] = on_ready,
    [KM_HOLD] = role_on_hold,
    [KM_DROP] = role_on_drop,
    [KM_BORN] = on_born,
    [KM_ACK] = on_ack,
    [KM_SIGNALLED] = on_signalled,
    [KM_PONG] = on_pong,
    [KM_LIMITS] = on_limits,
    [KM_STOPPING] = on_stopping,
    [KM_QUIT] = on_quit,
    [KM_DETACH] = on_detach,
    [KM_NOTIFY] = on_notify,
    [KM_UPGRADE] = on_upgrade,
};

void
life_init(struct keeper *k)
{
	static const struct role_kind kind = {.name = "supervisor",
	    .reader = VAULT_SUPERVISOR,
	    .keeps_copies = 1,
	    .obey = obey};

	k->sup.role.kind = &kind;
}

void
life_check_death(struct keeper *k)
{
	struct keeper_supervisor *s = &k->sup;
	siginfo_t si;

	if (!role_check_death(k, &s->role, &si))
		return;
	k->pending |= s->signals_sent;
	s->signals_sent = 0;
	s->nexits_sent = 0;
	k->orphaned_since = sys_now_ms();
	stop_unconfirm(k);
}

void
life_check_answers(struct keeper *k, int64_t now)
{
	const struct keeper_supervisor *s = &k->sup;

	role_check_answers(k, &k->sup.role,
	    role_overdue(s->exit_sent_at, LIFE_ANSWER_MS, now) ||
		role_overdue(s->signals_sent_at, LIFE_ANSWER_MS, now),
	    now);
}

int64_t
life_deadline(const struct keeper *k)
{
	const struct keeper_supervisor *s = &k->sup;
	int64_t d = role_deadline(k, &s->role);

	if (s->role.pid == 0 || s->role.kill_at != 0)
		return d;
	d = role_earlier(d, s->exit_sent_at, LIFE_ANSWER_MS);
	return role_earlier(d, s->signals_sent_at, LIFE_ANSWER_MS);
}
