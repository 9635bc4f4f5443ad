/*
 * where: which socket svctl talks to.
 */
#ifndef SVD_CTL_WHERE_H
#define SVD_CTL_WHERE_H

#include <stddef.h>

#define WHERE_SIZE 108 /* of a socket's path: sun_path */

/* The choice of the command line; each may be NULL. */
struct where {
	const char *socket; /* -s */
	const char *dir;    /* -r */
};

/* The socket's path: -s, -r, $SVD_SOCKET, or the one fleet found under the
 * default runtime directory. 0, or svctl's exit status, the reason printed. */
int where_socket(const struct where *w, char out[WHERE_SIZE]);

#endif
