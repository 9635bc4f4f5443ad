/* reattach: see reattach.h. */
#include "supervisor/reattach.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/proctree.h"
#include "base/runtime.h"
#include "base/sys.h"
#include "ipc/proto_birth.h"
#include "supervisor/adopted.h"
#include "supervisor/supervisor.h"

#define HELD "reattached" /* the report, held for successors */
#define NOTES_MAX_BYTES (16 << 20)
/* Of a birth that is intended, in place of a former svd's token, which could be
 * one of ours. No supervisor is life 0. */
#define TOKEN_FORMER 1
#define TOLD_STOP 1
/* Of a process of which only the pid is known, and that is no proof: no process
 * was started in this tick. */
#define START_TIME_NONE 1

static const char *const outcome_names[] = {
    [REATTACH_KEPT] = "kept",
    [REATTACH_ADOPTED] = "adopted",
    [REATTACH_GONE] = "gone",
    [REATTACH_REFUSED] = "refused",
};

/* DIR/births. */
struct notes {
	char *text;
	size_t len;
};

static void
notes_read(struct supervisor *s, struct notes *n)
{
	int fd = s->spawner.notes;

	*n = (struct notes){0};
	if (fd != -1 && lseek(fd, 0, SEEK_SET) == 0)
		n->text = fd_read_all(fd, NOTES_MAX_BYTES, &n->len);
}

/* Who was born by this token; 0: nobody. One before may be torn, so at each
 * byte; no other place reads like a note, as it begins with a token and ends
 * with zeros. */
static int
notes_find(const struct notes *n, uint64_t token)
{
	struct birth b;
	size_t at;

	for (at = 0;
	     n->text != NULL && token != 0 && at + BIRTH_PACKET_BYTES <= n->len;
	     at++)
		if (birth_decode((const unsigned char *)n->text + at,
			BIRTH_PACKET_BYTES, &b) == 0 &&
		    b.token == token && b.stage == BIRTH_BORN &&
		    b.parent == 0 && b.detail == 0 && b.error == 0)
			return b.pid;
	return 0;
}

/* What a process that was born, and not yet heard of, is known by: its pid, and
 * that it was given this name and generation. */
static void
find_newborn(struct worker *w, int pid)
{
	struct worker_record *r = &w->rec;
	int pidfd = sys_pidfd_open(pid);

	r->pid = pid;
	r->born = r->since;
	r->restarts += r->automatic ? 1 : 0;
	r->automatic = 0;
	r->id = (struct identity){.start_time = START_TIME_NONE};
	if (pidfd != -1 && sweep_is_of(w, pid))
		identity_take(pid, pidfd, &r->id);
	fd_close(&pidfd);
}

/* Floors end with their svd. The first slot begins anew, with the next
 * generation; which takes over all workers if that was under way. */
static void
rest_slot(struct worker *w)
{
	struct worker_record *r = &w->rec;
	struct worker *first = w->floor->slots[0];

	r->state = WS_STOPPED;
	r->want_up = 0;
	r->token = 0;
	r->deadline = 0;
	r->pid = 0;
	r->id = (struct identity){0};
	r->last.generation = r->generation;
	r->fault[0] = '\0';
	if (r->rolls && first != NULL && first != w) {
		r->rolls = 0;
		first->rec.rolls = 1;
	}
}

/* It is begun anew. */
static void
end_ready_command(struct worker *w, const struct notes *n)
{
	struct worker_record *r = &w->rec;
	int pid =
	    r->ready_pid != 0 ? r->ready_pid : notes_find(n, r->ready_token);
	int pidfd = pid == 0 ? -1 : sys_pidfd_open(pid);

	if (pidfd != -1 && sweep_is_of(w, pid))
		proctree_kill_proven(pid, pidfd);
	fd_close(&pidfd);
	r->ready_token = 0;
	r->ready_pid = 0;
}

/* From a record of theirs to one of ours. */
static void
take_record(struct worker *w, const struct notes *n)
{
	struct worker_record *r = &w->rec;
	int pid;

	r->line = 0;
	pid = r->stop_pid != 0 ? r->stop_pid : notes_find(n, r->stop_token);
	if (pid != 0) {
		r->told = r->told == 0 ? TOLD_STOP : r->told;
		r->stop_left = pid;
	}
	if (r->stop_left != 0)
		adopted_keep_stop(w);
	r->stop_token = 0;
	r->stop_pid = 0;
	end_ready_command(w, n);
	if (w->conf->as_floor != NULL) {
		rest_slot(w);
	} else if (r->pid == 0 && r->token != 0) {
		pid = notes_find(n, r->token);
		r->token = pid == 0 ? TOKEN_FORMER : 0;
		if (pid != 0)
			find_newborn(w, pid);
	} else
		r->token = 0;
	/* Also without a process: what it left may not have been swept, and
	 * there may be one that could not be recorded. */
	r->adopted = w->conf->as_floor == NULL;
	w->unsettled = r->token != 0;
	roster_note(&w->sup->roster, w);
	if (r->pid == 0 && w->conf->as_floor == NULL)
		reattach_note(w, REATTACH_KEPT, worker_state_name(r->state));
}

/* Its fleet was going down, and was not to come back as it was then, with
 * nobody wanted: who still runs goes on as he is told, and then, like all
 * others, as if svd had never been. */
static void
begin_anew(struct worker *w)
{
	struct worker_record *r = &w->rec;

	if (w->conf->as_floor != NULL)
		return;
	if (r->pid != 0) {
		if (r->state == WS_STOPPING)
			r->want_up = w->conf->autostart;
		return;
	}
	history_release(&w->history);
	*r = (struct worker_record){0};
	worker_conf_id(w->conf, r->name);
	w->unsettled = 0;
	roster_note(&w->sup->roster, w);
}

void
reattach_replay(struct supervisor *s, state_replay_fn *replay)
{
	struct notes notes;
	struct worker *w;
	struct err e;
	size_t i;
	int rc, ending = 0;

	s->former = link_take(&s->link, "journal");
	if (s->former == -1 || link_has(&s->link, "state"))
		goto out;
	rc = state_replay_former(s->former, replay, s, &ending, &e);
	if (rc == -1)
		log_error("what an earlier svd left is lost: %s", e.text);
	notes_read(s, &notes);
	ROSTER_EACH (&s->roster, i, w)
		if (worker_known(w)) {
			take_record(w, &notes);
			if (ending)
				begin_anew(w);
		}
	free(notes.text);
out:
	fd_close(&s->former);
}

static json_t *
find_note(const struct supervisor *s, const char *name)
{
	json_t *note;
	size_t i;

	json_array_foreach (s->reattached, i, note) {
		if (strcmp(json_string_value(json_object_get(note, "name")),
			name) == 0)
			return note;
	}
	return NULL;
}

static void
say(const struct worker *w, enum reattach_outcome outcome, const char *text)
{
	static void (*const put[])(const char *fmt, ...) = {
	    [REATTACH_KEPT] = log_debug,
	    [REATTACH_ADOPTED] = log_info,
	    [REATTACH_GONE] = log_warn,
	    [REATTACH_REFUSED] = log_error,
	};

	put[outcome]("%s: %s: %s", w->conf->name, outcome_names[outcome], text);
}

void
reattach_note(struct worker *w, enum reattach_outcome outcome, const char *text)
{
	struct supervisor *s = w->sup;
	const char *name = outcome_names[outcome];
	json_t *note =
	    s->reattached == NULL ? NULL : find_note(s, w->conf->name);

	if (note != NULL &&
	    strcmp(json_string_value(json_object_get(note, "outcome")), name) ==
		0)
		return; /* a predecessor has said so */
	say(w, outcome, text);
	if (s->reattached == NULL)
		s->reattached = json_array();
	if (note == NULL) {
		note = json_object();
		json_array_append_new(s->reattached, note);
	}
	json_object_set_new(note, "name", json_string(w->conf->name));
	json_object_set_new(note, "outcome", json_string(name));
	json_object_set_new(note, "pid", json_integer(w->rec.pid));
	json_object_set_new(note, "reason", json_string(text));
	s->reattach_changed = 1;
}

/* Successors tell the same. */
static void
hold_report(struct supervisor *s)
{
	int fd;

	if (!s->reattach_changed)
		return;
	s->reattach_changed = 0;
	fd = sys_memfd("svd-reattached");
	if (fd != -1 && json_dumpfd(s->reattached, fd, JSON_COMPACT) == 0)
		link_hold(&s->link, HELD, fd);
	fd_close(&fd);
}

static void
take_report(struct supervisor *s)
{
	int fd = link_take(&s->link, HELD);

	if (fd != -1 && s->reattached == NULL && lseek(fd, 0, SEEK_SET) == 0)
		s->reattached = json_loadfd(fd, 0, NULL);
	fd_close(&fd);
}

void
reattach_adopt(struct supervisor *s)
{
	take_report(s);
	adopted_take(s);
	hold_report(s);
	link_drop(&s->link, "journal");
}

json_t *
reattach_again(struct supervisor *s)
{
	struct worker *w;
	size_t i;

	adopted_take(s);
	hold_report(s);
	if (s->resumed)
		adopted_bury(s);
	ROSTER_EACH (&s->roster, i, w)
		if (adopted_is(w))
			worker_explain(w);
	if (s->reattached == NULL)
		s->reattached = json_array();
	return s->reattached;
}
