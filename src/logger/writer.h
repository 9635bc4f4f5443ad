/*
 * writer: the process that delivers, see writers.h. Forked from main; ends with
 * it.
 */
#ifndef SVD_LOGGER_WRITER_H
#define SVD_LOGGER_WRITER_H

#include "logger/context.h"

_Noreturn void writer_run(struct logger *lg, struct writer *w, pid_t main_pid);

#endif
