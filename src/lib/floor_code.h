/*
 * floor_code: the code of a floor's libraries. What a library begins with, the
 * tables that the linker reads, is a mapping of its own, before that of the
 * code: it is made executable too, as it was in all programs until linkers
 * began to separate it (binutils 2.31, 2018), and both become one mapping. A
 * worker's birth and its end have that much less to do, some hundred times.
 */
#ifndef SVD_LIB_FLOOR_CODE_H
#define SVD_LIB_FLOOR_CODE_H

#include "lib/floor_maps.h"

/* When all is loaded. Nothing that can be written to becomes executable. Not
 * where there are other threads, which might map something there meanwhile. */
void floor_code_join(const struct floor_mappings *all);

#endif
