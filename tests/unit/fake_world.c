/*
 * fake_world: a world of one's own for the supervisor: time that passes only
 * when nothing else is left to do, processes that are rows of a table, a keeper
 * that holds what it was given, and a death of the supervisor itself at any
 * moment one names. To be included by a suite: it replaces loop, link, spawn,
 * state, control, proctree, log and kill(2).
 *
 * A moment is the instant before or after something that a successor could
 * see. The world is shared memory, so that it outlives a life that a suite runs
 * in a process of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/proctree.h"
#include "base/sys.h"
#include "ipc/chan.h"
#include "ipc/proto_birth.h"
#include "supervisor/control.h"
#include "supervisor/probe.h"
#include "supervisor/supervisor.h"
#include "fake_control.c"
#include "fake_dump.c"
#include "fake_log.c"

#define WORLD_PROCESSES 64
#define WORLD_JOURNAL 1024
#define WORLD_TRACE 2048
#define WORLD_LIVES 8
#define WORLD_TIMERS 16
#define WORLD_IOS (WORLD_LIVES + 8)
#define WORLD_OLD 8
#define WORLD_FIRST_PID 5000000 /* over PID_MAX_LIMIT: never a real one */
#define WORLD_LINK_FD (-2)
#define WORLD_CRASHED 42 /* exit status of a life that ended at its moment */
#define NEVER INT64_MAX

/* What a new process will do; the defaults: live for ever, die of any
 * signal. */
struct fate {
	int unborn;       /* errno of the fork */
	int stage, fault; /* set-up fails there with this errno */
	int slow;         /* its set-up says more than one packet */
	int64_t lives;    /* ms, then it exits with code; 0: for ever */
	int code;
	int ignores;   /* signal it takes no notice of */
	int64_t ready; /* ms, then who asks at its address is answered; 0:
	                  never */
	int ends_main; /* a stop_command: as it ends, so does the worker */
};

struct process {
	int pid, worker, is_aside, alive, acked;
	int told; /* the life of the supervisor that knows of its death */
	int code, signal; /* once dead */
	int64_t dies_at, ready_at;
	uint64_t generation;
	struct fate fate;
};

struct world {
	int64_t now;
	struct process processes[WORLD_PROCESSES];
	int nprocesses, ndead;
	int deaths[WORLD_PROCESSES]; /* in order, indices of processes */
	struct record journal[WORLD_JOURNAL];
	int njournal;
	char trace[WORLD_TRACE][48];
	int ntrace;
	int moments, crash_at;
	/* the keeper */
	int life, births[WORLD_LIVES + 1], dropped[WORLD_LIVES + 1];
	int stopping, quit;
	uint64_t pending, signals_sent;
	/* fleet files: each is a number, which is what its memfd holds */
	int disk, fleet, nold;
	struct {
		char name[KEEPER_NAME_MAX + 1];
		int file;
	} old[WORLD_OLD];
	/* commands, see test_crash.c */
	int ncommands_done, in_command;
};

static struct world *world;
/* How the suite decides a birth's fate. */
static struct fate (*world_fate)(const struct spawn_request *r);
static struct supervisor *world_supervisor;

static void
world_new(void)
{
	world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (world == MAP_FAILED)
		abort();
	world->now = 1000000;
	world->crash_at = -1;
}

static void
world_free(void)
{
	munmap(world, sizeof(*world));
}

static void
moment(void)
{
	if (world->moments++ == world->crash_at)
		_exit(WORLD_CRASHED);
}

static void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void
note(const char *fmt, ...)
{
	va_list ap;

	if (world->ntrace == WORLD_TRACE)
		abort();
	va_start(ap, fmt);
	vsnprintf(
	    world->trace[world->ntrace++], sizeof(world->trace[0]), fmt, ap);
	va_end(ap);
}

/* --- processes --- */

static struct process *
find_process(int pid)
{
	int n = pid - WORLD_FIRST_PID;

	return n >= 0 && n < world->nprocesses ? &world->processes[n] : NULL;
}

static struct process *
main_process(int worker)
{
	int i;

	for (i = 0; i < world->nprocesses; i++)
		if (world->processes[i].alive &&
		    world->processes[i].worker == worker &&
		    !world->processes[i].is_aside)
			return &world->processes[i];
	return NULL;
}

static void
die(struct process *p, int code, int sig)
{
	struct process *other;

	p->alive = 0;
	p->code = sig != 0 ? -1 : code;
	p->signal = sig;
	world->deaths[world->ndead++] = (int)(p - world->processes);
	other = p->fate.ends_main ? main_process(p->worker) : NULL;
	if (other != NULL)
		die(other, 0, 0);
}

/* The one whose time comes next, NULL: all live for ever. */
static struct process *
next_to_die(void)
{
	struct process *next = NULL, *p;
	int i;

	for (i = 0; i < world->nprocesses; i++) {
		p = &world->processes[i];
		if (p->alive && p->dies_at != NEVER &&
		    (next == NULL || p->dies_at < next->dies_at))
			next = p;
	}
	return next;
}

/* In place of the C library's. */
int
kill(pid_t pid, int sig)
{
	struct process *p = find_process(pid < 0 ? -pid : pid);

	if (p == NULL)
		return (int)syscall(SYS_kill, pid, sig);
	moment();
	note("kill %s%d %d", pid < 0 ? "group " : "", p->pid, sig);
	if (p->alive && sig != SIGCONT && sig != p->fate.ignores)
		die(p, 0, sig);
	moment();
	return 0;
}

int
proctree_kill(pid_t pid)
{
	struct process *p = find_process(pid);

	moment();
	note("tree %d", (int)pid);
	if (p != NULL && p->alive)
		die(p, 0, SIGKILL);
	moment();
	return 1;
}

int
proctree_kill_proven(pid_t pid, int pidfd)
{
	(void)pidfd;
	return proctree_kill(pid);
}

int
proctree_kill_all(int (*wanted)(pid_t pid, void *arg), void *arg)
{
	(void)wanted;
	(void)arg;
	return 0;
}

int
proctree_kill_children(
    pid_t parent, int adopted, int (*wanted)(pid_t pid, void *arg), void *arg)
{
	(void)parent;
	(void)adopted;
	(void)wanted;
	(void)arg;
	return 0;
}

/* --- sweep --- */

void
sweep_add(struct supervisor *s, int sid, const struct worker *w)
{
	(void)s;
	(void)w;
	note("session %d", sid);
}

void
sweep_add_adopted(struct supervisor *s, int sid, const struct worker *w)
{
	sweep_add(s, sid, w);
}

int
sweep_is_of(const struct worker *w, int pid)
{
	(void)w;
	(void)pid;
	return 0;
}

int
sweep_run(struct supervisor *s)
{
	(void)s;
	return 0;
}

void
sweep_init(struct supervisor *s)
{
	(void)s;
}

void
sweep_siblings(struct supervisor *s)
{
	(void)s;
}

void
sweep_siblings_later(struct supervisor *s)
{
	(void)s;
}

/* --- spawn --- */

void
spawner_open_notes(struct spawner *sp, const char *dir)
{
	(void)dir;
	sp->notes = -1;
}

void
spawner_forget_notes(struct spawner *sp)
{
	(void)sp;
}

void
spawner_settle(struct spawner *sp)
{
	(void)sp;
}

int
spawner_init(struct spawner *sp, pid_t keeper, int birth_read, int birth_write,
    struct err *e)
{
	(void)e;
	sp->keeper = keeper;
	sp->birth_read = birth_read;
	sp->birth_write = birth_write;
	return 0;
}

static void
announce(const struct spawner *sp, const struct spawn_request *r, int pid,
    int stage, int error)
{
	struct birth b = {.token = r->token,
	    .pid = pid,
	    .stage = (uint16_t)stage,
	    .error = error};
	unsigned char packet[BIRTH_PACKET_BYTES];

	birth_encode(&b, packet);
	send(sp->birth_write, packet, sizeof(packet), MSG_NOSIGNAL);
}

/* Which worker it is: a number for each name that suites use. */
static int
index_of(const struct worker_conf *c)
{
	return c->name[0];
}

int
spawn_process(struct spawner *sp, const struct spawn_request *r, pid_t *pid,
    struct identity *id, struct err *e)
{
	struct fate f = world_fate == NULL ? (struct fate){0} : world_fate(r);
	struct process *p = &world->processes[world->nprocesses];

	moment();
	*id = (struct identity){0};
	if (f.unborn != 0) {
		note("unborn %llu", (unsigned long long)r->generation);
		moment();
		return err_sys(e, f.unborn, "fork");
	}
	*p = (struct process){.pid = WORLD_FIRST_PID + world->nprocesses,
	    .worker = index_of(r->conf),
	    .is_aside = r->main_pid != 0,
	    .alive = 1,
	    .dies_at = f.lives == 0 ? NEVER : world->now + f.lives,
	    .ready_at = f.ready == 0 ? NEVER : world->now + f.ready,
	    .generation = r->generation,
	    .fate = f};
	/* Two lives of one worker at once: what must never be. */
	if (!p->is_aside && main_process(p->worker) != NULL)
		abort();
	note("%s %llu",
	    !p->is_aside                       ? "spawn"
	    : r->argv == r->conf->stop_command ? "stop_command"
					       : "ready_command",
	    (unsigned long long)r->generation);
	world->nprocesses++;
	announce(sp, r, p->pid, BIRTH_BORN, 0);
	if (f.slow) {
		announce(sp, r, p->pid, BIRTH_DIRECTORY, 0);
		announce(sp, r, p->pid, BIRTH_EXEC, 0);
	}
	if (f.fault != 0) {
		announce(sp, r, p->pid, f.stage, f.fault);
		die(p, f.fault == ENOENT ? 127 : 126, 0);
	}
	*pid = p->pid;
	moment();
	return 0;
}

/* --- probe: the worker answers from a certain moment on, and is only then
 * asked: so it does not count when that began --- */

static void
answer_cb(struct loop_timer *t)
{
	struct probe *p = t->arg;

	p->done(p, NULL);
}

void
probe_init(struct probe *p, struct loop *l, probe_done_fn *done, void *arg)
{
	*p = (struct probe){.loop = l, .done = done, .arg = arg, .fd = -1};
	loop_timer_init(l, &p->limit, answer_cb, p);
}

void
probe_start(struct probe *p, const struct ready_conf *conf)
{
	const struct process *process = main_process(conf->target[0]);

	if (process == NULL || process->ready_at == NEVER)
		return;
	loop_timer_start(&p->limit, process->ready_at > world->now
					? process->ready_at - world->now
					: 0);
}

void
probe_stop(struct probe *p)
{
	loop_timer_stop(&p->limit);
}

int
probe_http_status(const char *text, size_t len)
{
	(void)text;
	(void)len;
	return -1;
}

/* --- state --- */

void
state_put(struct state *st, const struct record *r)
{
	(void)st;
	moment();
	if (world->njournal == WORLD_JOURNAL)
		abort();
	if (r->kind == RECORD_WORKER)
		note("record %s", worker_state_name(r->u.worker.state));
	world->journal[world->njournal++] = *r;
	/* A command is done once its effect is recorded. */
	if (world->in_command) {
		world->in_command = 0;
		world->ncommands_done++;
	}
	moment();
}

int
state_open(struct state *st, int held, const char *dir,
    const struct fleet_record *header, state_replay_fn *replay, struct err *e)
{
	int i;

	(void)held;
	(void)dir;
	(void)header;
	(void)e;
	for (i = 0; i < world->njournal; i++)
		replay(&world->journal[i], st->arg);
	return 0;
}

void
state_put_ending(struct state *st)
{
	(void)st;
}

int
state_copy(struct state *st, struct err *e)
{
	(void)st;
	(void)e;
	return 0;
}

int
state_replay_former(
    int fd, state_replay_fn *replay, void *arg, int *ending, struct err *e)
{
	(void)ending;
	(void)fd;
	(void)replay;
	(void)arg;
	return err_set(e, "there is none");
}

void
state_close(struct state *st)
{
	(void)st;
}

void
state_maintain(struct state *st)
{
	(void)st;
}

int
state_degraded(const struct state *st)
{
	(void)st;
	return 0;
}

int
state_behind(const struct state *st)
{
	(void)st;
	return 0;
}

int
state_reserve(struct state *st)
{
	(void)st;
	return 0;
}

const char *
state_trouble(const struct state *st)
{
	(void)st;
	return NULL;
}

void
state_renew(struct state *st)
{
	(void)st;
}

void
state_fill_header(struct fleet_record *h, const char *name, uint64_t epoch)
{
	(void)name;
	*h = (struct fleet_record){.schema = RECORD_SCHEMA, .epoch = epoch};
}

/* --- control --- */

struct control {
	int unused;
};

struct control *
control_new(struct supervisor *s, int listener)
{
	static struct control c;

	(void)listener;
	world_supervisor = s;
	return &c;
}

/* --- output: nothing is captured --- */

void
output_init(struct supervisor *s)
{
	(void)s;
}

void
output_finish(struct supervisor *s)
{
	(void)s;
}

void
output_worker_init(struct worker *w)
{
	(void)w;
}

void
output_worker_release(struct worker *w)
{
	(void)w;
}

int
output_open(struct worker *w, int fds[OUTPUT_STREAMS], struct err *e)
{
	(void)w;
	(void)e;
	fds[0] = fds[1] = -1;
	return 0;
}

void
output_close(int fds[OUTPUT_STREAMS])
{
	(void)fds;
}

void
output_forget(struct worker *w)
{
	(void)w;
}

void
output_changed(struct supervisor *s)
{
	(void)s;
}

int64_t
output_table(struct supervisor *s)
{
	(void)s;
	return 0;
}

const char *
output_problem(const struct worker *w)
{
	(void)w;
	return NULL;
}

void
output_reopen(struct supervisor *s)
{
	(void)s;
}

int
output_send_client(struct supervisor *s, const struct pl_msg *m, const int *fds,
    size_t nfds, struct err *e)
{
	(void)s;
	(void)m;
	(void)fds;
	(void)nfds;
	return err_set(e, "there is no logger");
}

/* --- link: the keeper --- */

static void
hold(struct link *l, const char *name, int fd)
{
	struct link_held *h = &l->held[l->nheld++];

	snprintf(h->name, sizeof(h->name), "%s", name);
	h->fd = fd;
}

static int
file_memfd(int file)
{
	int fd = sys_memfd("file");

	if (pwrite(fd, &file, sizeof(file), 0) != sizeof(file))
		abort();
	return fd;
}

static int
file_of(int fd)
{
	int file = 0;

	if (pread(fd, &file, sizeof(file), 0) != sizeof(file))
		abort();
	return file;
}

int
link_open(struct link *l, int sock, struct err *e)
{
	char name[KEEPER_NAME_MAX + 1];
	int i;

	(void)sock;
	(void)e;
	*l = (struct link){.sock = WORLD_LINK_FD,
	    .keeper_pid = getppid(),
	    .epoch = 1,
	    .life = (uint32_t)world->life,
	    .predecessor = world->life > 1 ? OBITUARY_SIGNALLED : OBITUARY_NONE,
	    .predecessor_status = world->life > 1 ? SIGKILL : 0};
	l->held = calloc(WORLD_LIVES + WORLD_OLD + 2, sizeof(*l->held));
	hold(l, "fleet", file_memfd(world->fleet));
	for (i = 0; i < world->nold; i++)
		hold(l, world->old[i].name, file_memfd(world->old[i].file));
	hold(l, "control", open("/dev/null", O_RDONLY | O_CLOEXEC));
	for (i = 1; i < world->life; i++) {
		if (world->dropped[i])
			continue;
		snprintf(name, sizeof(name), "births:%d", i);
		hold(l, name, world->births[i]);
	}
	return 0;
}

void
link_close(struct link *l)
{
	free(l->held);
}

int
link_take(struct link *l, const char *name)
{
	size_t i;

	for (i = 0; i < l->nheld; i++)
		if (strcmp(l->held[i].name, name) == 0) {
			int fd = l->held[i].fd;

			l->held[i].fd = -1;
			return fd;
		}
	return -1;
}

int
link_has(const struct link *l, const char *name)
{
	(void)l;
	(void)name;
	return 0;
}

int
link_keep(struct link *l, const char *name, int fd)
{
	(void)l;
	(void)name;
	close(fd);
	return 0;
}

/* The oldest exit that was not told in this life, although those before it may
 * not be acknowledged; NULL: none. */
static struct process *
next_exit(void)
{
	int i;

	for (i = 0; i < world->ndead; i++)
		if (!world->processes[world->deaths[i]].acked &&
		    world->processes[world->deaths[i]].told != world->life)
			return &world->processes[world->deaths[i]];
	return NULL;
}

static int
keeper_has_news(void)
{
	return next_exit() != NULL ||
	       (world->pending != 0 && world->signals_sent == 0);
}

int
link_receive(struct link *l, unsigned char packet[KEEPER_PACKET_MAX],
    struct keeper_msg *m)
{
	struct process *p;

	(void)l;
	(void)packet;
	if (!keeper_has_news())
		return 0;
	if (world->pending != 0 && world->signals_sent == 0) {
		*m = (struct keeper_msg){
		    .type = KM_SIGNAL, .mask = world->pending};
		world->signals_sent = world->pending;
		world->pending = 0;
		return 1;
	}
	p = next_exit();
	p->told = world->life;
	*m = (struct keeper_msg){.type = KM_EXIT,
	    .pid = p->pid,
	    .code = p->signal != 0 ? CLD_KILLED : CLD_EXITED,
	    .status = p->signal != 0 ? p->signal : p->code};
	return 1;
}

static void
keeper_drops_file(const char *name)
{
	int i = 0;

	while (strcmp(world->old[i].name, name) != 0)
		if (++i == world->nold)
			abort();
	world->old[i] = world->old[--world->nold];
}

static void
keeper_holds_file(const char *name, int file)
{
	note("hold %s", name);
	if (strcmp(name, "fleet") == 0) {
		world->fleet = file;
		/* A reload is done once it is in force. */
		if (world->in_command) {
			world->in_command = 0;
			world->ncommands_done++;
		}
		return;
	}
	if (world->nold == WORLD_OLD)
		abort();
	snprintf(world->old[world->nold].name, sizeof(world->old[0].name), "%s",
	    name);
	world->old[world->nold++].file = file;
}

static void
keeper_obeys(const struct keeper_msg *m)
{
	uint32_t i;

	switch (m->type) {
	case KM_ACK:
		for (i = 0; i < m->npids; i++) {
			note("ack %d", m->pids[i]);
			if (find_process(m->pids[i])->told == world->life)
				find_process(m->pids[i])->acked = 1;
		}
		break;
	case KM_BORN:
		for (i = 0; i < m->npids; i++)
			note("born %d", m->pids[i]);
		break;
	case KM_SIGNALLED:
		world->signals_sent = 0;
		break;
	case KM_STOPPING:
		world->stopping = 1;
		break;
	case KM_QUIT:
		note("quit");
		world->quit = 1;
		break;
	case KM_DROP:
		if (strncmp(m->text, "fleet:", 6) == 0)
			keeper_drops_file(m->text);
		else
			world->dropped[atoi(m->text + strlen("births:"))] = 1;
		break;
	default:
		break;
	}
}

static void
keeper_hears(const struct keeper_msg *m)
{
	moment();
	keeper_obeys(m);
	moment();
}

void
link_send(struct link *l, const struct keeper_msg *m, int fd)
{
	(void)fd;
	link_flush(l);
	keeper_hears(m);
}

void
link_born(struct link *l, int pid)
{
	l->born.type = KM_BORN;
	l->born.pids[l->born.npids++] = pid;
}

void
link_ack(struct link *l, int pid)
{
	l->acks.type = KM_ACK;
	l->acks.pids[l->acks.npids++] = pid;
}

/* What waits is lost with the supervisor, as the real one's is. */
int
link_flush(struct link *l)
{
	struct keeper_msg m = l->born;

	l->born.npids = 0;
	if (m.npids > 0)
		keeper_hears(&m);
	m = l->acks;
	l->acks.npids = 0;
	if (m.npids > 0)
		keeper_hears(&m);
	return 0;
}

void
link_hold(struct link *l, const char *name, int fd)
{
	(void)l;
	if (strncmp(name, "fleet", 5) != 0)
		return;
	moment();
	keeper_holds_file(name, file_of(fd));
	moment();
}

void
link_hold_many(
    struct link *l, const char *const *names, const int *fds, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		link_hold(l, names[i], fds[i]);
}

void
link_drop(struct link *l, const char *name)
{
	struct keeper_msg m = {.type = KM_DROP, .text = name};

	link_send(l, &m, -1);
}

void
link_drop_later(struct link *l, const char *name)
{
	link_drop(l, name);
}

/* --- loop --- */

struct loop {
	struct loop_io *ios[WORLD_IOS];
	struct loop_timer *timers[WORLD_TIMERS];
	int64_t due[WORLD_TIMERS];
	size_t nios, ntimers;
	int stopped;
};

struct loop *
loop_new(void)
{
	static struct loop l;

	l = (struct loop){.nios = 0};
	return &l;
}

void
loop_free(struct loop *l)
{
	(void)l;
}

void
loop_stop(struct loop *l)
{
	l->stopped = 1;
}

int64_t
loop_now(const struct loop *l)
{
	(void)l;
	return world->now;
}

int64_t
loop_realtime(const struct loop *l)
{
	(void)l;
	return world->now + 1700000000000;
}

void
loop_io_init(
    struct loop *l, struct loop_io *io, int fd, loop_io_fn *fn, void *arg)
{
	*io = (struct loop_io){.loop = l, .fn = fn, .arg = arg, .fd = fd};
}

/* In the list while it is watched: its owner may be freed then. */
void
loop_io_first(struct loop_io *io)
{
	(void)io;
}

void
loop_io_set(struct loop_io *io, int events)
{
	struct loop *l = io->loop;
	size_t i;

	if (events != 0 && io->events == 0) {
		if (l->nios == WORLD_IOS)
			abort();
		l->ios[l->nios++] = io;
	}
	if (events == 0 && io->events != 0) {
		for (i = 0; l->ios[i] != io; i++)
			;
		memmove(&l->ios[i], &l->ios[i + 1],
		    (--l->nios - i) * sizeof(l->ios[0]));
	}
	io->events = events;
}

/* A timer is in the list while it runs: its owner may be freed then. */
void
loop_timer_init(
    struct loop *l, struct loop_timer *t, loop_timer_fn *fn, void *arg)
{
	*t = (struct loop_timer){.loop = l, .fn = fn, .arg = arg};
}

void
loop_timer_first(struct loop_timer *t)
{
	(void)t;
}

void
loop_timer_last(struct loop_timer *t)
{
	(void)t;
}

static int64_t *
due(const struct loop_timer *t)
{
	size_t i = 0;

	while (t->loop->timers[i] != t)
		i++;
	return &t->loop->due[i];
}

void
loop_timer_start(struct loop_timer *t, int64_t delay)
{
	struct loop *l = t->loop;

	if (!t->active) {
		if (l->ntimers == WORLD_TIMERS)
			abort();
		l->timers[l->ntimers++] = t;
	}
	t->active = 1;
	*due(t) = world->now + delay;
}

void
loop_timer_stop(struct loop_timer *t)
{
	struct loop *l = t->loop;
	size_t i;

	if (!t->active)
		return;
	t->active = 0;
	i = (size_t)(due(t) - l->due);
	l->ntimers--;
	memmove(&l->timers[i], &l->timers[i + 1],
	    (l->ntimers - i) * sizeof(l->timers[0]));
	memmove(
	    &l->due[i], &l->due[i + 1], (l->ntimers - i) * sizeof(l->due[0]));
}

static struct loop_timer *
next_timer(const struct loop *l)
{
	struct loop_timer *next = NULL;
	size_t i;

	for (i = 0; i < l->ntimers; i++)
		if (l->timers[i]->active &&
		    (next == NULL || l->due[i] < *due(next)))
			next = l->timers[i];
	return next;
}

static int
io_is_ready(const struct loop_io *io)
{
	struct pollfd p = {.fd = io->fd, .events = POLLIN};

	if (io->fd == WORLD_LINK_FD)
		return keeper_has_news();
	return poll(&p, 1, 0) == 1;
}

/* Does one thing that can be done now. 0: there is none. */
static int
loop_turn(struct loop *l)
{
	struct loop_timer *t = next_timer(l);
	struct process *p = next_to_die();
	size_t i;

	if (p != NULL && p->dies_at <= world->now) {
		die(p, p->fate.code, 0);
		return 1;
	}
	for (i = 0; i < l->nios; i++)
		if (l->ios[i]->events != 0 && io_is_ready(l->ios[i])) {
			l->ios[i]->fn(l->ios[i], LOOP_READ);
			return 1;
		}
	if (t == NULL || *due(t) > world->now)
		return 0;
	loop_timer_stop(t);
	t->fn(t);
	return 1;
}

/* When something will next happen by itself; NEVER. */
static int64_t
loop_next(const struct loop *l)
{
	const struct loop_timer *t = next_timer(l);
	const struct process *p = next_to_die();
	int64_t next = NEVER;

	if (t != NULL)
		next = *due(t);
	if (p != NULL && p->dies_at < next)
		next = p->dies_at;
	return next;
}
