/* stream: see stream.h. */
#include "ctl/stream.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/sys.h"
#include "ctl/exits.h"
#include "ctl/report.h"

/* -1: go on; *more says whether other replies follow. Takes msg. */
static int
use_message(struct ctl *ctl, const struct stream *s, json_t *msg, int *more)
{
	struct varlink_reply reply;
	int status = report_reply(msg, &reply);

	*more = 0;
	if (status == EXIT_DONE) {
		*more = reply.continues;
		status = s->use(ctl, reply.parameters, s->arg);
		/* Each line at once; a reader that is gone is no error. */
		if (status == STREAM_GO_ON && fflush(stdout) == EOF)
			status = EXIT_DONE;
	}
	json_decref(msg);
	return status;
}

/* One connection. CLIENT_REPLY: *status is how it all ends. */
static enum client_result
run_once(struct ctl *ctl, const struct stream *s, int *status, struct err *e)
{
	json_t *parameters = s->parameters(ctl, s->arg), *msg;
	int64_t deadline = ctl->deadline;
	enum client_result r;
	int more = 1;

	r = client_send_more(
	    &ctl->client, ctl->command->method, parameters, deadline, e);
	json_decref(parameters);
	while (r == CLIENT_REPLY && more) {
		r = client_receive(&ctl->client, deadline, &msg, e);
		if (r != CLIENT_REPLY)
			return r;
		*status = use_message(ctl, s, msg, &more);
		if (*status != STREAM_GO_ON)
			return CLIENT_REPLY;
		/* It answers: from now on, only the user's own patience. */
		if (ctl->timeout_ms == -1)
			ctl->deadline = deadline = CLIENT_NEVER;
	}
	if (r == CLIENT_REPLY)
		*status = EXIT_DONE;
	return r;
}

int
stream_run(struct ctl *ctl, const struct stream *s)
{
	enum client_result r;
	int status = EXIT_DONE;
	struct err e;

	signal(SIGPIPE, SIG_IGN);
	ctl->client.output = STDOUT_FILENO;
	for (;;) {
		r = run_once(ctl, s, &status, &e);
		if (r != CLIENT_LOST)
			break;
		if (!client_pause(ctl->deadline)) {
			r = CLIENT_TIMEOUT;
			break;
		}
	}
	if (r == CLIENT_REPLY)
		return status;
	return r == CLIENT_UNREAD ? EXIT_DONE : report_no_answer(ctl, r, &e);
}
