/* role: see role.h. */
#include "keeper/role.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/sys.h"
#include "ipc/chan.h"
#include "keeper/keeper.h"

#define RECEIVE_BATCH 64
#define DELAY_MIN_MS 100
#define DELAY_MAX_MS 5000

int
role_send(const struct role *r, const struct keeper_msg *m, int fd)
{
	static unsigned char packet[KEEPER_PACKET_MAX];
	size_t len = keeper_msg_encode(m, packet);

	return chan_send(
	    r->sock, packet, len, &fd, fd == -1 ? 0 : 1, MSG_DONTWAIT);
}

void
role_execute(
    struct keeper *k, int binary, const char *name, const int *fds, size_t nfds)
{
	static char title[32], arg[96];
	size_t i, len;

	snprintf(title, sizeof(title), "svd: %s", name);
	len = (size_t)snprintf(arg, sizeof(arg), "%s", name);
	for (i = 0; i < nfds; i++)
		len += (size_t)snprintf(arg + len, sizeof(arg) - len, "%c%d",
		    i == 0 ? '=' : ',', fds[i]);
	/* Its arguments are the keeper's own but for these two. */
	k->argv[0] = title;
	k->argv[KEEPER_ARG_ROLE] = arg;
	for (i = 0; i < nfds; i++)
		if (fd_set_cloexec(fds[i], 0) == -1)
			return;
	if (k->log_fd != -1 && fd_set_cloexec(k->log_fd, 0) == -1)
		return;
	sys_exec_fd(binary, k->argv, environ);
}

/*
 * The roles ask for that signal too. But a program that hangs before it comes
 * to that must not outlive the keeper either: in its socket there is all that
 * is held, the lock as well, and the next svd would wait for its end.
 */
void
role_become_child(const struct keeper *k, pid_t keeper, int own_session)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != keeper)
		_exit(127);
	if (k->nofile.rlim_max != 0)
		setrlimit(RLIMIT_NOFILE, &k->nofile);
	/* A group of its own: the terminal's signals are the keeper's. */
	if (!own_session || setsid() == -1)
		setpgid(0, 0);
}

/* In the new process. */
static void
exec_role(struct keeper *k, const struct role *r, pid_t keeper, int sock,
    const int *fds, size_t nfds)
{
	int all[1 + ROLE_FDS_MAX];
	size_t i;

	all[0] = sock;
	for (i = 0; i < nfds; i++)
		all[1 + i] = fds[i];
	role_become_child(k, keeper, r->kind->own_session);
	role_execute(k, upgrade_binary(k, r), r->kind->name, all, 1 + nfds);
	_exit(127);
}

static void
begin(struct role *r, pid_t pid, int sock)
{
	r->pid = pid;
	r->sock = sock;
	r->lives++;
	r->hung_up = r->ready = r->greeted = r->replaced = 0;
	r->owed = 1;
	r->started = sys_now_ms();
	r->ping_sent_at = r->next_ping = r->kill_at = 0;
}

static void
say_hello(const struct keeper *k, const struct role *r)
{
	struct keeper_msg m = {.type = KM_HELLO,
	    .version = KEEPER_PROTO_VERSION,
	    .epoch = k->epoch,
	    .life = r->lives,
	    .pid = getpid(),
	    .code = (int32_t)r->obituary,
	    .status = r->obituary_status};

	/* Nothing was sent before: there is room. */
	role_send(r, &m, -1);
}

pid_t
role_start(struct keeper *k, struct role *r, const int *fds, size_t nfds)
{
	int talk[2] = {-1, -1};
	pid_t keeper = getpid(), pid = -1;

	if (r->pid != 0 || sys_now_ms() < r->start_at)
		return -1;
	if (chan_pair(talk) == 0)
		pid = fork();
	if (pid == 0)
		exec_role(k, r, keeper, talk[1], fds, nfds);
	if (pid == -1) {
		log_error(
		    "cannot start a %s: %s", r->kind->name, strerror(errno));
		r->start_at = sys_now_ms() + ROLE_AGAIN_MS;
		fd_close(&talk[0]);
	} else {
		begin(r, pid, talk[0]);
		say_hello(k, r);
	}
	fd_close(&talk[1]);
	return pid;
}

void
role_replace(struct role *r)
{
	r->start_at = 0;
	r->young_deaths = 0;
	if (r->pid == 0)
		return;
	kill(r->pid, SIGKILL);
	r->replaced = 1;
}

void
role_forget(struct role *r)
{
	r->pid = 0;
	fd_close(&r->sock);
}

_Static_assert(CHAN_FDS_MAX *(KEEPER_NAME_MAX + 1) <= KEEPER_TEXT_MAX,
    "the names of a full message fit");

/* One message of as many descriptors as it takes. 1: sent, 0: there is nothing
 * left, -1: the socket is full. */
static int
hand_some(struct keeper *k, const struct role *r)
{
	static char names[KEEPER_TEXT_MAX];
	static unsigned char packet[KEEPER_PACKET_MAX];
	static struct vault_entry *given[CHAN_FDS_MAX];
	struct keeper_msg m = {.type = KM_FD, .text = names};
	int fds[CHAN_FDS_MAX];
	size_t n = 0, at = 0, len;

	while (
	    n < CHAN_FDS_MAX && (given[n] = vault_next(&k->vault,
				     r->kind->reader, r->lives, &at)) != NULL) {
		len = strlen(given[n]->name) + 1;
		memcpy(names + m.text_len, given[n]->name, len);
		m.text_len += len;
		fds[n] = given[n]->fd;
		n++;
	}
	if (n == 0)
		return 0;
	len = keeper_msg_encode(&m, packet);
	if (chan_send(r->sock, packet, len, fds, n, MSG_DONTWAIT) == -1)
		return -1;
	while (n > 0)
		given[--n]->told[r->kind->reader] = r->lives;
	return 1;
}

void
role_hand_over(struct keeper *k, struct role *r)
{
	struct keeper_msg all = {.type = KM_HANDED};
	int rc = 0;

	if (r->pid == 0 || !r->owed)
		return;
	while ((rc = hand_some(k, r)) == 1)
		;
	if (rc == -1)
		return;
	if (!r->greeted && role_send(r, &all, -1) == -1)
		return;
	r->greeted = 1;
	r->owed = 0;
}

void
role_on_hold(struct keeper *k, struct role *r, const struct keeper_msg *m,
    const int *fds, size_t nfds)
{
	const char *name = m->text, *end = m->text + m->text_len;
	uint32_t told = r->kind->keeps_copies ? r->lives : 0;
	size_t i;

	for (i = 0; i < nfds && name < end; i++, name += strlen(name) + 1) {
		fdstore_forget(k, name);
		if (vault_hold(&k->vault, name, fds[i]) == -1)
			log_error("cannot hold the descriptor '%s'", name);
		else
			vault_tell(&k->vault, name, r->kind->reader, told);
	}
	if (i < nfds || name < end)
		log_error("names and descriptors to be held differ");
	for (; i < nfds; i++)
		close(fds[i]);
	k->logger.owed = 1;
	fdstore_changed(k);
}

void
role_on_drop(struct keeper *k, struct role *r, const struct keeper_msg *m,
    const int *fds, size_t nfds)
{
	(void)r;
	(void)fds;
	(void)nfds;
	fdstore_forget(k, m->text);
	vault_drop(&k->vault, m->text);
}

void
role_on_pong(struct keeper *k, struct role *r, const struct keeper_msg *m,
    const int *fds, size_t nfds)
{
	(void)k;
	(void)m;
	(void)fds;
	(void)nfds;
	r->ping_sent_at = 0;
}

/* There was no room for its descriptors. Who asked for an upgrade waits for its
 * end. */
static void
miss(struct keeper *k, const struct role *r, unsigned char type)
{
	log_error("cannot take what the %s gives: too many open files",
	    r->kind->name);
	if (type == KM_UPGRADE && r == &k->sup.role)
		upgrade_begin(k, -1);
}

/* Returns 0 where nothing is there to be read now, or ever. */
static int
receive_one(struct keeper *k, struct role *r)
{
	static unsigned char packet[KEEPER_PACKET_MAX];
	int fds[CHAN_FDS_MAX];
	struct keeper_msg m;
	size_t nfds, i;
	ssize_t n;

	n = chan_recv(
	    r->sock, packet, sizeof(packet), fds, &nfds, MSG_DONTWAIT);
	/* Said once of a peer that died with something unread; what it sent
	 * before follows. */
	if (n == -1 && (errno == ECONNRESET || errno == EINTR))
		return 1;
	if (n == 0)
		r->hung_up = 1;
	if (n == 0 || (n == -1 && errno != EMSGSIZE))
		return 0;
	if (n == -1) {
		miss(k, r, packet[0]);
		return 1;
	}
	if (keeper_msg_decode(packet, (size_t)n, &m) == -1 ||
	    r->kind->obey[m.type] == NULL) {
		log_error("cannot understand the %s", r->kind->name);
		m.type = KM_TYPES;
	} else
		r->kind->obey[m.type](k, r, &m, fds, nfds);
	for (i = 0; m.type != KM_HOLD && m.type != KM_UPGRADE && i < nfds; i++)
		close(fds[i]);
	return 1;
}

int
role_receive(struct keeper *k, struct role *r)
{
	int i;

	for (i = 0; i < RECEIVE_BATCH && r->pid != 0; i++)
		if (receive_one(k, r) == 0)
			return 0;
	return r->pid != 0;
}

/*
 * At once after the first death, then 100 ms to 5 s apart; a life that was
 * ready and lasted starts the count anew. KILL comes from outside (an operator,
 * the OOM killer) and is no sign of a fault in the program: it is not counted,
 * and waited for only where the life had not got as far as being ready.
 */
static int64_t
next_delay(struct role *r, int was_killed, int64_t lasted)
{
	int64_t delay = 0;
	unsigned int i;

	if (was_killed)
		return r->ready ? 0 : DELAY_MIN_MS;
	if (r->ready && lasted >= ROLE_OLD_MS)
		r->young_deaths = 0;
	for (i = 0; i < r->young_deaths && delay < DELAY_MAX_MS; i++)
		delay = delay == 0 ? DELAY_MIN_MS : delay * 2;
	r->young_deaths++;
	return delay > DELAY_MAX_MS ? DELAY_MAX_MS : delay;
}

static void
write_obituary(
    struct role *r, const siginfo_t *si, int64_t lasted, int expected)
{
	int exited = si->si_code == CLD_EXITED;

	if (r->kill_at != 0)
		r->obituary = OBITUARY_HUNG;
	else
		r->obituary = exited ? OBITUARY_EXITED : OBITUARY_SIGNALLED;
	r->obituary_status = si->si_status;
	if (expected)
		return;
	log_error("%s %d %s %d%s%s after %lld.%03lld s", r->kind->name,
	    (int)r->pid, exited ? "exited with status" : "was killed by signal",
	    si->si_status, si->si_code == CLD_DUMPED ? " (core dumped)" : "",
	    r->kill_at != 0 ? ", having hung," : "", (long long)lasted / 1000,
	    (long long)lasted % 1000);
}

int
role_check_death(struct keeper *k, struct role *r, siginfo_t *si)
{
	int expected = k->stop >= STOP_FLUSH || r->replaced;
	int64_t now, lasted, delay;

	si->si_pid = 0;
	if (r->pid == 0 ||
	    waitid(P_PID, (id_t)r->pid, si, WEXITED | WNOHANG | WNOWAIT) ==
		-1 ||
	    si->si_pid == 0)
		return 0;
	/* What it said before it died still counts. */
	while (receive_one(k, r) != 0)
		;
	waitid(P_PID, (id_t)r->pid, si, WEXITED | WNOHANG);
	now = sys_now_ms();
	lasted = now - r->started;
	write_obituary(r, si, lasted, expected);
	if (r->replaced)
		delay = 0;
	else
		delay = next_delay(r,
		    si->si_code == CLD_KILLED && si->si_status == SIGKILL &&
			r->kill_at == 0,
		    lasted);
	if (delay > 0 && !expected)
		log_warn("next %s in %lld ms", r->kind->name, (long long)delay);
	r->start_at = now + delay;
	role_forget(r);
	if (!r->replaced)
		upgrade_role_died(k, r, si);
	return 1;
}

int
role_overdue(int64_t since, int64_t limit, int64_t now)
{
	return since != 0 && now - since >= limit;
}

int64_t
role_earlier(int64_t a, int64_t since, int64_t after)
{
	if (since == 0)
		return a;
	return a == 0 || since + after < a ? since + after : a;
}

static void
end_hung(struct role *r, int64_t now)
{
	log_error(
	    "%s %d does not answer, ending it", r->kind->name, (int)r->pid);
	/* A stopped process feels ABRT only once it runs. */
	kill(r->pid, SIGABRT);
	kill(r->pid, SIGCONT);
	r->kill_at = now + ROLE_ABRT_MS;
}

void
role_check_answers(struct keeper *k, struct role *r, int overdue, int64_t now)
{
	struct keeper_msg ping = {.type = KM_PING};

	if (r->pid == 0)
		return;
	if (r->kill_at != 0) {
		if (now >= r->kill_at) {
			kill(r->pid, SIGKILL);
			r->kill_at = now + ROLE_ABRT_MS;
		}
		return;
	}
	if (overdue || (k->ping_limit > 0 &&
			   role_overdue(r->ping_sent_at, k->ping_limit, now))) {
		end_hung(r, now);
		return;
	}
	if (r->next_ping != 0 && now >= r->next_ping) {
		if (r->ping_sent_at == 0 && role_send(r, &ping, -1) == 0)
			r->ping_sent_at = now;
		r->next_ping = now + k->ping_every;
	}
}

void
role_watch(const struct keeper *k, struct role *r)
{
	r->next_ping = k->ping_every > 0 ? sys_now_ms() + k->ping_every : 0;
}

int64_t
role_deadline(const struct keeper *k, const struct role *r)
{
	int64_t d = 0;

	if (r->pid == 0)
		return r->start_at;
	if (r->kill_at != 0)
		return r->kill_at;
	if (k->ping_limit > 0)
		d = role_earlier(d, r->ping_sent_at, k->ping_limit);
	return role_earlier(d, r->next_ping, 0);
}
