/*
 * floor_late: memory that a floor shares with svd and all its workers, where
 * they note what they load themselves. Its form: ipc/proto_floor.h.
 */
#ifndef SVD_LIB_FLOOR_LATE_H
#define SVD_LIB_FLOOR_LATE_H

/* Mapped for good. Its descriptor, of a size that nobody can change, is the
 * caller's; -1 and errno. */
int floor_late_make(void);

#endif
