/*
 * fake_control: a control socket that nobody calls. To be included by a suite,
 * which defines what else it wants of control.
 */
#include "supervisor/control.h"

void
control_free(struct control *c)
{
	(void)c;
}

void
control_worker_changed(struct control *c, struct worker *w)
{
	(void)c;
	(void)w;
}

int
control_has_clients(const struct control *c)
{
	(void)c;
	return 0;
}

void
control_wake(struct control *c)
{
	(void)c;
}

void
control_finish(struct control *c)
{
	(void)c;
}
