/* backoff: see backoff.h. */
#include "core/backoff.h"

#include <stdio.h>
#include <string.h>

/* By squaring: a run of deaths may be long. Infinite where it is too large. */
static double
power(double base, uint32_t n)
{
	double p = 1;

	for (; n > 0; n >>= 1, base *= base)
		if (n & 1)
			p *= base;
	return p;
}

int64_t
backoff_wait(const struct worker_conf *c, uint32_t run, uint32_t random)
{
	double limit = (double)c->backoff_limit,
	       wait = (double)c->backoff_delay;

	if (c->backoff_delay == 0 && run >= 2) {
		wait = BACKOFF_FLOOR_MS;
		run--;
	}
	if (run > 1)
		wait *= power(c->backoff_factor, run - 1);
	if (wait > limit)
		wait = limit;
	wait += wait * c->backoff_jitter * ((double)random / UINT32_MAX);
	return (int64_t)wait;
}

int
death_is_unborn(const struct death *d)
{
	return d->fault[0] != '\0' && !d->raised;
}

int
death_is_success(const struct worker_conf *c, const struct death *d)
{
	if (death_is_unborn(d))
		return 0;
	if (d->signal != 0)
		return exit_set_has_signal(&c->success, d->signal);
	return d->code >= 0 && exit_set_has_code(&c->success, d->code);
}

static int
is_permanent(const struct worker_conf *c, const struct death *d)
{
	if (death_is_unborn(d))
		return 0;
	if (d->signal != 0)
		return exit_set_has_signal(&c->permanent, d->signal);
	return d->code >= 0 && exit_set_has_code(&c->permanent, d->code);
}

/* A death that somebody asked for, as the reference manual of `on-failure`
 * lists them: HUP, INT, TERM, PIPE. */
static int
is_asked_for(const struct death *d)
{
	return d->signal == 1 || d->signal == 2 || d->signal == 15 ||
	       d->signal == 13;
}

static int
wants_another(const struct verdict_input *in)
{
	switch (in->conf->restart) {
	case RESTART_ALWAYS:
		return 1;
	case RESTART_ON_FAILURE:
		return in->overdue || (!death_is_success(in->conf, in->death) &&
					  !is_asked_for(in->death));
	default:
		return 0;
	}
}

enum worker_event
backoff_verdict(const struct verdict_input *in)
{
	const struct worker_conf *c = in->conf;
	const struct death *d = in->death;

	if (in->stopping)
		return in->want_up ? EV_DIED_RESTART : EV_DIED_DONE;
	if (!in->want_up)
		return EV_DIED_DONE;
	if (in->hopeless || is_permanent(c, d))
		return EV_DIED_FATAL;
	/* As a rule all died with svd: no reason to end the fleet again, with
	 * a status that is not known. */
	if (in->found_gone && c->essential && c->type == WORKER_DAEMON)
		return EV_DIED_RETRY;
	if (!wants_another(in)) {
		if (!in->overdue &&
		    (death_is_success(c, d) ||
			(c->restart == RESTART_ON_FAILURE && is_asked_for(d))))
			return EV_DIED_DONE;
		return EV_DIED_FATAL;
	}
	if (c->restart_limit > 0 && in->recent > c->restart_limit)
		return EV_DIED_FATAL;
	return EV_DIED_RETRY;
}

const char *
death_describe(const struct death *d, char *out, size_t size)
{
	char name[16];

	if (death_is_unborn(d))
		snprintf(out, size, "%s", d->fault);
	else if (d->signal != 0)
		snprintf(out, size, "killed by %s%s%s%s",
		    units_signal_name(d->signal, name, sizeof(name)),
		    d->core ? " (core dumped)" : "", d->raised ? ": " : "",
		    d->raised ? d->fault : "");
	else if (d->code < 0)
		snprintf(out, size, "status unknown");
	else
		snprintf(out, size, "exit status %d%s%s", d->code,
		    d->raised ? ": " : "", d->raised ? d->fault : "");
	return out;
}
