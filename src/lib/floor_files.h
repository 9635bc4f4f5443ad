/*
 * floor_files: a floor's own share of the files that it has mapped. To load
 * reads a good deal of them that is never looked at again: it is unmapped page
 * by page, and is in memory then only as any file is that was read. Workers do
 * not inherit it; whoever needs a page after all finds it in the cache.
 */
#ifndef SVD_LIB_FLOOR_FILES_H
#define SVD_LIB_FLOOR_FILES_H

/* Of mappings that cannot be written to. Not where other threads might change
 * that. */
void floor_files_leave(void);

#endif
