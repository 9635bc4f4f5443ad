/* fake_watchdog: nobody is watched. To be included by a suite. */
#include "supervisor/watchdog.h"

void
watchdog_init(struct worker *w)
{
	(void)w;
}

void
watchdog_release(struct worker *w)
{
	(void)w;
}

void
watchdog_begin(struct worker *w)
{
	(void)w;
}

void
watchdog_end(struct worker *w)
{
	(void)w;
}

void
watchdog_heartbeat(struct worker *w)
{
	(void)w;
}

void
watchdog_set(struct worker *w, uint64_t usec)
{
	(void)w;
	(void)usec;
}

void
watchdog_trigger(struct worker *w)
{
	(void)w;
}

int64_t
watchdog_period(const struct worker *w)
{
	(void)w;
	return 0;
}

const char *
watchdog_text(const struct worker *w, char out[WATCHDOG_TEXT_SIZE])
{
	(void)w;
	(void)out;
	return NULL;
}
