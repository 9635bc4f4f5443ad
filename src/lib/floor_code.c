/* floor_code: see floor_code.h. */
#include "lib/floor_code.h"

#include <string.h>
#include <sys/mman.h>

static int
is_head(const struct floor_mapping *m, const struct floor_mapping *code)
{
	return strcmp(m->mode, "r--p") == 0 &&
	       strcmp(code->mode, "r-xp") == 0 && m->end == code->begin &&
	       m->inode != 0 && m->inode == code->inode &&
	       m->offset + (m->end - m->begin) == code->offset;
}

/* Where it may not be done, as the kernel or a policy forbids it, a head stays
 * as it is. */
void
floor_code_join(const struct floor_mappings *all)
{
	const struct floor_mapping *m;
	size_t i;

	for (i = 1; i < all->n; i++) {
		m = &all->at[i - 1];
		if (is_head(m, m + 1))
			mprotect((void *)m->begin, m->end - m->begin,
			    PROT_READ | PROT_EXEC);
	}
}
