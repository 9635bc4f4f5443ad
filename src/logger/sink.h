/*
 * sink: a ring's way into a file, each byte exactly once: delivered is what
 * the file's own position says, which write(2) moves. Rotates it.
 */
#ifndef SVD_LOGGER_SINK_H
#define SVD_LOGGER_SINK_H

#include "logger/delivery.h"

delivery_fn sink_step;

#endif
