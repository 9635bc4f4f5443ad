/*
 * lastkill: see lastkill.h.
 *
 * The journal is its owner's word, and root must not be made to kill by it
 * what its owner could not: so root takes on that user's ids first, and the
 * kernel judges.
 */
#include "ctl/lastkill.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/proctree.h"
#include "base/sys.h"
#include "ctl/exits.h"
#include "ctl/journal.h"
#include "ctl/print.h"
#include "ipc/varlink.h"

static int
become(uid_t owner, struct err *e)
{
	if (owner == 0 || geteuid() != 0)
		return 0;
	if (setresuid(owner, owner, owner) == -1)
		return err_sys(e, errno, "cannot act for uid %ld", (long)owner);
	return 0;
}

/* A pidfd is readable once its process has ended; -1 never is. */
static int
has_ended(int pidfd, int wait_ms)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	return poll(&p, 1, wait_ms) == 1;
}

/* Stopped, it cannot end and leave its pid to another meanwhile. */
static int
stop(pid_t pid, int pidfd)
{
	if (pidfd == -1)
		return kill(pid, SIGSTOP);
	return sys_pidfd_send_signal(pidfd, SIGSTOP);
}

/* Kills what pidfd proves. -1: it was not to be. */
static int
kill_proven(
    const struct worker_record *w, int pidfd, int wait_ms, struct err *e)
{
	int killed;

	if (stop(w->pid, pidfd) == -1)
		return err_sys(e, errno, "cannot kill process %d", w->pid);
	killed = has_ended(pidfd, 0) ? 0 : proctree_kill(w->pid);
	print_error("%s: killed process %d and %d more of its tree", w->name,
	    w->pid, killed > 0 ? killed - 1 : 0);
	if (pidfd != -1 && wait_ms > 0 && !has_ended(pidfd, wait_ms))
		return err_set(
		    e, "process %d, killed, is not gone yet", w->pid);
	return 0;
}

static int
kill_worker(const struct worker_record *w, int wait_ms, struct err *e)
{
	int pidfd, rc = 0;

	switch (journal_prove(w, &pidfd)) {
	case PROCESS_NONE:
		print_error("%s: has no process", w->name);
		break;
	case PROCESS_GONE:
		print_error("%s: process %d is gone", w->name, w->pid);
		break;
	case PROCESS_ANOTHER:
		return err_set(e, "process %d is another one by now", w->pid);
	case PROCESS_UNKNOWN:
		return err_set(e,
		    "nothing on record proves that process %d is its own",
		    w->pid);
	case PROCESS_ALIVE:
		rc = kill_proven(w, pidfd, wait_ms, e);
		break;
	}
	fd_close(&pidfd);
	return rc;
}

static int
kill_all_named(
    const struct journal *j, const struct lastkill *k, json_t *results)
{
	int status = EXIT_DONE, rc;
	struct err e;
	size_t i;

	for (i = 0; i < j->nworkers; i++) {
		const struct worker_record *w = &j->workers[i];

		if (!journal_is_picked(w, k->names, k->nnames))
			continue;
		rc = kill_worker(w, k->wait_ms, &e);
		if (rc == -1) {
			print_error("%s: %s", w->name, e.text);
			status = EXIT_FAILED;
		}
		json_array_append_new(results,
		    json_pack("{s:s, s:b, s:s, s:i, s:o}", "name", w->name,
			"done", rc == 0, "state", worker_state_name(w->state),
			"pid", w->pid, "error",
			varlink_string(rc == 0 ? NULL : e.text)));
	}
	return status;
}

int
lastkill_run(const struct lastkill *k, json_t **results)
{
	struct journal j;
	struct err e;
	int status = EXIT_FAILED;

	*results = NULL;
	if (journal_load(&j, k->socket, &e) == -1 ||
	    journal_check_place(&j, &e) == -1) {
		print_error("%s", e.text);
		goto out;
	}
	status = journal_check_names(&j, k->names, k->nnames);
	if (status != EXIT_DONE)
		goto out;
	status = EXIT_FAILED;
	if (become(j.owner, &e) == -1) {
		print_error("%s", e.text);
		goto out;
	}
	*results = json_array();
	status = kill_all_named(&j, k, *results);
out:
	journal_release(&j);
	return status;
}
