/* aside: see aside.h. */
#include "supervisor/aside.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "base/proctree.h"
#include "core/backoff.h"
#include "supervisor/readiness.h"
#include "supervisor/supervisor.h"

static uint64_t *
token_of(struct worker_record *r, enum aside a)
{
	return a == ASIDE_STOP ? &r->stop_token : &r->ready_token;
}

static int *
pid_of(struct worker_record *r, enum aside a)
{
	return a == ASIDE_STOP ? &r->stop_pid : &r->ready_pid;
}

enum aside
aside_by_token(const struct worker *w, uint64_t token)
{
	if (token != 0 && token == w->rec.stop_token)
		return ASIDE_STOP;
	return token != 0 && token == w->rec.ready_token ? ASIDE_READY
	                                                 : ASIDE_NONE;
}

enum aside
aside_by_pid(const struct worker *w, int pid)
{
	if (pid != 0 && pid == w->rec.stop_pid)
		return ASIDE_STOP;
	return pid != 0 && pid == w->rec.ready_pid ? ASIDE_READY : ASIDE_NONE;
}

int
aside_pid(const struct worker *w, enum aside a)
{
	return a == ASIDE_STOP ? w->rec.stop_pid : w->rec.ready_pid;
}

char **
aside_argv(const struct worker *w, enum aside a)
{
	return a == ASIDE_STOP ? w->conf->stop_command : w->conf->ready.argv;
}

int
aside_spawn(struct worker *w, enum aside a, struct err *e)
{
	struct spawn_request r = {.conf = w->conf,
	    .argv = aside_argv(w, a),
	    .generation = w->rec.generation,
	    .main_pid = w->rec.pid};
	uint64_t *token = token_of(&w->rec, a);
	struct identity id;
	pid_t pid;

	if (state_reserve(&w->sup->state) == -1)
		return err_sys(e, errno, "cannot record its birth");
	*token = supervisor_new_token(w->sup);
	worker_record(w);
	r.token = *token;
	if (worker_make_process(w, &r, &pid, &id, e) == -1) {
		*token = 0;
		return -1;
	}
	worker_born(w, *token, pid, &id);
	births_read(&w->sup->births);
	return 0;
}

int
aside_born(struct worker *w, enum aside a, int pid)
{
	if (*pid_of(&w->rec, a) != 0)
		return 0;
	*pid_of(&w->rec, a) = pid;
	worker_record(w);
	return 1;
}

void
aside_set_up_failed(struct worker *w, enum aside a, const char *fault)
{
	if (a == ASIDE_STOP)
		log_error("%s: stop_command: %s", w->conf->name, fault);
	else
		readiness_command_failed(w, fault);
}

static void
stop_ended(struct worker *w, const struct death *d)
{
	char text[RECORD_FAULT_MAX];

	if (d->code == 0)
		return;
	/* Then the ordinary way. Sent before it is recorded: twice does less
	 * harm than never. */
	log_warn("%s: stop_command: %s", w->conf->name,
	    death_describe(d, text, sizeof(text)));
	if (w->rec.state == WS_STOPPING && w->rec.pid != 0)
		worker_send_stop_signal(w);
}

/* Of what a stop_command leaves, only its session is known to be its own: the
 * main process may live on. What is asked each second is not worth that. */
void
aside_ended(struct worker *w, enum aside a, const struct death *d)
{
	int pid = aside_pid(w, a);

	if (a == ASIDE_STOP) {
		worker_end_left_over(w, pid);
		stop_ended(w, d);
	} else
		kill(-pid, SIGKILL);
	*pid_of(&w->rec, a) = 0;
	*token_of(&w->rec, a) = 0;
	/* One record says that it has ended, and what came of it. */
	if (a != ASIDE_READY || !readiness_command_ended(w, d))
		worker_record(w);
}

void
aside_kill(struct worker *w, enum aside a)
{
	if (aside_pid(w, a) != 0)
		proctree_kill(aside_pid(w, a));
}
