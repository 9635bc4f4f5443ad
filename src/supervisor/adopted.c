/* adopted: see adopted.h. */
#include "supervisor/adopted.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/proctree.h"
#include "base/sys.h"
#include "supervisor/reattach.h"
#include "supervisor/supervisor.h"

#define PREFIX "pidfd:"
#define AGAIN_MS 5      /* until a dead one is asked for its status again */
#define GIVE_UP_MS 2000 /* then whoever is to reap it does not */

struct adopted {
	struct worker *w;
	int pidfd;
	struct loop_io io;
	struct loop_timer again;
	int64_t died_at; /* 0: it lives */
};

static void
held_name(const struct worker *w, char out[KEEPER_NAME_MAX + 1])
{
	snprintf(out, KEEPER_NAME_MAX + 1, PREFIX "%s", w->rec.name);
}

static void
free_adopted(struct adopted *a)
{
	loop_io_set(&a->io, 0);
	loop_timer_stop(&a->again);
	fd_close(&a->pidfd);
	free(a);
}

void
adopted_release(struct worker *w)
{
	if (w->adopted != NULL)
		free_adopted(w->adopted);
	w->adopted = NULL;
}

void
adopted_over(struct worker *w)
{
	char name[KEEPER_NAME_MAX + 1];

	if (!w->rec.adopted)
		return;
	held_name(w, name);
	link_drop(&w->sup->link, name);
	adopted_release(w);
}

static void
stop_name(const struct worker *w, char out[KEEPER_NAME_MAX + 1])
{
	snprintf(out, KEEPER_NAME_MAX + 1, "pidfd-stop:%s", w->rec.name);
}

void
adopted_keep_stop(struct worker *w)
{
	char name[KEEPER_NAME_MAX + 1];
	int pidfd = sys_pidfd_open(w->rec.stop_left);

	stop_name(w, name);
	if (pidfd != -1 && sweep_is_of(w, w->rec.stop_left)) {
		link_keep(&w->sup->link, name, pidfd);
		return;
	}
	fd_close(&pidfd);
	w->rec.stop_left = 0;
}

static void
end_stop(struct worker *w)
{
	char name[KEEPER_NAME_MAX + 1];
	int pidfd;

	stop_name(w, name);
	pidfd = link_take(&w->sup->link, name);
	if (pidfd == -1)
		return;
	proctree_kill_proven(sys_pidfd_pid(pidfd), pidfd);
	link_drop(&w->sup->link, name);
	fd_close(&pidfd);
}

/* status: as of wait(2); NULL: unknown. */
static void
end(struct worker *w, const int *status)
{
	struct supervisor *s = w->sup;
	struct death d = {.at = loop_now(s->loop),
	    .at_rt = loop_realtime(s->loop),
	    .pid = w->rec.pid,
	    .code = -1};

	if (status != NULL && WIFEXITED(*status))
		d.code = WEXITSTATUS(*status);
	else if (status != NULL) {
		d.signal = WTERMSIG(*status);
		d.core = WCOREDUMP(*status) != 0;
	}
	w->rec.stop_left = 0;
	worker_ended(w, w->rec.pid, &d);
	end_stop(w);
	supervisor_wake(s);
}

/* Dead for the kernel as for us; its status is there once it is reaped, by
 * whoever that is for. */
static void
look(struct adopted *a)
{
	int64_t now = loop_now(a->w->sup->loop);
	int status, rc;

	if (!sys_pidfd_is_dead(a->pidfd))
		return;
	loop_io_set(&a->io, 0);
	if (a->died_at == 0)
		a->died_at = now;
	rc = sys_pidfd_status(a->pidfd, &status);
	if (rc == 0 && now - a->died_at < GIVE_UP_MS)
		loop_timer_start(&a->again, AGAIN_MS);
	else
		end(a->w, rc == 1 ? &status : NULL);
}

static void
io_cb(struct loop_io *io, int events)
{
	(void)events;
	look(io->arg);
}

static void
again_cb(struct loop_timer *t)
{
	look(t->arg);
}

/* Takes pidfd. */
static int
watch(struct worker *w, int pidfd)
{
	struct adopted *a = calloc(1, sizeof(*a));

	if (a == NULL) {
		fd_close(&pidfd);
		errno = ENOMEM;
		return -1;
	}
	a->w = w;
	a->pidfd = pidfd;
	loop_io_init(w->sup->loop, &a->io, pidfd, io_cb, a);
	loop_timer_init(w->sup->loop, &a->again, again_cb, a);
	loop_io_set(&a->io, LOOP_READ);
	w->adopted = a;
	return 0;
}

int
adopted_become(struct worker *w, int pid, int pidfd, struct err *e)
{
	struct adopted *before = w->adopted;
	char name[KEEPER_NAME_MAX + 1];

	held_name(w, name);
	if (watch(w, pidfd) == -1)
		return err_sys(e, ENOMEM, "cannot watch pid %d", pid);
	link_hold(&w->sup->link, name, pidfd);
	if (before != NULL)
		free_adopted(before);
	w->rec.pid = pid;
	w->rec.adopted = 1;
	identity_take(pid, pidfd, &w->rec.id);
	worker_record(w);
	log_info("%s: its main process is pid %d now, as it says",
	    w->conf->name, pid);
	supervisor_worker_changed(w->sup, w);
	return 0;
}

/* By its pid. 1: it is the one, *pidfd; 0: it is gone; -1 and *e. */
static int
prove(const struct worker *w, int *pidfd, struct err *e)
{
	int pid = w->rec.pid, rc;

	*pidfd = sys_pidfd_open(pid);
	/* EINVAL, ENOENT: the number is a thread's. */
	if (*pidfd == -1 &&
	    (errno == ESRCH || errno == EINVAL || errno == ENOENT))
		return err_set(e, "pid %d is no more", pid) + 1;
	if (*pidfd == -1)
		return err_sys(e, errno, "cannot open pid %d", pid);
	rc = identity_holds(&w->rec.id, pid, *pidfd);
	/* Where nothing was recorded that could tell, it may say so itself. */
	if (rc == 1 || (rc == -1 && sweep_is_of(w, pid)))
		return 1;
	fd_close(pidfd);
	if (rc == 0)
		return err_set(e, "pid %d is another process now", pid) + 1;
	return err_set(
	    e, "nothing proves that pid %d is still its process", pid);
}

static void
report(struct worker *w, int rc, const struct err *why)
{
	char text[ERR_TEXT_MAX + 32];

	if (rc == 1) {
		snprintf(text, sizeof(text), "pid %d, %s%s", w->rec.pid,
		    worker_state_name(w->rec.state),
		    w->snapshot == 0 ? ""
				     : ", the fleet file no longer names it");
		reattach_note(w, REATTACH_ADOPTED, text);
	} else if (rc == 0) {
		snprintf(
		    text, sizeof(text), "%s, exit status unknown", why->text);
		reattach_note(w, REATTACH_GONE, text);
	} else
		reattach_note(w, REATTACH_REFUSED, why->text);
}

static void
take(struct worker *w)
{
	char name[KEEPER_NAME_MAX + 1];
	struct err e;
	int fd, rc;

	held_name(w, name);
	fd = link_take(&w->sup->link, name);
	if (fd != -1)
		rc = 1;
	else if ((rc = prove(w, &fd, &e)) == 1)
		link_hold(&w->sup->link, name, fd);
	if (rc == 1 && watch(w, fd) == -1)
		rc = err_sys(&e, errno, "cannot watch pid %d", w->rec.pid);
	report(w, rc, &e);
	w->lost = rc == 0;
}

void
adopted_take(struct supervisor *s)
{
	struct link *l = &s->link;
	struct worker *w;
	size_t i;

	ROSTER_EACH (&s->roster, i, w)
		if (adopted_is(w) && w->adopted == NULL && !w->lost)
			take(w);
	/* Whose death is on record: a predecessor came no further. */
	for (i = 0; i < l->nheld; i++)
		if (l->held[i].fd != -1 &&
		    strncmp(l->held[i].name, PREFIX, strlen(PREFIX)) == 0) {
			fd_close(&l->held[i].fd);
			link_drop(l, l->held[i].name);
		}
}

void
adopted_bury(struct supervisor *s)
{
	struct worker *w;
	size_t i;

	ROSTER_EACH (&s->roster, i, w)
		if (adopted_is(w) && w->lost) {
			end(w, NULL);
			w->lost = 0;
		}
}

int
adopted_signal(const struct worker *w, int sig, int group)
{
	const struct adopted *a = w->adopted;

	errno = ESRCH;
	if (a == NULL)
		return -1;
	if (!group)
		return sys_pidfd_send_signal(a->pidfd, sig);
	if (sys_pidfd_send_signal_group(a->pidfd, sig) == 0)
		return 0;
	if (errno != EINVAL || sys_pidfd_is_dead(a->pidfd))
		return -1;
	return kill(-w->rec.pid, sig);
}

void
adopted_end_group(const struct worker *w)
{
	int pid = w->rec.pid;

	/* Long ago: a group by that number may be of anybody. Or svd was
	 * started in it. */
	if (w->adopted == NULL || getpgid(w->sup->link.keeper_pid) == pid)
		return;
	/* A group's number is not given away while it has a member: it is its
	 * own if it is still the zombie's, or no process's. */
	if (sys_pidfd_pid(w->adopted->pidfd) == pid ||
	    (kill(pid, 0) == -1 && errno == ESRCH))
		kill(-pid, SIGKILL);
}

void
adopted_kill(struct worker *w)
{
	if (w->adopted != NULL)
		proctree_kill_proven(w->rec.pid, w->adopted->pidfd);
	else
		end(w, NULL);
}
