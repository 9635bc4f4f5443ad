/* helper: see helper.h. */
#include "supervisor/helper.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"
#include "supervisor/supervisor.h"

struct helper {
	struct helper_task task;
	struct supervisor *sup;
	struct loop_io io; /* of the pipe, which is ours */
	pid_t pid;
	int ended; /* nobody listens any more */
};

static _Noreturn void
child_main(const struct helper_task *t, int out, pid_t parent)
{
	sys_signals_default(SIG_BIT(t->end_signal));
	sys_short_turns(0);
	prctl(PR_SET_PDEATHSIG, t->end_signal);
	if (getppid() != parent)
		_exit(1);
	/* Nothing of ours is to stay open for the sake of a hung process. */
	if (out > 0)
		close_range(0, (unsigned int)out - 1, 0);
	close_range((unsigned int)out + 1, ~0U, 0);
	t->run(out, t->arg);
	_exit(0);
}

/* Its pipe is at its end: it is about to be a zombie. */
static void
helper_free(struct helper *h)
{
	loop_io_set(&h->io, 0);
	fd_close(&h->io.fd);
	waitpid(h->pid, NULL, 0);
	--*h->task.running;
	if (h->task.gone != NULL)
		h->task.gone(h->sup);
	free(h);
}

static int
drain(int fd)
{
	char rest[4096];

	return read(fd, rest, sizeof(rest)) == 0 ? -1 : 0;
}

static void
heard_cb(struct loop_io *io, int events)
{
	struct helper *h = io->arg;

	(void)events;
	if ((h->ended ? drain(io->fd) : h->task.heard(io->fd, h->task.arg)) ==
	    -1)
		helper_free(h);
}

struct helper *
helper_start(struct supervisor *s, const struct helper_task *t, struct err *e)
{
	struct helper *h;
	pid_t parent = getpid(), pid = -1;
	int fds[2] = {-1, -1};

	if (*t->running >= t->max) {
		err_set(e, "too many at once");
		return NULL;
	}
	h = calloc(1, sizeof(*h));
	if (h != NULL && pipe2(fds, O_CLOEXEC) == 0 &&
	    fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0)
		pid = fork();
	if (pid == 0)
		child_main(t, fds[1], parent);
	fd_close(&fds[1]);
	if (pid == -1) {
		err_set(e, "no memory, process or descriptor");
		fd_close(&fds[0]);
		free(h);
		return NULL;
	}
	*h = (struct helper){.task = *t, .sup = s, .pid = pid};
	loop_io_init(s->loop, &h->io, fds[0], heard_cb, h);
	loop_io_set(&h->io, LOOP_READ);
	++*t->running;
	return h;
}

void
helper_hurry(const struct helper *h)
{
	if (h != NULL)
		kill(h->pid, h->task.end_signal);
}

void
helper_end(struct helper *h)
{
	if (h == NULL)
		return;
	helper_hurry(h);
	h->ended = 1;
}
