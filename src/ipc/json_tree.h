/*
 * json_tree: plain JSON as jansson's values, in a third of the time that its
 * own reader takes, which goes byte by byte: for the rows of a large fleet.
 * What is not plain is left to that reader.
 */
#ifndef SVD_IPC_JSON_TREE_H
#define SVD_IPC_JSON_TREE_H

#include <jansson.h>

/*
 * The object that begins text, as json_loadb() makes it; *behind is the place
 * behind it. NULL: it is none, or has something else in it than strings and
 * names without escapes, numbers of ordinary length, true, false, null and such
 * objects; or has a name twice, or no members; or there is no memory.
 */
json_t *
json_tree_object(const char *text, const char *end, const char **behind);

#endif
