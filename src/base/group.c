/* group: see group.h. */
#include "base/group.h"

#include <grp.h>
#include <stdlib.h>

int
group_find(const char *name, gid_t *gid)
{
	struct group *gr = getgrnam(name);
	unsigned long id;
	char *end;

	if (gr != NULL) {
		*gid = gr->gr_gid;
		return 0;
	}
	id = strtoul(name, &end, 10);
	if (*name == '\0' || *end != '\0' || id >= (gid_t)-1)
		return -1;
	*gid = (gid_t)id;
	return 0;
}
