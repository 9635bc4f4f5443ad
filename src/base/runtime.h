/*
 * runtime: where a fleet's runtime directory is, and its files' names.
 */
#ifndef SVD_BASE_RUNTIME_H
#define SVD_BASE_RUNTIME_H

#include <stddef.h>

#include "base/err.h"

#define RUNTIME_CONTROL "control.sock"
#define RUNTIME_STATE "state"
#define RUNTIME_LOCK "lock"
#define RUNTIME_BIRTHS "births"
#define RUNTIME_RINGS "rings"
#define RUNTIME_CURSORS RUNTIME_RINGS "/cursors"
#define RUNTIME_SOCKET_MAX 107 /* bytes of a socket's address */
#define RUNTIME_FLEET_DEFAULT "/etc/svd/fleet.ini"

/* The directory that holds the default runtime directories: "/run/svd" for
 * root, else "$XDG_RUNTIME_DIR/svd". -1 where XDG_RUNTIME_DIR is not set. */
int runtime_parent(char *out, size_t size, struct err *e);
/* DIR for a fleet: option (-r) if not NULL, else conf ([fleet] runtime_dir)
 * if not NULL, else $RUNTIME_DIRECTORY (its first word up to ':'), else
 * parent/name. Always absolute in *out. */
int runtime_dir(char *out, size_t size, const char *option, const char *conf,
    const char *name, struct err *e);
/* DIR/file; -1 where that is too long for a socket's address (107 bytes). */
int runtime_path(
    char *out, size_t size, const char *dir, const char *file, struct err *e);

#endif
