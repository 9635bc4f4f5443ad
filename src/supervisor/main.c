/*
 * main: how a supervisor comes to life, first or as a successor, and what the
 * keeper tells it.
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/sys.h"
#include "supervisor/adopted.h"
#include "supervisor/channel.h"
#include "supervisor/child.h"
#include "supervisor/control.h"
#include "supervisor/readiness.h"
#include "supervisor/reattach.h"
#include "supervisor/reload.h"
#include "supervisor/stored.h"
#include "supervisor/supervisor.h"
#include "supervisor/trace.h"

#define KEEPER_BATCH 32 /* messages read in one turn of the loop, */
#define KEEPER_MS 1     /* for which it has so long */
#define STATE_RETRY_MS 1000
#define LARGE_BYTES (128 * 1024)

/* Not before it is recorded: a successor must be told again. At the end of the
 * fleet there is nothing to be remembered any more. */
static void
acknowledge(struct supervisor *s, int pid)
{
	if (!state_behind(&s->state) || s->stopping ||
	    s->nwithheld == KEEPER_EXITS_MAX)
		link_ack(&s->link, pid);
	else
		s->withheld[s->nwithheld++] = pid;
}

/* Or says that the keeper has to wait for it: that is no hanging. */
static void
acknowledge_withheld(struct supervisor *s)
{
	struct keeper_msg alive = {.type = KM_PONG};

	if (s->nwithheld == 0)
		return;
	if (state_behind(&s->state) && !s->stopping) {
		link_send(&s->link, &alive, -1);
		return;
	}
	while (s->nwithheld > 0)
		link_ack(&s->link, s->withheld[--s->nwithheld]);
	link_flush(&s->link);
}

/* Recorded first, then acknowledged. Whoever we do not know is an orphan, once
 * every birth that was announced has been read. */
static void
on_exit_msg(struct supervisor *s, const struct keeper_msg *m)
{
	struct worker *w;
	struct death d = {.at = loop_now(s->loop),
	    .at_rt = loop_realtime(s->loop),
	    .pid = m->pid,
	    .code = -1};

	births_read(&s->births);
	if (m->code == CLD_EXITED)
		d.code = m->status;
	else
		d.signal = m->status;
	d.core = m->code == CLD_DUMPED;
	w = roster_by_pid(&s->roster, m->pid);
	if (w != NULL)
		worker_ended(w, m->pid, &d);
	else
		floors_spare_ended(s, m->pid, &d);
	acknowledge(s, m->pid);
	supervisor_wake(s);
	if (!s->resumed)
		supervisor_births_changed(s);
}

/* Init mode: what COMMAND cannot hear yet waits for its birth, unanswered: the
 * keeper would tell a successor of ours again. */
static void
pass_on_signals(struct supervisor *s)
{
	struct keeper_msg answer = {
	    .type = KM_SIGNALLED, .mask = s->init_signals};
	struct worker *w = s->roster.list[0];
	struct err e;
	int sig;

	if (s->init_signals == 0 || !s->resumed ||
	    w->rec.state == WS_STARTING || w->rec.state == WS_BACKOFF)
		return;
	for (sig = 1; sig <= 64; sig++)
		if (s->init_signals & SIG_BIT(sig))
			worker_signal(w, sig, &e);
	s->init_signals = 0;
	link_send(&s->link, &answer, -1);
}

static void
on_signal_msg(struct supervisor *s, const struct keeper_msg *m)
{
	struct keeper_msg answer = {.type = KM_SIGNALLED, .mask = m->mask};

	if (s->init_mode) {
		s->init_signals |= m->mask;
		pass_on_signals(s);
		return;
	}
	if (m->mask & SIG_BIT(SIGTERM))
		supervisor_stop(s, 1, 0);
	if (m->mask & SIG_BIT(SIGUSR1))
		output_reopen(s);
	if (m->mask & SIG_BIT(SIGHUP))
		reload_by_signal(s);
	link_send(&s->link, &answer, -1);
}

/* Are we a new svd's supervisor, whose keeper is still the old one, and may
 * take back its own? */
static int
is_on_trial(const struct supervisor *s)
{
	return s->link.upgrade.state == UPGRADED_ON_TRIAL;
}

/* Nobody who is older than we are can take our place, now at least: serves the
 * control socket, and writes the journal in our own way. */
static int
settle_in(struct supervisor *s, struct err *e)
{
	int fd = link_take(&s->link, "control");

	state_renew(&s->state);
	channels_listen(s);
	if (fd == -1)
		return 0; /* init mode without a runtime directory */
	s->control = control_new(s, fd);
	if (s->control == NULL)
		return err_sys(e, errno, "control socket");
	notify_listen(s);
	return 0;
}

static void
on_upgraded_msg(struct supervisor *s)
{
	struct err e;

	if (is_on_trial(s))
		return;
	if (s->control == NULL && settle_in(s, &e) == -1) {
		log_error("%s", e.text);
		_exit(1); /* the next one tries again */
	}
	control_wake(s->control);
}

static void
obey_keeper(struct supervisor *s, const struct keeper_msg *m)
{
	struct keeper_msg pong = {.type = KM_PONG};

	switch (m->type) {
	case KM_EXIT:
		on_exit_msg(s, m);
		break;
	case KM_SIGNAL:
		on_signal_msg(s, m);
		break;
	case KM_PING:
		link_send(&s->link, &pong, -1);
		break;
	case KM_UPGRADED:
		on_upgraded_msg(s);
		break;
	default:
		log_warn("keeper's message %d is unknown", (int)m->type);
	}
}

static void
keeper_cb(struct loop_io *io, int events)
{
	unsigned char packet[KEEPER_PACKET_MAX];
	struct supervisor *s = io->arg;
	int64_t begun = loop_now(s->loop);
	struct keeper_msg m;
	int i, rc = 0;

	(void)events;
	for (i = 0; i < KEEPER_BATCH; i++) {
		rc = link_receive(&s->link, packet, &m);
		if (rc != 1)
			break;
		obey_keeper(s, &m);
		if (loop_now(s->loop) - begun >= KEEPER_MS)
			break;
	}
	if (rc == -1) {
		log_error("the keeper is gone");
		_exit(1);
	}
}

static void
spawn_cb(struct loop_timer *t)
{
	struct supervisor *s = t->arg;

	supervisor_spawn_turn(s);
	if (s->init_signals != 0)
		pass_on_signals(s);
}

/* The journal is looked after once in a while, not within a step. */
static void
state_cb(struct loop_timer *t)
{
	struct supervisor *s = t->arg;

	state_maintain(&s->state);
	acknowledge_withheld(s);
	supervisor_wake(s); /* births that waited for it */
	if (state_degraded(&s->state))
		loop_timer_start(t, STATE_RETRY_MS);
}

static void
dump_cb(struct state *st, void *arg)
{
	struct supervisor *s = arg;
	struct worker *w;
	size_t i;

	ROSTER_EACH (&s->roster, i, w)
		if (worker_known(w))
			worker_dump(w, st);
}

static void
hold_state(struct state *st, void *arg)
{
	struct supervisor *s = arg;

	link_hold(&s->link, "state", st->fd);
}

static void
grown_cb(struct state *st, void *arg)
{
	struct supervisor *s = arg;

	/* At the end a few records a worker are all that will come. */
	if (s->stopping && !state_degraded(st))
		return;
	if (!s->state_retry.active)
		loop_timer_start(
		    &s->state_retry, state_degraded(st) ? STATE_RETRY_MS : 0);
}

/* One that has left the fleet file, but not yet the fleet. NULL: what is said
 * of it is of no use any more. */
static struct worker *
adopt_leaving(struct supervisor *s, const char *id, int adopted)
{
	struct worker_conf *conf;
	struct worker *w;
	uint64_t number;

	conf = snapshot_find_old(s, id, &number);
	if (conf == NULL && adopted)
		conf = snapshot_invent(s, id, &number);
	if (conf == NULL)
		return NULL;
	w = worker_new(s, conf);
	if (w == NULL) {
		worker_conf_release(conf);
		free(conf);
		return NULL;
	}
	w->snapshot = number;
	w->place = SIZE_MAX;
	if (roster_add(&s->roster, w) == 0)
		return w;
	worker_free(w);
	return NULL;
}

/* What comes behind this is of another worker by the same id. */
static void
replay_gone(struct supervisor *s, const char *id)
{
	struct worker *w = roster_by_id(&s->roster, id);

	if (w == NULL)
		return;
	history_release(&w->history);
	w->rec = (struct worker_record){0};
	worker_conf_id(w->conf, w->rec.name);
	roster_note(&s->roster, w);
}

/* Only now is it certain who was leaving, and has not left. */
static void
end_replay(struct supervisor *s)
{
	struct worker *w;
	size_t i;

	for (i = s->roster.n; i > 0; i--) {
		w = s->roster.list[i - 1];
		if (w->snapshot == 0 || worker_known(w))
			continue;
		roster_remove(&s->roster, w);
		snapshot_leave(s, w->snapshot);
		worker_free(w);
	}
	snapshots_tidy(s);
}

static void
replay_cb(const struct record *r, void *arg)
{
	struct supervisor *s = arg;
	const char *id =
	    r->kind == RECORD_DEATH ? r->u.history.name : r->u.worker.name;
	struct worker *w;

	if (r->kind == RECORD_GONE) {
		replay_gone(s, r->u.gone.name);
		return;
	}
	w = roster_by_id(&s->roster, id);
	if (w == NULL)
		w = adopt_leaving(s, id,
		    s->former != -1 ||
			(r->kind == RECORD_WORKER && r->u.worker.adopted));
	if (w == NULL)
		return;
	if (r->kind == RECORD_DEATH)
		worker_remember(w, &r->u.history.death);
	else
		worker_replay(w, &r->u.worker);
}

/* One worker, essential, without anything of its own. */
static int
command_fleet(struct supervisor *s, char **command, struct err *e)
{
	static char *no_environment[] = {NULL};
	struct worker_conf *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return err_sys(e, ENOMEM, "fleet");
	snprintf(s->fleet.name, sizeof(s->fleet.name), "init");
	snprintf(c->name, sizeof(c->name), "command");
	snprintf(c->group_name, sizeof(c->group_name), "command");
	c->numprocs = 1;
	c->argv = command;
	c->autostart = c->essential = 1;
	c->restart = RESTART_NO;
	c->environment = no_environment;
	c->umask = SET_UP_UMASK_LEAVE;
	c->std_in.kind = c->std_out.kind = c->std_err.kind = STREAM_INHERIT;
	c->stop_signal = SIGTERM;
	c->stop_timeout = 15000;
	c->restart_interval = 60000;
	c->success.code[0] = 1;
	s->fleet.workers = c;
	s->fleet.nworkers = 1;
	return 0;
}

/* Each one's stanza becomes its own. */
static int
make_workers(struct supervisor *s, struct err *e)
{
	struct fleet *f = &s->fleet;
	struct worker_conf *conf;
	struct worker *w;
	size_t i;

	for (i = 0; i < f->nworkers; i++) {
		conf = worker_conf_take(&f->workers[i]);
		w = conf == NULL ? NULL : worker_new(s, conf);
		if (w == NULL || roster_add(&s->roster, w) == -1)
			return err_sys(e, ENOMEM, "workers");
		w->place = i;
	}
	free(f->workers);
	f->workers = NULL;
	f->nworkers = 0;
	return 0;
}

/* Workers get back the soft limit that svd was started with. */
static void
raise_nofile(struct rlimit *before)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, before) == -1)
		return;
	l = *before;
	l.rlim_cur = l.rlim_max;
	setrlimit(RLIMIT_NOFILE, &l);
}

static int
open_state(struct supervisor *s, struct err *e)
{
	struct fleet_record header;

	reattach_replay(s, replay_cb);
	state_fill_header(&header, s->fleet.name, s->link.epoch);
	s->state = (struct state){.fd = -1,
	    .dump = dump_cb,
	    .changed_fd = hold_state,
	    .grown = grown_cb,
	    .arg = s};
	if (state_open(&s->state, link_take(&s->link, "state"), s->runtime_dir,
		&header, replay_cb, e) == -1)
		return -1;
	end_replay(s);
	reattach_adopt(s);
	return 0;
}

static void
use_runtime_dir(struct supervisor *s)
{
	struct err e;

	s->lock = link_take(&s->link, "lock");
	s->spawner.lock = &s->lock;
	spawner_open_notes(&s->spawner, s->runtime_dir);
	if (s->runtime_dir != NULL &&
	    runtime_path(s->socket, sizeof(s->socket), s->runtime_dir,
		RUNTIME_CONTROL, &e) == 0)
		s->spawner.socket = s->socket;
}

static void
adopt_held(struct supervisor *s)
{
	floors_adopt(s);
	trace_adopt(s);
	channels_adopt(s);
	readiness_adopt(s);
	output_init(s);
	input_init(s);
	notify_adopt(s);
	stored_adopt(s);
	spawner_settle(&s->spawner);
}

static int
init(struct supervisor *s, const struct supervisor_options *o, struct err *e)
{
	s->runtime_dir = o->runtime_dir;
	s->init_mode = o->fleet_path == NULL;
	s->program = -1;
	TAILQ_INIT(&s->spawns);
	LIST_INIT(&s->floors);
	raise_nofile(&s->spawner.nofile);
	if (link_open(&s->link, o->keeper_fd, e) == -1)
		return -1;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != s->link.keeper_pid)
		return err_set(e, "the keeper is gone");
	if ((s->init_mode ? command_fleet(s, o->command, e)
			  : snapshots_init(s, o->fleet_path, e)) == -1)
		return -1;
	s->loop = loop_new();
	if (s->loop == NULL)
		return err_sys(e, ENOMEM, "event loop");
	bulletin_init(s);
	loop_timer_init(s->loop, &s->spawn_turn, spawn_cb, s);
	sweep_init(s);
	TAILQ_INIT(&s->dumps_waiting);
	loop_timer_init(s->loop, &s->state_retry, state_cb, s);
	s->spawner.init_mode = s->init_mode;
	s->spawner.fleet_name = s->fleet.name;
	use_runtime_dir(s);
	if (make_workers(s, e) == -1 || open_state(s, e) == -1 ||
	    births_init(&s->births, s, o->birth_read_fd, e) == -1 ||
	    spawner_init(&s->spawner, s->link.keeper_pid, o->birth_read_fd,
		o->birth_write_fd, e) == -1)
		return -1;
	adopt_held(s);
	/* Who is on trial leaves all as the one before would have it. */
	return is_on_trial(s) ? 0 : settle_in(s, e);
}

static void
report_for_duty(struct supervisor *s)
{
	struct keeper_msg ready = {.type = KM_READY};
	struct worker *w;
	size_t i;

	ROSTER_EACH (&s->roster, i, w) {
		if (w->rec.pid != 0 && !adopted_is(w))
			link_born(&s->link, w->rec.pid);
		if (w->rec.stop_pid != 0)
			link_born(&s->link, w->rec.stop_pid);
		if (w->rec.ready_pid != 0)
			link_born(&s->link, w->rec.ready_pid);
	}
	supervisor_send_limits(s);
	link_send(&s->link, &ready, -1);
}

/* A first supervisor that cannot start ends the fleet; a successor's place is
 * taken by the next. */
static int
give_up(struct supervisor *s, const struct err *e)
{
	struct keeper_msg m = {.type = KM_STOPPING, .code = 1};

	log_error("%s", e->text);
	if (s->link.life == 1) {
		link_send(&s->link, &m, -1);
		m.type = KM_QUIT;
		link_send(&s->link, &m, -1);
	}
	return 1;
}

int
supervisor_main(const struct supervisor_options *o)
{
	static struct supervisor s;
	struct err e;

	log_init("supervisor", (enum log_level)o->log_level);
	sys_short_turns(1);
	/* What is large is had for a moment; of itself malloc() would learn to
	 * keep it. */
	mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
	sys_signals_default(SIG_ALL);
	sys_signals_ignore(CHILD_SIGNALS_UNDONE);
	sys_sigmask(0);
	if (init(&s, o, &e) == -1)
		return give_up(&s, &e);
	loop_io_init(s.loop, &s.keeper_io, s.link.sock, keeper_cb, &s);
	loop_io_set(&s.keeper_io, LOOP_READ);
	births_read(&s.births);
	report_for_duty(&s);
	supervisor_births_changed(&s);
	loop_run(s.loop);
	return 0;
}
