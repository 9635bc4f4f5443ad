/*
 * base64: RFC 4648, with padding.
 */
#ifndef SVD_LOGGER_BASE64_H
#define SVD_LOGGER_BASE64_H

#include <stddef.h>

#define BASE64_SIZE(len) (((len) + 2) / 3 * 4 + 1)

/* Into out, of BASE64_SIZE(len_bytes); NUL-terminated. */
void base64_encode(const void *data, size_t len_bytes, char *out);

#endif
