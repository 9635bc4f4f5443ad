/*
 * floor: the role of a native floor, `svd -P floor [--init SYMBOL] --
 * PRELOAD...`: loads, then makes workers that call a function of what was
 * loaded. User code runs in here, so there is nothing of svd's but libsvdfloor.
 */
#ifndef SVD_FLOOR_FLOOR_H
#define SVD_FLOOR_FLOOR_H

/* The options of the role, argv[0] its name. Returns the exit status of the
 * floor; a worker does not return. */
int floor_main(int argc, char **argv);

#endif
