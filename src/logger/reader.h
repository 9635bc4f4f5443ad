/*
 * reader: the process that answers one call of Logs. Forked from main, ends
 * with it, with the client, or when all is said.
 */
#ifndef SVD_LOGGER_READER_H
#define SVD_LOGGER_READER_H

#include "ipc/proto_logger.h"
#include "logger/context.h"

/* The connection is the supervisor's again: data is what it is to read first,
 * calls. */
void reader_give_back(
    const struct logger *lg, int client, const char *data, size_t len);
/* m: the PL_LOGS message; number: which of main's readers we are. */
_Noreturn void reader_run(struct logger *lg, const struct pl_msg *m, int client,
    int number, pid_t main_pid);

#endif
