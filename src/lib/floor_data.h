/*
 * floor_data: the data of a floor's libraries, as relocations and their first
 * code have left it. A fork copies what is no file's page by page, and each
 * mapping that has some is in a tree of its own with those of all workers,
 * where it is put at a birth and taken from at an end: for some hundred
 * libraries, more than a third of both, and hardly any worker looks at one in
 * ten of them. It is put into files in memory and mapped again from there, as
 * private as before: then it costs what the libraries' code does, next to
 * nothing until it is looked at.
 */
#ifndef SVD_LIB_FLOOR_DATA_H
#define SVD_LIB_FLOOR_DATA_H

#include "lib/floor_maps.h"

/* When all is loaded. Not where there are other threads, which would write to
 * it meanwhile. */
void floor_data_share(const struct floor_mappings *all);

#endif
