/*
 * fake_readiness: nobody waits for a worker to be ready. To be
 * included by a suite.
 */
#include "supervisor/readiness.h"

int
readiness_prepare(struct worker *w, int *end, struct err *e)
{
	(void)w;
	(void)e;
	*end = 0;
	return 0;
}

void
readiness_begin(struct worker *w)
{
	(void)w;
}

void
readiness_end(struct worker *w)
{
	(void)w;
}

void
readiness_take_timeout(struct worker *w, int64_t was)
{
	(void)w;
	(void)was;
}

void
readiness_overdue(struct worker *w)
{
	(void)w;
}

void
readiness_listen(struct worker *w)
{
	(void)w;
}

void
readiness_command_failed(struct worker *w, const char *fault)
{
	(void)w;
	(void)fault;
}

int
readiness_command_ended(struct worker *w, const struct death *d)
{
	(void)w;
	(void)d;
	return 0;
}

const char *
readiness_text(const struct worker *w, char *out, size_t size)
{
	(void)w;
	(void)size;
	return strcpy(out, "what it waits for");
}

void
readiness_adopt(struct supervisor *s)
{
	(void)s;
}
