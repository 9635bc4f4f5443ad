/* floor_code: see floor_code.h. */
#include "lib/floor_code.h"

#include <string.h>
#include <sys/mman.h>

#include "lib/floor_maps.h"

static int
is_head(const struct floor_mapping *m, const struct floor_mapping *code)
{
	return m->end == code->begin && m->inode == code->inode &&
	       strcmp(m->mode, "r--p") == 0;
}

/* Where it may not be done, as the kernel or a policy forbids it, the head
 * stays as it is. */
static int
join_one(const struct floor_mapping *m, void *arg)
{
	struct floor_mapping *before = arg;

	if (m->inode != 0 && strcmp(m->mode, "r-xp") == 0 && is_head(before, m))
		mprotect((void *)before->begin, before->end - before->begin,
		    PROT_READ | PROT_EXEC);
	*before = *m;
	return 0;
}

void
floor_code_join(void)
{
	struct floor_mapping before = {0};

	floor_maps_each(join_one, &before);
}
