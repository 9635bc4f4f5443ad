/* upgrade: see upgrade.h. */
#include "keeper/upgrade.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/sys.h"
#include "ipc/chan.h"
#include "keeper/handover.h"
#include "keeper/keeper.h"
#include "keeper/life.h"
#include "keeper/logger.h"

#define REPORT_OK "svd " /* a version follows; anything else is an error */

_Static_assert(sizeof(SVD_VERSION) <= UPGRADE_VERSION_SIZE,
    "a longer version could never be upgraded");

/* --- what is told --------------------------------------------------------- */

static void
settle(struct keeper *k, enum keeper_upgraded result, const char *text)
{
	struct keeper_upgrade *u = &k->upgrade;

	snprintf(u->text, sizeof(u->text), "%s", text);
	u->text_len = strlen(u->text) + 1;
	u->result = result;
	u->owed = 1;
}

static int
tell(struct keeper *k, enum keeper_upgraded result)
{
	const struct keeper_upgrade *u = &k->upgrade;
	struct keeper_msg m = {.type = KM_UPGRADED,
	    .version = KEEPER_PROTO_VERSION,
	    .code = (int32_t)result,
	    .life = u->attempts,
	    .text = u->text,
	    .text_len = u->text_len};

	return role_send(&k->sup.role, &m, -1);
}

void
upgrade_greet(struct keeper *k)
{
	struct keeper_upgrade *u = &k->upgrade;

	if (u->attempts == 0)
		return;
	/* Behind HELLO: there is room. */
	if (u->phase == UPGRADE_NONE)
		u->owed = tell(k, u->result) == -1;
	else
		tell(k, upgrade_on_trial(k) ? UPGRADED_ON_TRIAL
					    : UPGRADED_UNDER_WAY);
}

void
upgrade_tell(struct keeper *k)
{
	struct keeper_upgrade *u = &k->upgrade;

	if (u->owed && u->phase == UPGRADE_NONE && k->sup.role.pid != 0)
		u->owed = tell(k, u->result) == -1;
}

/* --- the end, one way or the other -----------------------------------------
 */

static void
forget_new(struct keeper_upgrade *u)
{
	fd_close(&u->fd);
	fd_close(&u->report);
	u->phase = UPGRADE_NONE;
	u->deadline = 0;
}

/* Ours go on. */
static void
fail(struct keeper *k, const char *why)
{
	struct keeper_upgrade *u = &k->upgrade;
	enum upgrade_phase phase = u->phase;

	log_error("upgrade failed: %s; svd " SVD_VERSION " goes on", why);
	forget_new(u);
	if (u->rehearser != 0) {
		kill(-u->rehearser, SIGKILL);
		kill(u->rehearser, SIGKILL);
	}
	if (phase >= UPGRADE_SUPERVISOR)
		role_replace(&k->sup.role);
	if (phase >= UPGRADE_LOGGER)
		role_replace(&k->logger);
	settle(k, UPGRADED_FAILED, why);
}

static void
fail_sys(struct keeper *k, const char *what)
{
	char why[UPGRADE_TEXT_SIZE];

	snprintf(why, sizeof(why), "%s: %s", what, strerror(errno));
	fail(k, why);
}

static void
fail_ended(struct keeper *k, const char *who, const siginfo_t *si)
{
	char why[UPGRADE_TEXT_SIZE];

	snprintf(why, sizeof(why), "its %s %s %d", who,
	    si->si_code == CLD_EXITED ? "exited with status"
				      : "was killed by signal",
	    si->si_status);
	fail(k, why);
}

static void
fail_overdue(struct keeper *k, const char *what)
{
	char why[UPGRADE_TEXT_SIZE];

	snprintf(why, sizeof(why), "%s within %lld s", what,
	    (long long)(k->upgrade.deadline - k->upgrade.began + 999) / 1000);
	fail(k, why);
}

void
upgrade_done(struct keeper *k)
{
	struct keeper_upgrade *u = &k->upgrade;

	log_info("upgraded from svd %s to " SVD_VERSION, u->version);
	settle(k, UPGRADED_DONE, u->version);
	/* Two versions, each with its NUL. */
	u->text_len += (size_t)snprintf(u->text + u->text_len,
			   sizeof(u->text) - u->text_len, "%s", SVD_VERSION) +
	               1;
}

/* --- the steps, the last one first -----------------------------------------
 */

/* A memfd with our table; -1 and errno. */
static int
make_table(const struct keeper *k)
{
	int fd = sys_memfd("svd-keeper");

	if (fd != -1 && handover_write(k, fd) == -1)
		fd_close(&fd);
	return fd;
}

/*
 * From the thread that works: what it made lives on as the children of the one
 * thread that is left. What NEW needs has no O_CLOEXEC for a moment, in which
 * nothing else can be executed.
 */
static void
execute(struct keeper *k)
{
	struct keeper_upgrade *u = &k->upgrade;
	int old = k->self_fd, table, error;

	k->self_fd = u->fd;
	table = make_table(k);
	if (table != -1 && handover_set_cloexec(k, 0) == 0)
		role_execute(k, u->fd, "keeper", &table, 1);
	error = errno;
	handover_set_cloexec(k, 1);
	k->self_fd = old;
	fd_close(&table);
	errno = error;
	fail_sys(k, "the keeper cannot execute it");
}

/* One from NEW, and as far as that. */
static int
is_ready(const struct role *r)
{
	return r->pid != 0 && r->ready && !r->replaced;
}

static void
begin_step(struct keeper *k, enum upgrade_phase phase)
{
	struct keeper_upgrade *u = &k->upgrade;
	int64_t may_take = UPGRADE_STEP_MS;

	if (k->notify.watchdog > 0 && k->notify.watchdog / 2 < may_take)
		may_take = k->notify.watchdog / 2;
	notify_alive(k);
	u->phase = phase;
	u->began = sys_now_ms();
	u->deadline = u->began + may_take;
}

/* What systemd is yet to be told does not stand in the table. If it does not
 * listen for so long, it is not told. */
static void
check_logger(struct keeper *k, int64_t now)
{
	/* Somebody may have killed NEW's supervisor meanwhile. */
	if (!is_ready(&k->sup.role) ||
	    (!logger_is_done(k) && !is_ready(&k->logger)))
		return;
	notify_flush(k, now);
	fdstore_flush(k, now);
	if ((!notify_is_due(k) && !fdstore_is_due(k)) ||
	    now >= k->upgrade.deadline)
		execute(k);
}

/* An announced child that this supervisor has not spoken of, and that still
 * runs; 0: there is none. The dead may be on record as such. */
static pid_t
find_forgotten(const struct keeper *k)
{
	siginfo_t si;
	size_t i;

	for (i = 0; i < k->nchildren; i++) {
		if (k->children[i].life == k->sup.role.lives)
			continue;
		si.si_pid = 0;
		if (waitid(P_PID, (id_t)k->children[i].pid, &si,
			WEXITED | WNOHANG | WNOWAIT) == 0 &&
		    si.si_pid == 0)
			return k->children[i].pid;
	}
	return 0;
}

static void
check_supervisor(struct keeper *k, int64_t now)
{
	/* One that was told to end may need a moment more. */
	if (!is_ready(&k->sup.role) || find_forgotten(k) != 0)
		return;
	begin_step(k, UPGRADE_LOGGER);
	role_replace(&k->logger);
	check_logger(k, now); /* there may be no logger to wait for */
}

static void
end_rehearsal(struct keeper *k, const siginfo_t *si)
{
	struct keeper_upgrade *u = &k->upgrade;
	char said[UPGRADE_TEXT_SIZE];
	ssize_t n = recv(u->report, said, sizeof(said) - 1, MSG_DONTWAIT);

	said[n > 0 ? n : 0] = '\0';
	if (si->si_code == CLD_EXITED && si->si_status == 0 &&
	    strncmp(said, REPORT_OK, strlen(REPORT_OK)) == 0) {
		snprintf(u->version, sizeof(u->version), "%.31s",
		    said + strlen(REPORT_OK));
		fd_close(&u->report);
		log_info(
		    "upgrading from svd " SVD_VERSION " to %s", u->version);
		begin_step(k, UPGRADE_SUPERVISOR);
		role_replace(&k->sup.role);
	} else if (si->si_code == CLD_EXITED && said[0] != '\0')
		fail(k, said);
	else
		fail_ended(k, "rehearsal", si);
}

static void
check_rehearser(struct keeper *k)
{
	struct keeper_upgrade *u = &k->upgrade;
	siginfo_t si = {.si_pid = 0};

	if (u->rehearser == 0 ||
	    waitid(P_PID, (id_t)u->rehearser, &si, WEXITED | WNOHANG) == -1 ||
	    si.si_pid == 0)
		return;
	u->rehearser = 0;
	if (u->phase == UPGRADE_REHEARSAL)
		end_rehearsal(k, &si);
}

static void
end_step(struct keeper *k)
{
	char why[UPGRADE_TEXT_SIZE];

	if (k->upgrade.phase == UPGRADE_REHEARSAL)
		fail_overdue(k, "its rehearsal did not end");
	else if (k->upgrade.phase == UPGRADE_LOGGER)
		fail_overdue(k, "its logger was not ready");
	else if (is_ready(&k->sup.role)) {
		snprintf(why, sizeof(why),
		    "its supervisor knows nothing of "
		    "process %d",
		    (int)find_forgotten(k));
		fail(k, why);
	} else
		fail_overdue(k, "its supervisor was not ready");
}

void
upgrade_check(struct keeper *k, int64_t now)
{
	struct keeper_upgrade *u = &k->upgrade;

	check_rehearser(k);
	if (u->phase == UPGRADE_NONE)
		return;
	if (k->stop != STOP_NONE) {
		fail(k, "the fleet is shutting down");
		return;
	}
	if (u->phase == UPGRADE_SUPERVISOR)
		check_supervisor(k, now);
	else if (u->phase == UPGRADE_LOGGER)
		check_logger(k, now);
	if (u->phase != UPGRADE_NONE && now >= u->deadline)
		end_step(k);
}

/* Those that we end ourselves are not heard of here. KILL comes from outside,
 * and there is a next one. */
void
upgrade_role_died(struct keeper *k, const struct role *r, const siginfo_t *si)
{
	if (upgrade_binary(k, r) == k->self_fd ||
	    (si->si_code == CLD_KILLED && si->si_status == SIGKILL &&
		r->obituary != OBITUARY_HUNG))
		return;
	fail_ended(k, r->kind->name, si);
}

/* --- the beginning ---------------------------------------------------------
 */

/* In the new process. */
static void
rehearse(struct keeper *k, pid_t keeper, int table, int report)
{
	char why[UPGRADE_TEXT_SIZE];
	int fds[] = {table, report}, n;

	role_become_child(k, keeper, 0);
	role_execute(k, k->upgrade.fd, "rehearsal", fds, 2);
	n = snprintf(
	    why, sizeof(why), "it cannot be executed: %s", strerror(errno));
	_exit(write(report, why, (size_t)n) == n ? 126 : 127);
}

void
upgrade_begin(struct keeper *k, int fd)
{
	struct keeper_upgrade *u = &k->upgrade;
	int talk[2] = {-1, -1}, table;
	pid_t keeper = getpid(), pid = -1;

	if (u->phase != UPGRADE_NONE) {
		fd_close(&fd);
		return;
	}
	u->fd = fd;
	u->report = -1;
	u->attempts++;
	if (fd == -1) {
		fail(k, "the keeper has no room for its descriptor");
		return;
	}
	/* It was killed, which a dead disk may put off. */
	if (u->rehearser != 0) {
		fail(k, "the rehearsal of the last one has not ended");
		return;
	}
	begin_step(k, UPGRADE_REHEARSAL);
	settle(k, UPGRADED_FAILED, "it is under way");
	table = make_table(k);
	if (table != -1 && chan_pair(talk) == 0)
		pid = fork();
	if (pid == 0)
		rehearse(k, keeper, table, talk[1]);
	u->report = talk[0];
	if (pid == -1)
		fail_sys(k, "cannot begin its rehearsal");
	else
		u->rehearser = pid;
	fd_close(&table);
	fd_close(&talk[1]);
}

int
upgrade_rehearse(struct keeper *k, int table, int report)
{
	char text[UPGRADE_TEXT_SIZE];
	struct err e;
	int rc = handover_read(k, table, &e), n;

	if (rc == -1)
		n = snprintf(text, sizeof(text), "%s", e.text);
	else
		n = snprintf(text, sizeof(text), REPORT_OK "%s", SVD_VERSION);
	if (n >= (int)sizeof(text))
		n = (int)sizeof(text) - 1;
	return write(report, text, (size_t)n) == n ? -rc : 1;
}

/* --- what the others ask ----------------------------------------------------
 */

int
upgrade_on_trial(const struct keeper *k)
{
	return k->upgrade.phase >= UPGRADE_SUPERVISOR;
}

int
upgrade_binary(const struct keeper *k, const struct role *r)
{
	enum upgrade_phase from =
	    r == &k->logger ? UPGRADE_LOGGER : UPGRADE_SUPERVISOR;

	return k->upgrade.phase >= from ? k->upgrade.fd : k->self_fd;
}

int64_t
upgrade_deadline(const struct keeper *k)
{
	return k->upgrade.deadline;
}
