/*
 * floor_pack: the small pages of a floor's own, packed. The kernel copies and
 * lets go of what lies side by side in a large page in one go, and of each
 * small one by itself, which takes fifteen times as long. What floor_huge had
 * to leave, as it does not fill a huge page where it is, is copied into one,
 * and moved from there to where it was.
 */
#ifndef SVD_LIB_FLOOR_PACK_H
#define SVD_LIB_FLOOR_PACK_H

#include "lib/floor_maps.h"

/* After floor_huge, and what else takes small pages away since all mappings
 * were read. Where the kernel has no huge pages to give they stay as they are.
 * Not where there are other threads, which would write to them meanwhile. */
void floor_pack_pages(const struct floor_mappings *all);

#endif
