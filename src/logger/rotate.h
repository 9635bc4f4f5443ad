/*
 * rotate: PATH becomes PATH.1, that PATH.2 and so on.
 */
#ifndef SVD_LOGGER_ROTATE_H
#define SVD_LOGGER_ROTATE_H

#include <stdint.h>

/*
 * Makes room for a new PATH; keep: how many old files stay, 0: none. May be
 * killed at any instruction and then be called again, if PATH is still there:
 * no file is lost or moved twice. -1 and errno.
 */
int rotate_shift(const char *path, uint32_t keep);

#endif
