/*
 * json_text: values appended to a text as JSON, without a tree of them: for
 * replies that speak of each worker of a large fleet. What is written is what
 * varlink.c writes of the same values.
 */
#ifndef SVD_IPC_JSON_TEXT_H
#define SVD_IPC_JSON_TEXT_H

#include <stdint.h>

#include "base/buf.h"

/* Each appends before, which is what has to stand before the value, such as its
 * key, and the value. -1: no memory, out may end anywhere. */

/* As varlink_string() has it: NULL or "" is null. */
int json_text_string(struct buf *out, const char *before, const char *text);
int json_text_int(struct buf *out, const char *before, int64_t n);
/* none is null. */
int json_text_int_unless(
    struct buf *out, const char *before, int64_t n, int64_t none);
/* As a number of seconds; what is negative is 0. */
int json_text_seconds(struct buf *out, const char *before, int64_t ms);
int json_text_bool(struct buf *out, const char *before, int is_true);

#endif
