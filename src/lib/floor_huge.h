/*
 * floor_huge: huge pages for what a floor has loaded. A fork copies, and the
 * end of a worker takes apart, an entry for each page: 512 of them become one,
 * which is most of both where there are hundreds of megabytes. A worker still
 * copies only the 4 KiB that it writes to.
 */
#ifndef SVD_LIB_FLOOR_HUGE_H
#define SVD_LIB_FLOOR_HUGE_H

#include <stdint.h>

#include "lib/floor_maps.h"

#define FLOOR_HUGE_BYTES ((uintptr_t)2 << 20)

/* Of large regions of private, anonymous memory, as far as they are used
 * densely. Where the kernel has none to give (before Linux 6.1,
 * PR_SET_THP_DISABLE, none free) they stay as they are. */
void floor_huge_pages(void);
/* Is the huge page at `at` in m one of those, if it could be had? */
int floor_huge_is(int pagemap, const struct floor_mapping *m, uintptr_t at);

#endif
