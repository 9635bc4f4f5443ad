/*
 * print_floors: what Floors has told, as svctl shows it to people.
 */
#ifndef SVD_CTL_PRINT_FLOORS_H
#define SVD_CTL_PRINT_FLOORS_H

#include <jansson.h>

/* A table; and of floors of which more was asked for, what there is. */
void print_floors(const json_t *parameters);

#endif
