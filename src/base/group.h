/*
 * group: a group of users by its name or number. Asks the machine's data
 * bases, which may take long: not for the keeper.
 */
#ifndef SVD_BASE_GROUP_H
#define SVD_BASE_GROUP_H

#include <sys/types.h>

/* -1: nobody knows it. */
int group_find(const char *name, gid_t *gid);

#endif
