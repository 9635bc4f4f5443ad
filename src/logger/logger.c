/* logger: see logger.h. */
#include "logger/logger.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/sys.h"
#include "ipc/link.h"

/* 1: to be obeyed further, 0: the end. */
static int
obey_keeper(struct link *l)
{
	unsigned char packet[KEEPER_PACKET_MAX];
	struct keeper_msg m, pong = {.type = KM_PONG};
	int rc;

	while ((rc = link_receive(l, packet, &m)) == 1) {
		if (m.type == KM_QUIT)
			return 0;
		if (m.type == KM_PING)
			link_send(l, &pong, -1);
	}
	return rc == 0;
}

int
logger_main(const struct logger_options *o)
{
	static struct link l;
	struct keeper_msg ready = {.type = KM_READY};
	struct pollfd p = {.fd = o->keeper_fd, .events = POLLIN};
	struct err e;

	log_init("logger", (enum log_level)o->log_level);
	sys_signals_default();
	sys_signals_ignore(SIG_BIT(SIGINT) | SIG_BIT(SIGQUIT) |
			   SIG_BIT(SIGHUP) | SIG_BIT(SIGTSTP) |
			   SIG_BIT(SIGTTIN) | SIG_BIT(SIGTTOU) |
			   SIG_BIT(SIGPIPE));
	sys_sigmask(0);
	if (link_open(&l, o->keeper_fd, &e) == -1) {
		log_error("%s", e.text);
		return 1;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != l.keeper_pid)
		return 1;
	link_send(&l, &ready, -1);
	do
		poll(&p, 1, -1);
	while (obey_keeper(&l));
	link_close(&l);
	return 0;
}
