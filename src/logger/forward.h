/*
 * forward: a ring's way to syslog or to systemd's journal, line by line; a
 * line is told twice where the writer is killed just after it.
 */
#ifndef SVD_LOGGER_FORWARD_H
#define SVD_LOGGER_FORWARD_H

#include "logger/delivery.h"

#define FORWARD_SYSLOG "/dev/log"
#define FORWARD_JOURNAL "/run/systemd/journal/socket"

delivery_fn forward_step;

#endif
