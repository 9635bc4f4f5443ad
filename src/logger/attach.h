/*
 * attach: the process that serves one call of Attach: what the client sends
 * goes to the worker, what the worker writes to the client
 * (ipc/proto_attach.h). Forked from main; ends with it, with the client, or
 * with the worker's life.
 */
#ifndef SVD_LOGGER_ATTACH_H
#define SVD_LOGGER_ATTACH_H

#include "ipc/proto_logger.h"
#include "logger/context.h"

/* m: the PL_ATTACH message, fds: what came with it; number: which of main's
 * readers we are. */
_Noreturn void attach_run(struct logger *lg, const struct pl_msg *m,
    const int *fds, size_t nfds, int number, pid_t main_pid);

#endif
