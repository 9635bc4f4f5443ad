/*
 * fake_dump: dumps that are counted, and over at once, unless the suite wants
 * one to last. To be included by a suite.
 */
#include <stddef.h>

#include "supervisor/dump_log.h"

static int dumps;
/* What waits for the dump that lasts is called by the suite. */
static int dump_lasts;
static void (*dump_waits)(struct worker *w);

void
dump_then(struct worker *w, void (*then)(struct worker *w))
{
	dumps++;
	if (dump_lasts)
		dump_waits = then;
	else if (then != NULL)
		then(w);
}

void
dump_log_finish(struct supervisor *s)
{
	(void)s;
}

void
dump_forget(struct worker *w)
{
	(void)w;
	dump_waits = NULL;
}
