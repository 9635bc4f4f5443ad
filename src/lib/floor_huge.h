/*
 * floor_huge: huge pages for what a floor has loaded. A fork copies, and the
 * end of a worker takes apart, an entry for each page: 512 of them become one,
 * which is most of both where there are hundreds of megabytes. A worker still
 * copies only the 4 KiB that it writes to.
 */
#ifndef SVD_LIB_FLOOR_HUGE_H
#define SVD_LIB_FLOOR_HUGE_H

/* Of large regions of private, anonymous memory, as far as they are used
 * densely. Where the kernel has none to give (before Linux 6.1,
 * PR_SET_THP_DISABLE, none free) they stay as they are. */
void floor_huge_pages(void);

#endif
