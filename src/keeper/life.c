/* life: see life.h. */
#include "keeper/life.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/sys.h"
#include "ipc/chan.h"
#include "keeper/reap.h"
#include "keeper/stop.h"

#define RECEIVE_BATCH 64
#define DELAY_MIN_MS 100
#define DELAY_MAX_MS 5000
#define FORK_AGAIN_MS 100

int
life_send(struct keeper *k, const struct keeper_msg *m, int fd)
{
	static unsigned char packet[KEEPER_PACKET_MAX];
	size_t len = keeper_msg_encode(m, packet);

	return chan_send(
	    k->sup.sock, packet, len, &fd, fd == -1 ? 0 : 1, MSG_DONTWAIT);
}

/* In the new process. Descriptors go by number in the role's argument. */
static void
exec_supervisor(struct keeper *k, int sock, int birth_read, int birth_write)
{
	static char role[64];

	snprintf(role, sizeof(role), "supervisor=%d,%d,%d", sock, birth_read,
	    birth_write);
	/* Its arguments are the keeper's own but for these two. */
	k->argv[0] = (char *)"svd: supervisor";
	k->argv[KEEPER_ARG_ROLE] = role;
	if (fd_set_cloexec(sock, 0) == -1 ||
	    fd_set_cloexec(birth_read, 0) == -1 ||
	    fd_set_cloexec(birth_write, 0) == -1)
		_exit(126);
	if (k->nofile.rlim_max != 0)
		setrlimit(RLIMIT_NOFILE, &k->nofile);
	/* A group of its own: the terminal's signals are the keeper's. */
	setpgid(0, 0);
	sys_exec_fd(k->self_fd, k->argv, environ);
	_exit(127);
}

static void
life_begin(struct keeper *k, pid_t pid, int sock)
{
	struct keeper_supervisor *s = &k->sup;

	s->pid = pid;
	s->sock = sock;
	s->lives++;
	s->ready = 0;
	s->hung_up = 0;
	s->started = sys_now_ms();
	s->handed = 0;
	s->exit_sent = 0;
	s->signals_sent = 0;
	s->exit_sent_at = s->signals_sent_at = s->ping_sent_at = 0;
	s->next_ping = s->kill_at = 0;
	k->orphaned_since = 0;
}

static void
say_hello(struct keeper *k)
{
	struct keeper_msg m = {.type = KM_HELLO,
	    .version = KEEPER_PROTO_VERSION,
	    .epoch = k->epoch,
	    .life = k->sup.lives,
	    .pid = getpid(),
	    .code = (int32_t)k->sup.obituary,
	    .status = k->sup.obituary_status,
	    .count = (uint32_t)k->vault.n};

	/* Nothing was sent before: there is room. */
	life_send(k, &m, -1);
}

/* Sockets for the next life: to talk, and for births to be announced. */
static int
make_sockets(int talk[2], int birth[2])
{
	talk[0] = talk[1] = birth[0] = birth[1] = -1;
	if (chan_pair(talk) == -1 || chan_pair(birth) == -1) {
		log_error("cannot make sockets for a supervisor: %s",
		    strerror(errno));
		fd_close(&talk[0]);
		fd_close(&talk[1]);
		return -1;
	}
	return 0;
}

void
life_start(struct keeper *k)
{
	char name[KEEPER_NAME_MAX + 1];
	int talk[2], birth[2];
	pid_t pid = -1;

	if (k->sup.pid != 0 || k->stop == STOP_KILL ||
	    sys_now_ms() < k->sup.start_at)
		return;
	/* Births of lives before are over when nobody can write any more. */
	vault_drop_drained(&k->vault, "births:");
	if (make_sockets(talk, birth) == 0)
		pid = fork();
	if (pid == 0)
		exec_supervisor(k, talk[1], birth[0], birth[1]);
	if (pid == -1) {
		log_error("cannot start a supervisor: %s", strerror(errno));
		k->sup.start_at = sys_now_ms() + FORK_AGAIN_MS;
		fd_close(&talk[0]);
		fd_close(&birth[0]);
	} else {
		life_begin(k, pid, talk[0]);
		say_hello(k);
		/* Held for the next one: this one inherited it. */
		snprintf(name, sizeof(name), "births:%u", k->sup.lives);
		k->sup.own_births = k->vault.n;
		vault_hold(&k->vault, name, birth[0]);
	}
	fd_close(&talk[1]);
	fd_close(&birth[1]);
}

void
life_forget(struct keeper *k)
{
	k->sup.pid = 0;
	fd_close(&k->sup.sock);
}

int
life_can_hear(const struct keeper *k)
{
	return k->sup.pid != 0 && k->sup.handed == k->sup.own_births &&
	       k->sup.kill_at == 0;
}

/* One message of as many descriptors as it takes; 0: the socket is full. */
static size_t
hand_some(struct keeper *k)
{
	static char names[KEEPER_TEXT_MAX];
	static unsigned char packet[KEEPER_PACKET_MAX];
	struct keeper_msg m = {.type = KM_FD, .text = names};
	int fds[CHAN_FDS_MAX];
	size_t n = 0, len;

	while (k->sup.handed + n < k->sup.own_births && n < CHAN_FDS_MAX) {
		const struct vault_entry *e =
		    &k->vault.entries[k->sup.handed + n];

		len = strlen(e->name) + 1;
		memcpy(names + m.text_len, e->name, len);
		m.text_len += len;
		fds[n++] = e->fd;
	}
	len = keeper_msg_encode(&m, packet);
	if (chan_send(k->sup.sock, packet, len, fds, n, MSG_DONTWAIT) == -1)
		return 0;
	return n;
}

_Static_assert(CHAN_FDS_MAX *(KEEPER_NAME_MAX + 1) <= KEEPER_TEXT_MAX,
    "the names of a full message fit");

void
life_hand_over(struct keeper *k)
{
	size_t n;

	while (k->sup.pid != 0 && k->sup.handed < k->sup.own_births) {
		n = hand_some(k);
		if (n == 0)
			return;
		k->sup.handed += n;
	}
}

void
life_send_signals(struct keeper *k)
{
	struct keeper_msg m = {.type = KM_SIGNAL, .mask = k->pending};

	if (k->pending == 0 || k->sup.signals_sent != 0 || !life_can_hear(k) ||
	    life_send(k, &m, -1) == -1)
		return;
	k->sup.signals_sent = k->pending;
	k->sup.signals_sent_at = sys_now_ms();
	k->pending = 0;
}

static void
on_ready(struct keeper *k, const struct keeper_msg *m, int fd)
{
	(void)m;
	(void)fd;
	k->sup.ready = 1;
}

static void
on_hold(struct keeper *k, const struct keeper_msg *m, int fd)
{
	if (fd == -1 || vault_hold(&k->vault, m->text, fd) == -1)
		log_error("cannot hold the descriptor '%s'", m->text);
}

static void
on_drop(struct keeper *k, const struct keeper_msg *m, int fd)
{
	(void)fd;
	vault_drop(&k->vault, m->text);
}

static void
on_born(struct keeper *k, const struct keeper_msg *m, int fd)
{
	(void)fd;
	reap_add_child(k, m->pid);
}

static void
on_ack(struct keeper *k, const struct keeper_msg *m, int fd)
{
	(void)fd;
	reap_acknowledged(k, m->pid);
}

static void
on_signalled(struct keeper *k, const struct keeper_msg *m, int fd)
{
	(void)m;
	(void)fd;
	k->sup.signals_sent = 0;
	k->sup.signals_sent_at = 0;
}

static void
on_pong(struct keeper *k, const struct keeper_msg *m, int fd)
{
	(void)m;
	(void)fd;
	k->sup.ping_sent_at = 0;
}

static void
on_limits(struct keeper *k, const struct keeper_msg *m, int fd)
{
	(void)fd;
	k->grace = (int64_t)m->ms;
	k->watchdog = (int64_t)m->ms2;
	k->sup.next_ping = 0;
	if (k->watchdog > 0)
		k->sup.next_ping = sys_now_ms() + k->watchdog;
}

static void
on_stopping(struct keeper *k, const struct keeper_msg *m, int fd)
{
	(void)fd;
	stop_confirmed(k, m->code);
}

static void
on_quit(struct keeper *k, const struct keeper_msg *m, int fd)
{
	(void)m;
	(void)fd;
	stop_kill(k, k->exit_code);
}

static void (*const obey[KM_TYPES])(
    struct keeper *k, const struct keeper_msg *m, int fd) = {
    [KM_READY] = on_ready,
    [KM_HOLD] = on_hold,
    [KM_DROP] = on_drop,
    [KM_BORN] = on_born,
    [KM_ACK] = on_ack,
    [KM_SIGNALLED] = on_signalled,
    [KM_PONG] = on_pong,
    [KM_LIMITS] = on_limits,
    [KM_STOPPING] = on_stopping,
    [KM_QUIT] = on_quit,
};

/* Returns 0 where nothing is there to be read now, or ever. */
static int
receive_one(struct keeper *k)
{
	static unsigned char packet[KEEPER_PACKET_MAX];
	int fds[CHAN_FDS_MAX];
	struct keeper_msg m;
	size_t nfds, i;
	ssize_t n;

	n = chan_recv(
	    k->sup.sock, packet, sizeof(packet), fds, &nfds, MSG_DONTWAIT);
	/* Said once of a peer that died with something unread; what it sent
	 * before follows. */
	if (n == -1 && (errno == ECONNRESET || errno == EINTR))
		return 1;
	if (n == 0)
		k->sup.hung_up = 1;
	if (n == 0 || (n == -1 && errno != EMSGSIZE))
		return 0;
	if (n == -1 || keeper_msg_decode(packet, (size_t)n, &m) == -1 ||
	    obey[m.type] == NULL) {
		log_error("cannot understand the supervisor");
		m.type = KM_TYPES;
	} else
		obey[m.type](k, &m, nfds == 1 ? fds[0] : -1);
	for (i = m.type == KM_HOLD && nfds == 1 ? 1 : 0; i < nfds; i++)
		close(fds[i]);
	return 1;
}

int
life_receive(struct keeper *k)
{
	int i;

	for (i = 0; i < RECEIVE_BATCH && k->sup.pid != 0; i++)
		if (receive_one(k) == 0)
			return 0;
	return k->sup.pid != 0;
}

/*
 * At once after the first death, then 100 ms to 5 s apart; a life that was
 * ready and lasted starts the count anew. KILL comes from outside (an operator,
 * the OOM killer) and is no sign of a fault in the program: it is not counted,
 * and waited for only where the life had not got as far as being ready.
 */
static int64_t
next_delay(struct keeper *k, int was_killed, int64_t lasted)
{
	struct keeper_supervisor *s = &k->sup;
	int64_t delay = 0;
	unsigned int i;

	if (was_killed)
		return s->ready ? 0 : DELAY_MIN_MS;
	if (s->ready && lasted >= LIFE_OLD_MS)
		s->young_deaths = 0;
	for (i = 0; i < s->young_deaths && delay < DELAY_MAX_MS; i++)
		delay = delay == 0 ? DELAY_MIN_MS : delay * 2;
	s->young_deaths++;
	return delay > DELAY_MAX_MS ? DELAY_MAX_MS : delay;
}

static void
write_obituary(struct keeper *k, const siginfo_t *si, int64_t lasted)
{
	struct keeper_supervisor *s = &k->sup;
	int exited = si->si_code == CLD_EXITED;

	if (s->kill_at != 0)
		s->obituary = OBITUARY_HUNG;
	else
		s->obituary = exited ? OBITUARY_EXITED : OBITUARY_SIGNALLED;
	s->obituary_status = si->si_status;
	if (k->stop == STOP_KILL)
		return;
	log_error("supervisor %d %s %d%s%s after %lld.%03lld s", (int)s->pid,
	    exited ? "exited with status" : "was killed by signal",
	    si->si_status, si->si_code == CLD_DUMPED ? " (core dumped)" : "",
	    s->kill_at != 0 ? ", having hung," : "", (long long)lasted / 1000,
	    (long long)lasted % 1000);
}

void
life_check_death(struct keeper *k)
{
	struct keeper_supervisor *s = &k->sup;
	siginfo_t si = {.si_pid = 0};
	int64_t now, lasted, delay;

	if (s->pid == 0 ||
	    waitid(P_PID, (id_t)s->pid, &si, WEXITED | WNOHANG | WNOWAIT) ==
		-1 ||
	    si.si_pid == 0)
		return;
	/* What it said before it died still counts. */
	while (receive_one(k) != 0)
		;
	waitid(P_PID, (id_t)s->pid, &si, WEXITED | WNOHANG);
	now = sys_now_ms();
	lasted = now - s->started;
	write_obituary(k, &si, lasted);
	delay = next_delay(k,
	    si.si_code == CLD_KILLED && si.si_status == SIGKILL &&
		s->kill_at == 0,
	    lasted);
	if (delay > 0 && k->stop != STOP_KILL)
		log_warn("next supervisor in %lld ms", (long long)delay);
	s->start_at = now + delay;
	life_forget(k);
	k->pending |= s->signals_sent;
	s->signals_sent = 0;
	s->exit_sent = 0;
	k->orphaned_since = now;
	stop_unconfirm(k);
}

static int
overdue(int64_t since, int64_t limit, int64_t now)
{
	return since != 0 && now - since >= limit;
}

static void
end_hung(struct keeper *k, int64_t now)
{
	struct keeper_supervisor *s = &k->sup;

	log_error("supervisor %d does not answer, ending it", (int)s->pid);
	/* A stopped process feels ABRT only once it runs. */
	kill(s->pid, SIGABRT);
	kill(s->pid, SIGCONT);
	s->kill_at = now + LIFE_ABRT_MS;
}

void
life_check_answers(struct keeper *k, int64_t now)
{
	struct keeper_supervisor *s = &k->sup;
	struct keeper_msg ping = {.type = KM_PING};

	if (s->pid == 0)
		return;
	if (s->kill_at != 0) {
		if (now >= s->kill_at) {
			kill(s->pid, SIGKILL);
			s->kill_at = now + LIFE_ABRT_MS;
		}
		return;
	}
	if (overdue(s->exit_sent_at, LIFE_ANSWER_MS, now) ||
	    overdue(s->signals_sent_at, LIFE_ANSWER_MS, now) ||
	    (k->watchdog > 0 && overdue(s->ping_sent_at, k->watchdog, now))) {
		end_hung(k, now);
		return;
	}
	if (s->next_ping != 0 && now >= s->next_ping) {
		if (s->ping_sent_at == 0 && life_send(k, &ping, -1) == 0)
			s->ping_sent_at = now;
		s->next_ping = now + k->watchdog;
	}
}

static int64_t
earlier(int64_t a, int64_t since, int64_t after)
{
	if (since == 0)
		return a;
	return a == 0 || since + after < a ? since + after : a;
}

int64_t
life_deadline(const struct keeper *k)
{
	const struct keeper_supervisor *s = &k->sup;
	int64_t d = 0;

	if (s->pid == 0)
		return s->start_at;
	if (s->kill_at != 0)
		return s->kill_at;
	d = earlier(d, s->exit_sent_at, LIFE_ANSWER_MS);
	d = earlier(d, s->signals_sent_at, LIFE_ANSWER_MS);
	if (k->watchdog > 0)
		d = earlier(d, s->ping_sent_at, k->watchdog);
	return earlier(d, s->next_ping, 0);
}
