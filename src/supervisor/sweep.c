/* sweep: see sweep.h. */
#include "supervisor/sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/proctree.h"
#include "base/runtime.h"
#include "conf/grow.h"
#include "supervisor/supervisor.h"

#define ROUNDS_MAX 50           /* looks at those killed; then they are left */
#define ENVIRON_MAX (256 << 10) /* bytes; what is behind is not looked at */
#define SIBLINGS_MS 2

struct search {
	struct supervisor *sup;
	size_t fleet_len; /* of "SVD_FLEET=NAME" and its NUL */
	char fleet[sizeof("SVD_FLEET=") + FLEET_NAME_MAX];
	char socket[sizeof("SVD_SOCKET=") + RUNTIME_SOCKET_MAX];
	int cold; /* for those that are anybody's */
};

static void
add(struct supervisor *s, const struct sweep_dead *d)
{
	struct sweep *sw = &s->sweep;
	struct sweep_dead *dead;

	dead = grow_list(sw->dead, sw->n + 1, &sw->cap, sizeof(*dead));
	if (dead != NULL)
		sw->dead = dead;
	else if (sw->cap == 0)
		return;
	else if (sweep_run(s)) /* those before are killed, if not seen dead */
		sw->n = 0;
	sw->dead[sw->n++] = *d;
	supervisor_wake(s);
}

void
sweep_add(struct supervisor *s, int sid, const struct worker *w)
{
	add(s, &(struct sweep_dead){.sid = sid, .w = w});
}

void
sweep_add_adopted(struct supervisor *s, int sid, const struct worker *w)
{
	add(s, &(struct sweep_dead){.sid = sid, .w = w, .cold = 1});
}

/* The environment that pid was started with; to be freed. */
static char *
read_environ(int pid, size_t *len)
{
	char path[40], *text;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return NULL;
	text = fd_read_all(fd, ENVIRON_MAX, len);
	fd_close(&fd);
	return text;
}

static int
has_entry(const char *text, size_t len, const char *entry, size_t entry_len)
{
	const char *end = text + len;

	for (; text < end; text += strlen(text) + 1)
		if ((size_t)(end - text) >= entry_len &&
		    memcmp(text, entry, entry_len) == 0)
			return 1;
	return 0;
}

/* The environment says the name that its worker had then: of an only instance
 * that is the bare one, whatever it is now. */
static int
names_worker(const struct worker *w, const char *text, size_t len)
{
	char entry[sizeof("SVD_WORKER=") + WORKER_ID_SIZE];
	int n;

	n = snprintf(entry, sizeof(entry), "SVD_WORKER=%s", w->rec.name);
	if (has_entry(text, len, entry, (size_t)n + 1))
		return 1;
	if (w->conf->instance != 0)
		return 0;
	n = snprintf(
	    entry, sizeof(entry), "SVD_WORKER=%s", w->conf->group_name);
	return has_entry(text, len, entry, (size_t)n + 1);
}

static int
names_dead_worker(const struct search *q, const char *text, size_t len)
{
	const struct sweep *sw = &q->sup->sweep;
	size_t i;

	for (i = 0; i < sw->n; i++)
		if (sw->dead[i].cold >= q->cold && sw->dead[i].w != NULL &&
		    sw->dead[i].w->rec.pid == 0 &&
		    names_worker(sw->dead[i].w, text, len))
			return 1;
	return 0;
}

/* A process can say of itself that it is another worker's; it then shares that
 * one's fate, and harms nobody but itself. */
static int
came_from_dead(const struct search *q, int pid)
{
	size_t len = 0;
	char *text;
	int rc;

	text = read_environ(pid, &len);
	rc = text != NULL && has_entry(text, len, q->fleet, q->fleet_len) &&
	     (!q->cold ||
		 has_entry(text, len, q->socket, strlen(q->socket) + 1)) &&
	     names_dead_worker(q, text, len);
	free(text);
	return rc;
}

/* The session that pid is a member of and does not lead; 0: none that a worker
 * may have left. Ours is the one in which svd was started, whoever did that. */
static pid_t
session_of(pid_t pid)
{
	pid_t sid = getsid(pid);

	return sid <= 0 || sid == pid || sid == getsid(0) ? 0 : sid;
}

/* The number of a session is not given to a process as long as it has a member:
 * so a session whose leader is no more is still the one that it was. */
static int
is_leaderless(pid_t sid)
{
	return kill(sid, 0) == -1 && errno == ESRCH;
}

/* The living workers first, as they are most of all: each has a session of its
 * own. Whoever else leads one by its own pid is not of a dead one's, although
 * the number may be the same again. */
static int
is_left_over(pid_t pid, void *arg)
{
	const struct search *q = arg;
	const struct sweep *sw = &q->sup->sweep;
	pid_t sid;
	size_t i;

	if (roster_by_pid(&q->sup->roster, pid) != NULL || pid == getpid() ||
	    floors_know(q->sup, pid))
		return 0;
	sid = session_of(pid);
	for (i = 0; sid != 0 && i < sw->n; i++)
		if (sw->dead[i].sid == sid && sw->dead[i].cold >= q->cold &&
		    (!q->cold || is_leaderless(sid)))
			return 1;
	return !q->sup->init_mode && came_from_dead(q, pid);
}

/* Without memory, siblings live on. */
static void
finish_round(struct sweep *sw)
{
	int *late = grow_list(
	    sw->late, sw->nlate + sw->n, &sw->late_cap, sizeof(*late));
	size_t i;

	if (late != NULL) {
		sw->late = late;
		for (i = 0; i < sw->n; i++)
			late[sw->nlate++] = sw->dead[i].sid;
	}
	sw->n = 0;
	sw->rounds = 0;
}

static int
has_cold(const struct sweep *sw)
{
	size_t i;

	for (i = 0; i < sw->n; i++)
		if (sw->dead[i].cold)
			return 1;
	return 0;
}

static void
prepare_search(struct search *q)
{
	q->fleet_len = (size_t)snprintf(q->fleet, sizeof(q->fleet),
			   "SVD_FLEET=%s", q->sup->fleet.name) +
	               1;
	snprintf(q->socket, sizeof(q->socket), "SVD_SOCKET=%s",
	    q->sup->spawner.socket == NULL ? "" : q->sup->spawner.socket);
}

int
sweep_is_of(const struct worker *w, int pid)
{
	struct search q = {.sup = w->sup};
	char generation[40];
	size_t len = 0;
	char *text;
	int rc;

	prepare_search(&q);
	snprintf(generation, sizeof(generation), "SVD_GENERATION=%llu",
	    (unsigned long long)w->rec.generation);
	text = read_environ(pid, &len);
	rc = text != NULL && has_entry(text, len, q.fleet, q.fleet_len) &&
	     has_entry(text, len, q.socket, strlen(q.socket) + 1) &&
	     has_entry(text, len, generation, strlen(generation) + 1) &&
	     names_worker(w, text, len);
	free(text);
	return rc;
}

int
sweep_run(struct supervisor *s)
{
	struct search q = {.sup = s};
	int n;

	if (s->sweep.n == 0)
		return 0;
	prepare_search(&q);
	n = proctree_kill_children(s->link.keeper_pid, 1, is_left_over, &q);
	if (has_cold(&s->sweep)) {
		q.cold = 1;
		n += proctree_kill_all(is_left_over, &q);
	}
	if (n > 0 && s->sweep.rounds == 0)
		log_info("killed %d process%s that dead workers left", n,
		    n == 1 ? "" : "es");
	if (n > 0 && s->sweep.rounds++ < ROUNDS_MAX)
		return 1;
	if (n > 0)
		log_warn("%d of them do not die", n);
	finish_round(&s->sweep);
	return 0;
}

static int
is_sibling(pid_t pid, void *arg)
{
	const struct supervisor *s = arg;
	const struct sweep *sw = &s->sweep;
	pid_t sid;
	size_t i;

	if (roster_by_pid(&s->roster, pid) != NULL || pid == getpid() ||
	    floors_know(s, pid))
		return 0;
	sid = session_of(pid);
	for (i = 0; sid != 0 && i < sw->nlate; i++)
		if (sw->late[i] == sid)
			return 1;
	return 0;
}

void
sweep_siblings(struct supervisor *s)
{
	int n;

	if (s->sweep.nlate == 0)
		return;
	n = proctree_kill_children(s->link.keeper_pid, 0, is_sibling, s);
	if (n > 0)
		log_info("killed %d sibling%s of dead workers", n,
		    n == 1 ? "" : "s");
	s->sweep.nlate = 0;
}

static void
siblings_cb(struct loop_timer *t)
{
	struct supervisor *s = t->arg;

	if (s->stopping) /* then once, at the end */
		return;
	if (TAILQ_EMPTY(&s->spawns))
		sweep_siblings(s);
	sweep_siblings_later(s);
}

void
sweep_init(struct supervisor *s)
{
	loop_timer_init(s->loop, &s->sweep.siblings, siblings_cb, s);
}

void
sweep_siblings_later(struct supervisor *s)
{
	if (s->sweep.nlate > 0 && !s->sweep.siblings.active)
		loop_timer_start(&s->sweep.siblings, SIBLINGS_MS);
}
